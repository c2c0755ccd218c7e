"""A run in one process: what it writes, and that the loss does not depend on how the batch is cut."""

import json
import math

import pytest
import torch
from titan_runs import losses, weights

import rnd1lib
from rnd1lib.errors import RecipeError

LATE = '''
class Late:
    """Masks late."""
    def alpha(self, t):
        return 1 - t**2
    def alpha_prime(self, t):
        return -2 * t
'''
BROKEN = '''
from rnd1lib.kinds import Callback
class Broken(Callback):
    """Fails at its second step."""
    def on_step(self, run, metrics):
        if run.step == 2:
            raise IndexError("no such thing")
'''


def test_a_run_learns_and_writes_what_it_did(run):
    result = run("train.steps=12", "evaluators={nll: {use: nll, every: 12, rows: 8}}")
    steps = [line for line in result.metrics if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert all(
        line["masked"] <= line["tokens"] <= 512 and set(line["lr"]) == {"mask_token", "attention", "rest"} for line in steps
    )
    assert steps[0]["lr"]["attention"] == pytest.approx(1.5e-3) and steps[2]["lr"]["attention"] == 3e-3
    before, after = (line["nll"] for line in result.metrics if "evaluator" in line)
    assert after < before - 0.5 and before > 6
    folder = result.folder
    assert {"recipe.yaml", "plugins.lock", "status.json", "metrics.jsonl", "checkpoints", "model"} <= {
        p.name for p in folder.iterdir()
    }
    status = json.loads((folder / "status.json").read_text())
    assert status == {"state": "done", "step": 12, "exit_code": 0, "error": None, "first_steps": 12}
    facts = json.loads((folder / "model/rnd1_config.json").read_text())
    assert (facts["shift"], facts["attention_mask"]) == (1, {"use": "bidirectional"})
    assert facts["mask_token_id"] == result.model().tokenizer.mask_token_id


def test_nothing_is_written_beside_the_run_folder(run, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run("run.stop_after=1")
    assert list(elsewhere.iterdir()) == []


def test_the_loss_does_not_depend_on_accumulation_or_recomputation(run, tmp_path, whole):
    whole = losses(whole)
    for number, options in enumerate((["train.micro_batch_rows=2"], ["train.recompute=full"], ["train.recompute=selective"])):
        cut = losses(run(*options, f"run.folder={tmp_path / str(number)}"))
        assert all(cut[step] == pytest.approx(whole[step], rel=2e-6) for step in whole), options


def test_denominators_hold_over_accumulation(run, tmp_path):
    for normalise in ("masked", "answer"):
        whole, cut = (
            losses(
                run(
                    f"objective.normalise={normalise}",
                    f"train.micro_batch_rows={rows}",
                    "train.steps=3",
                    f"run.folder={tmp_path / f'{normalise}{rows}'}",
                )
            )
            for rows in (8, 2)
        )
        assert all(cut[step] == pytest.approx(whole[step], rel=2e-6) for step in whole), normalise


def test_frozen_weights_stay_bit_for_bit_and_the_mask_row_learns(run, tmp_path):
    freeze = "lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}"
    stopped = run(freeze, "train.steps=6", "run.stop_after=1")
    first, mask_token_id = weights(stopped), stopped.model().mask_token_id
    last = weights(run(freeze, "train.steps=6"))
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    assert moved == {name for name in first if ".attention." in name or name.startswith("tok_embeddings")}
    table_first, table_last = first["tok_embeddings.weight"], last["tok_embeddings.weight"]
    assert (table_first != table_last).any(1).nonzero().flatten().tolist() == [mask_token_id]


def test_an_autoregressive_run_has_no_mask_token_and_converts_into_a_diffusion_run(run, tmp_path):
    ar = run(
        "objective=autoregressive", "attention_mask=causal", "lr_groups={use: uniform, lr: 3.0e-3}", f"run.folder={tmp_path}/ar"
    )
    assert json.loads((ar.folder / "model/rnd1_config.json").read_text())["mask_token_id"] is None
    converted = run(f"model.init={ar.folder}", "run.stop_after=1", "lr_groups={use: uniform, lr: 0.0}")
    base, start, mask_token_id = weights(ar), weights(converted), converted.model().mask_token_id
    row = start.pop("tok_embeddings.mask_row")
    table = base.pop("tok_embeddings.weight")
    assert torch.allclose(row, table[:mask_token_id].mean(0), atol=1e-6)
    others = torch.arange(len(table)) != mask_token_id
    assert torch.equal(start.pop("tok_embeddings.weight")[others], table[others])
    assert base.keys() == start.keys() and all(torch.equal(base[name], start[name]) for name in base)


def test_a_trained_mask_row_is_kept_by_a_later_run_which_says_how_the_first_was_read(run, tmp_path, capsys):
    first = run("run.stop_after=3")
    again = run(
        f"model.init={first.folder}",
        "model.mask_row=zero",
        "lr_groups={use: uniform, lr: 0.0}",
        "run.stop_after=1",
        f"run.folder={tmp_path}/again",
    )
    assert torch.equal(weights(first)["tok_embeddings.mask_row"], weights(again)["tok_embeddings.mask_row"])
    facts = f"shift 1, mask token {first.model().mask_token_id} '<|mask|>', bidirectional (rnd1_config.json)"
    assert f"{first.folder}: {facts}\n" in capsys.readouterr().err


def test_a_diffusion_model_of_the_other_shift_is_no_start(run, tmp_path):
    first = run("run.stop_after=1")
    with pytest.raises(RecipeError, match=r"shift 0.*shift 1.*property of a checkpoint"):
        run(f"model.init={first.folder}", "objective=mdlm", f"run.folder={tmp_path}/other")
    assert not (tmp_path / "other").exists()


def test_bf16_trains_and_keeps_float32_weights(run):
    result = run("train.precision=bf16", "train.steps=3")
    assert all(math.isfinite(loss) for loss in losses(result).values())
    assert {value.dtype for value in weights(result).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.micro_batch_rows=3", "micro_batch_rows: 3 does not divide the 8 rows"),
        ("titan.parallelism.expert_parallel_degree=2", "expert_parallel_degree: 2 must divide the 1 rank"),
        ("titan.parallelism.tensor_parallel_degree=2", "tensor parallelism is not supported"),
        ("titan.parallelism.pipeline_parallel_degree=2", "pipeline parallelism is not supported"),
        ("titan.parallelism.context_parallel_degree=2", "context parallelism is not supported"),
    ],
)
def test_what_a_machine_cannot_do_is_said_before_anything_is_written(run, tmp_path, override, sentence):
    with pytest.raises(RecipeError, match=sentence):
        run(override)
    assert not (tmp_path / "run").exists()


def test_a_run_with_the_noise_of_a_local_file_can_be_sampled_and_exported_without_it(run, plugin, tiny, tmp_path):
    plugin("noise", LATE)
    tiny.write_text(tiny.read_text() + "noise: late\n")
    model = run("run.stop_after=1").model()
    assert len(rnd1lib.generate(model, ["Text "], max_new_tokens=4, steps=2).sequences) == 1
    with pytest.raises(rnd1lib.errors.ModelError, match=r"noise 'late'.*not installed here"):
        rnd1lib.generate(model, ["Text "], sampler="llada", remasking="random", max_new_tokens=4, steps=2)
    folder = rnd1lib.export(tmp_path / "run", tmp_path / "out", layout="qwen3_moe")
    assert json.loads((folder / "rnd1_config.json").read_text())["noise"] == {"use": "late"}


def test_a_failing_callback_stops_the_run_and_is_named(run, plugin, tmp_path):
    plugin("callback", BROKEN)
    with pytest.raises(rnd1lib.errors.PluginError, match=r"'mine'.*Broken.on_step.*step 2.*no such thing"):
        run("callbacks={mine: {use: broken}}")
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 5) and "no such thing" in status["error"]
