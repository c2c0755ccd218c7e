"""The routers' losses in training: the gradients of the plain sum, figures counted once, and nothing where nothing is asked."""

import pytest
import torch
from plain_gradients import STILL, plain, watch
from rnd1_plugins.objectives.router_losses import RouterLosses
from titan_runs import losses, weights

from rnd1lib.errors import RecipeError

BALANCE, Z = 0.2, 0.05
ASKED = (f"objective.balance={BALANCE}", f"objective.z={Z}")


@pytest.fixture
def seen(monkeypatch):
    return watch(monkeypatch.setattr)


def figures(result):
    return {name: line[name] for line in result.metrics if line["step"] == 1 for name in ("balance", "z") if name in line}


@pytest.mark.parametrize(
    "options",
    [
        ["objective=mdlm"],
        ["objective={use: a2d_shift, weight: uniform, normalise: masked}", "train.micro_batch_rows=4"],
        ["train.recompute=full"],
        ["train.recompute=selective", "train.micro_batch_rows=2"],
        ["objective=autoregressive", "attention_mask=causal", "noise=null"],
    ],
    ids=["one pass", "two micro-batches", "full recomputation", "selective, four micro-batches", "autoregressive"],
)
def test_the_gradients_are_those_of_the_losses_added_up(run, seen, options):
    result = run(*options, *ASKED, *STILL)
    assert len(seen["micro_batches"]) == {"2": 4, "4": 2}.get(options[-1][-1], 1)
    expected, said = plain(result.model(), seen["micro_batches"], balance=BALANCE, z=Z)
    assert expected.keys() == seen["gradients"].keys()
    for name, gradient in expected.items():
        assert (seen["gradients"][name] - gradient).abs().max() < 1e-5 * gradient.abs().max(), name
    for name, by_layer in figures(result).items():
        assert by_layer == pytest.approx(said[name], rel=1e-5) and len(by_layer) == 3


def test_the_losses_reach_the_routers_and_what_lies_before_them(run, seen, tmp_path):
    gradients = []
    for number, options in enumerate([(), ASKED]):
        run(*options, *STILL, f"run.folder={tmp_path}/{number}")
        gradients.append(seen["gradients"])
    for name in ("layers.0.moe.router.gate.weight", "layers.2.moe.router.gate.weight", "layers.0.attention.wo.weight"):
        assert not torch.allclose(gradients[0][name], gradients[1][name], rtol=1e-3)
    assert torch.equal(gradients[0]["lm_head.weight"], gradients[1]["lm_head.weight"])


def test_without_coefficients_the_run_is_bit_for_bit_that_of_an_objective_without_such_losses(run, monkeypatch, tmp_path):
    asked = run("train.steps=3", f"run.folder={tmp_path}/asked")
    monkeypatch.delattr(RouterLosses, "auxiliary")
    never = run("train.steps=3", f"run.folder={tmp_path}/never")
    assert losses(asked) == losses(never) and figures(asked) == {}
    ours, theirs = weights(asked), weights(never)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_z_is_exact_under_any_cut_and_balance_hangs_on_it(run, tmp_path):
    said = [
        figures(run(*ASKED, *STILL, f"train.micro_batch_rows={rows}", f"run.folder={tmp_path}/{rows}")) for rows in (8, 4, 1)
    ]
    assert said[0]["z"] == pytest.approx(said[1]["z"], rel=1e-5) and said[0]["z"] == pytest.approx(said[2]["z"], rel=1e-5)
    assert said[0]["balance"] != pytest.approx(said[2]["balance"], rel=1e-4)


def test_an_evaluation_asks_the_routers_nothing(run, monkeypatch, tmp_path):
    asked, plainly = [], RouterLosses.auxiliary
    monkeypatch.setattr(RouterLosses, "auxiliary", lambda self, *given: asked.append(1) or plainly(self, *given))
    run(*ASKED, "train.steps=2", "evaluators={nll: {use: nll, every: 1, rows: 8}}", f"run.folder={tmp_path}/evaluated")
    assert len(asked) == 2 * 3


def test_a_resumed_run_says_the_same_of_its_routers(run, tmp_path):
    lines = []
    for folder, stops in (("whole", ()), ("parts", ("run.stop_after=2",))):
        for stop in (*stops, None):
            options = [f"run.folder={tmp_path}/{folder}", *([stop] if stop else [])]
            result = run(*ASKED, "train.steps=4", *options)
        lines.append([(line["loss"], line["balance"], line["z"]) for line in result.metrics if "loss" in line])
    assert lines[0] == lines[1] and len(lines[0]) == 4


def test_a_folder_without_experts_is_refused_before_anything_starts(run, goldens):
    with pytest.raises(RecipeError, match=r"objective\.z: this model has no experts"):
        run("model={use: qwen3, init: '%s', flavor: null, tokenizer: null}" % (goldens / "hf/qwen3"), "objective.z=0.1")
