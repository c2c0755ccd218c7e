"""Every parameter lies in exactly one group; what is wrong with a division is named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Group
from rnd1lib.models.config.tensor_names import MASK_ROW
from rnd1lib.titan.optimizer.groups import claim, frozen_parameters, parameter_groups

NAMES = [
    "tok_embeddings.weight",
    "layers.0.attention.wo.weight",
    "layers.0.attention_norm.weight",
    "layers.10.attention.wo.weight",
    "lm_head.weight",
]
ATTENTION = Group("attention", r"\.attention\.", 1e-3, 0.1)
REST = Group("rest", ".*", 1e-5, 0.1)
ROW = Group("row", r"tok_embeddings\.weight", 2e-3, 0.0, rows="mask_token")


@given(patterns=st.lists(st.sampled_from(["attention", "layers", "weight$", "^lm", "norm", "zzz"]), max_size=5, unique=True))
def test_a_division_is_complete_and_disjoint_or_an_error_that_says_what_is_wrong(patterns):
    groups = [Group(pattern, pattern, 1e-3, 0.0) for pattern in patterns]
    first = {name: next((p for p in patterns if re.search(p, name)), None) for name in NAMES}
    try:
        claims = claim(groups, NAMES, mask_row=False)
    except RecipeError as error:
        unused = set(patterns) - set(first.values())
        assert {p for p in patterns if f"group '{p}'" in str(error)} == unused
        assert all((f"the parameter {name}." in str(error)) == (owner is None) for name, owner in first.items())
        assert unused or None in first.values()
    else:
        assert {name: group.name for group, names in claims for name in names} == first


def test_the_mask_row_has_its_own_group_or_goes_with_its_table():
    owner = {name: group.name for group, names in claim([ROW, ATTENTION, REST], NAMES, mask_row=True) for name in names}
    assert owner[MASK_ROW] == "row" and owner["tok_embeddings.weight"] == "rest"
    owner = {name: group.name for group, names in claim([ATTENTION, REST], NAMES, mask_row=True) for name in names}
    assert owner[MASK_ROW] == "rest"


def test_a_model_without_a_mask_token_leaves_the_group_of_its_row_out():
    claims = claim([ROW, ATTENTION, REST], NAMES, mask_row=False)
    assert [group.name for group, _ in claims] == ["attention", "rest"]


def test_two_groups_of_one_name_are_refused():
    with pytest.raises(RecipeError, match="two groups bear one name"):
        claim([ATTENTION, REST._replace(name="attention")], NAMES, mask_row=False)


def test_frozen_parameters_are_no_torchtitan_groups():
    claims = claim([ATTENTION, REST._replace(frozen=True)], NAMES, mask_row=False)
    assert frozen_parameters(claims) == {name for name in NAMES if ".attention." not in name}
    (group,) = parameter_groups(claims, betas=(0.9, 0.95), eps=1e-8)
    assert group.optimizer_kwargs["lr"] == 1e-3 and group.optimizer_kwargs["betas"] == (0.9, 0.95)


def test_a_groups_pattern_finds_its_parameters_under_wrappers_and_no_other():
    attention, rest = parameter_groups(claim([ATTENTION, REST], NAMES, mask_row=False), betas=(0.9, 0.95), eps=1e-8)
    wrapped = ["layers.0._checkpoint_wrapped_module.attention.wo.weight", "_orig_mod.layers.10._orig_mod.attention.wo.weight"]
    assert all(re.search(attention.pattern, name) and not re.search(rest.pattern, name) for name in wrapped)
    assert not re.search(attention.pattern, "layers.1.attention.wo.weight")
    assert not re.search(attention.pattern, "layers.0.attention.wo.weight.more")
