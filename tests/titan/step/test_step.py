"""A step against a plain computation, what the optimizer is given, and what stops it."""

import re

import pytest
import torch
from rnd1_plugins.noise.linear import Linear
from titan_runs import losses

import rnd1lib
from rnd1lib.data import PackedRows, held_out
from rnd1lib.diffusion import Draws, Times, corrupt
from rnd1lib.titan.trainer import DiffusionTrainer

STILL = "lr_groups={use: uniform, lr: 0.0}"


@pytest.fixture
def watch(monkeypatch):
    """watch("train_step", see) calls see(trainer, *arguments) before each call of a method of the trainer."""

    def patch(name, see):
        plain = getattr(DiffusionTrainer, name)
        monkeypatch.setattr(
            DiffusionTrainer, name, lambda self, *arguments: (see(self, *arguments), plain(self, *arguments))[1]
        )

    return patch


def clean_rows(model, recipe, rows):
    return PackedRows(
        recipe.components.data,
        model.tokenizer.encode_document,
        sequence_length=64,
        streams=4,
        seed=recipe.train.seed,
        shift=1,
        start_token_id=model.bos_token_id or model.eos_token_id,
        end_token_id=model.eos_token_id,
        pad_token_id=model.pad_token_id,
    ).batch(0, rows)


def plain_loss(model, batch, noised):
    """The mean over maskable tokens of w(t) * -log p(x0 | xt), token by token; only what stands on the left predicts."""
    logits_BLV = model.logits(noised.ids_BL, documents_BL=batch.documents_BL).double()
    logits_BLV[..., model.mask_token_id] = -torch.inf
    log_p_BLV, total = logits_BLV.log_softmax(-1), 0.0
    for b, i in noised.masked_BL.nonzero().tolist():
        total -= noised.weight_B[b].item() * log_p_BLV[b, i - 1, batch.ids_BL[b, i]].item()
    return total / batch.maskable_BL.sum().item()


def test_the_loss_of_each_step_is_that_of_the_formula(run, tiny):
    options = [STILL, "train.seed=5", "train.steps=3", "train.times={low: 0.3, high: 0.6}"]
    result, recipe = run(*options), rnd1lib.load_recipe(tiny, options)
    model = result.model()
    rows = clean_rows(model, recipe, 24)
    assert rows.documents_BL.amax() > 1
    for step in range(3):
        batch = type(rows)(*(field[8 * step : 8 * step + 8] for field in rows))
        draws = Draws(seed=5, step=step, global_rows=8)
        noised = corrupt(batch, Linear(), draws, model.mask_token_id, Times(low=0.3, high=0.6))
        assert losses(result)[step + 1] == pytest.approx(plain_loss(model, batch, noised), rel=1e-5)


def test_a_mask_that_anneals_is_asked_for_the_steps_that_are_done(run, monkeypatch):
    from rnd1_plugins.attention_masks.bidirectional import Bidirectional

    asked = []
    monkeypatch.setattr(Bidirectional, "pattern", lambda self, step: asked.append(step) or "full")
    run("train.steps=3")
    assert sorted(set(asked)) == [0, 1, 2]


def test_the_optimizer_is_given_the_recipes_numbers_after_a_resume_too(run, watch):
    seen = []
    watch("train_step", lambda self, rows: seen.append([dict(g) for o in self.optimizers for g in o.param_groups]))
    options = [
        "train.betas=[0.8, 0.7]",
        "train.adam_eps=1.0e-5",
        "lr_groups={use: attention_first, attention_lr: 1.0e-3, rest_lr: 1.0e-4, weight_decay: 0.25}",
    ]
    run(*options, "run.stop_after=2")
    run(*options, "run.stop_after=3")
    for groups in seen:
        assert all((group["betas"], group["eps"]) == ((0.8, 0.7), 1e-5) for group in groups)
        assert [group["weight_decay"] for group in groups] == [0.0, 0.25, 0.25]
    assert [[group["lr"] for group in groups] for groups in seen] == [
        pytest.approx([5e-4, 5e-4, 5e-5]),
        pytest.approx([1e-3, 1e-3, 1e-4]),
        pytest.approx([1e-3, 1e-3, 1e-4]),
    ]


def test_rates_and_decay_of_a_resumed_run_are_the_recipes_and_not_the_checkpoints(run, watch):
    groups = "lr_groups={{use: uniform, lr: {}, weight_decay: {}}}"
    result = run(groups.format(1e-3, 0.125), "run.stop_after=3")
    recorded = result.folder / "recipe.yaml"
    recorded.write_text(recorded.read_text().replace("lr: 0.001", "lr: 0.002").replace("0.125", "0.25"))
    seen = []
    watch(
        "train_step",
        lambda self, rows: seen.extend((g["lr"], g["weight_decay"]) for o in self.optimizers for g in o.param_groups),
    )
    run(groups.format(2e-3, 0.25), "run.stop_after=4")
    assert seen == [(2e-3, 0.25)]


