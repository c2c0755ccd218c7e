"""The report's settings, and the mask token's row."""

import re

import pytest
from rnd1_plugins.lr_groups.attention_first import AttentionFirst
from rnd1_plugins.lr_groups.uniform import Uniform

ATTENTION = [f"layers.{n}.attention.{part}.weight" for n in (0, 11) for part in ("qkv_linear.wq", "wo", "q_norm")]
REST = [
    "tok_embeddings.weight",
    "layers.0.attention_norm.weight",
    "layers.0.moe.routed_experts.inner_experts.w1_EFD",
    "layers.0.moe.router.gate.weight",
    "norm.weight",
    "lm_head.weight",
]


def owner(groups, name):
    return next(g for g in groups if g.rows is None and re.search(g.pattern, name))


@pytest.mark.parametrize(
    ("setting", "attention", "rest", "decay"),
    [(1, 3e-4, 3e-4, 1e-4), (2, 3e-4, 3e-4, 0.1), (3, 1e-4, 1e-6, 0.1), (4, 3e-4, 1e-8, 0.1)],
)
def test_a_setting_of_the_report(setting, attention, rest, decay):
    groups = AttentionFirst(setting=setting).groups([*ATTENTION, *REST])
    assert {(owner(groups, n).lr, owner(groups, n).weight_decay) for n in ATTENTION} == {(attention, decay)}
    assert {(owner(groups, n).lr, owner(groups, n).weight_decay) for n in REST} == {(rest, decay)}


def test_without_options_it_is_setting_four():
    assert AttentionFirst().groups([]) == AttentionFirst(setting=4).groups([])


def test_freeze_trains_attention_and_the_mask_row_alone():
    groups = AttentionFirst(attention_lr=1e-3, rest="freeze").groups([*ATTENTION, *REST])
    assert all(owner(groups, n).frozen for n in REST) and not any(owner(groups, n).frozen for n in ATTENTION)
    (row,) = (g for g in groups if g.rows)
    assert (row.lr, row.frozen, row.rows) == (1e-3, False, "mask_token")


@pytest.mark.parametrize("options", [{}, {"setting": 1}, {"weight_decay": 0.3}, {"rest": "freeze"}])
def test_the_mask_row_never_decays(options):
    (row,) = (g for g in AttentionFirst(**options).groups([*ATTENTION, *REST]) if g.rows)
    assert row.weight_decay == 0 and row.lr == owner(AttentionFirst(**options).groups(ATTENTION), ATTENTION[0]).lr


@pytest.mark.parametrize(
    "options",
    [
        {"setting": 4, "rest_lr": 1e-8},
        {"rest": "freeze", "rest_lr": 1e-8},
        {"attention_lr": -1.0},
        {"weight_decay": float("nan")},
    ],
)
def test_options_that_contradict_each_other_are_refused(options):
    with pytest.raises(ValueError, match=r"^\w+: "):
        AttentionFirst(**options)


def test_uniform_has_one_group_for_all():
    (group,) = Uniform(lr=2e-4, weight_decay=0.05).groups([*ATTENTION, *REST])
    assert all(re.search(group.pattern, name) for name in [*ATTENTION, *REST]) and (group.lr, group.weight_decay) == (
        2e-4,
        0.05,
    )
    for rate in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"lr: {rate} is not a finite number of 0 or more"):
            Uniform(lr=rate)