def test_a_resumed_run_reads_no_documents_again(run, watch, tmp_path):
    places = []
    watch("train_step", lambda self, rows: places.append(self.dataloader.packed.state_dict()))
    short = ("train.steps=4", "train.sequence_length=8")  # so that the texts fill rows enough for two streams
    run(*short, f"run.folder={tmp_path}/whole")
    run(*short, "run.stop_after=3")
    run(*short)
    assert len(places[3]) == 2 and places[-1] == places[3]


def test_gradients_are_clipped_before_the_update(run, watch, tmp_path):
    tables = []
    watch("train_step", lambda self, rows: tables.append(self.network.lm_head.weight.to_local().clone()))
    for clip in ("1.0", "1.0e-12"):
        options = [f"train.clip={clip}", "lr_groups={use: uniform, lr: 1.0e-3, weight_decay: 0.0}"]
        run(*options, "train.steps=2", f"run.folder={tmp_path / clip}")
    assert (tables[1] - tables[0]).abs().max() > 1e-4 > 1e-6 > (tables[3] - tables[2]).abs().max()


def test_bf16_computes_in_bf16(run, tmp_path):
    full, half = (
        losses(run("model.use=qwen3", f"train.precision={precision}", "train.steps=1", f"run.folder={tmp_path / precision}"))[1]
        for precision in ("float32", "bf16")
    )
    assert 0 < abs(full - half) < 0.05 * full


@pytest.mark.parametrize("recompute", ["none", "full", "selective"])
def test_recomputation_is_what_was_asked_for(run, watch, recompute):
    names = []
    watch("train_step", lambda self, rows: names.extend(name for name, _ in self.network.named_modules()))
    run(f"train.recompute={recompute}", "train.steps=1")
    assert any("_checkpoint_wrapped_module" in name for name in names) is (recompute != "none")


def test_no_step_trains_on_what_is_held_out_and_evaluators_see_nothing_else(run, tiny, watch, monkeypatch):
    from rnd1lib.titan.running import RunningModel

    options = ["train.steps=8", "evaluators={nll: {use: nll, every: 100, rows: 500}}"]
    trained, evaluated, plain = [], [], RunningModel.held_out

    def watched(self, rows, data=None):
        for first_row, batch in plain(self, rows, data):
            evaluated.extend(batch.ids_BL[batch.maskable_BL].tolist())
            yield first_row, batch

    monkeypatch.setattr(RunningModel, "held_out", watched)
    watch("post_dataloading_process", lambda self, inputs, labels: trained.extend(inputs["input"].flatten().tolist()))
    tokenizer = run(*options).model().tokenizer
    documents = [document.content for document in rnd1lib.load_recipe(tiny, options).components.data.documents(0, 1)]
    is_held_out = held_out(rnd1lib.load_recipe(tiny, options).components.data)
    numbers = re.compile(r"Text (\d+) says")
    held = {numbers.search(text)[1] for text in documents if is_held_out(text)}
    assert len(held) == 16
    assert set(numbers.findall(tokenizer.decode(evaluated))) == held
    assert set(numbers.findall(tokenizer.decode(trained))) == {numbers.search(text)[1] for text in documents} - held


def test_rows_that_fill_a_held_out_batch_up_are_not_counted(run, monkeypatch):
    from rnd1lib.titan.running import RunningModel

    counted, plain = [], RunningModel.held_out

    def watched(self, rows, data=None):
        for first_row, batch in plain(self, rows, data):
            counted.append(batch.maskable_BL.any(1).tolist())
            yield first_row, batch

    monkeypatch.setattr(RunningModel, "held_out", watched)
    run("train.steps=1", "evaluators={nll: {use: nll, every: 1, rows: 3}}")
    assert counted == [[True] * 3 + [False] * 5] * 2


def test_evaluators_and_callbacks_come_every_so_many_steps_and_at_the_end(run, monkeypatch):
    from rnd1_plugins.callbacks.console import Console

    told = []
    monkeypatch.setattr(Console, "on_step", lambda self, run, metrics: told.append(metrics["step"]))
    result = run(
        "train.steps=5",
        "evaluators={nll: {use: nll, every: 2, rows: 8}}",
        "callbacks={console: {use: console, every: 3}}",
    )
    assert [line["step"] for line in result.metrics if "evaluator" in line] == [0, 2, 4, 5]
    assert told == [3, 5]
