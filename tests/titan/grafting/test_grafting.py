"""Grafting: what a fit is, what it moves and what it does not, and that a run stopped in any stage is the run that was not."""

import shutil

import pytest
import torch
from rnd1_plugins.attention_masks.grafting import ERRORS
from titan_runs import TINY, losses, weights
from torch import nn

import rnd1lib
from rnd1lib.data import PackedRows
from rnd1lib.diffusion import Draws, corrupt
from rnd1lib.errors import CheckpointError, PluginError, RecipeError
from rnd1lib.models.attention import attention_masks
from rnd1lib.models.run_folder import RunFolder, found_checkpoints, load_checkpoint
from rnd1lib.titan.grafting.before_step import BeforeStep
from rnd1lib.titan.grafting.fitting import hooked
from rnd1lib.titan.trainer import DiffusionTrainer

DENSE = "model.use=qwen3"
GRAFTING = "attention_mask={use: grafting, after: 3, fit_steps: 4, fit_rows: 16}"
LONG = [DENSE, GRAFTING, "train.steps=9", "titan.checkpoint.interval=1", "titan.checkpoint.keep_latest_k=0"]
ONE = [DENSE, "train.steps=3"]


def grafting(**options):
    return f"attention_mask={{use: grafting, {', '.join(f'{name}: {value}' for name, value in options.items())}}}"


def fits(result):
    """step -> layer -> error, for the steps of the fit."""
    return {line["step"]: line["fit"] for line in result.metrics if "fit" in line}


def network_of(result, step):
    """The network as the checkpoint of a step has it."""
    network = result.model().network
    load_checkpoint(RunFolder(result.folder).checkpoints / f"step-{step}", network)
    return network


def at(result, step):
    return {name: value.detach().clone() for name, value in network_of(result, step).named_parameters()}


def checkpoints(result):
    return sorted(found_checkpoints(RunFolder(result.folder).checkpoints))


@pytest.fixture(scope="module")
def whole(texts, tmp_path_factory):
    """A run through all three stages without a stop, with every checkpoint."""
    folder = tmp_path_factory.mktemp("grafted")
    (folder / "tiny.yaml").write_text(TINY % (texts, folder), encoding="utf-8")
    return rnd1lib.train(rnd1lib.load_recipe(folder / "tiny.yaml", LONG))


def test_the_steps_of_the_fit_are_counted_and_say_the_error_of_each_layer(whole):
    assert list(losses(whole)) == list(range(1, 10))
    assert list(fits(whole)) == [4, 5, 6, 7]
    for step, errors in fits(whole).items():
        assert list(errors) == [f"layers.{layer}.attention" for layer in range(3)]
        assert losses(whole)[step] == pytest.approx(sum(errors.values()) / 3)


def test_the_fit_goes_round_the_rows_that_the_teacher_was_asked_about(whole):
    first, second, *again = [(line["tokens"], line["masked"]) for line in whole.metrics if "fit" in line]
    assert again == [first, second] and first != second


def test_a_fit_moves_every_attention_parameter_and_no_other(whole):
    before, after, later = at(whole, 3), at(whole, 7), at(whole, 9)
    for name, value in before.items():
        assert torch.equal(value, after[name]) is (".attention." not in name), name
        assert not torch.equal(after[name], later[name]), name


@pytest.mark.parametrize("fit_loss", ["l2", "huber", "l1"])
def test_the_error_of_a_layer_is_that_of_its_bidirectional_output_from_what_its_causal_teacher_gave(run, tiny, fit_loss):
    options = [*ONE, grafting(after=1, fit_steps=1, fit_rows=16, fit_loss=fit_loss), "train.seed=5"]
    result, recipe = run(*options), rnd1lib.load_recipe(tiny, options)
    model, network = result.model(), network_of(result, 1)
    ends = {"start_token_id": model.bos_token_id or model.eos_token_id, "end_token_id": model.eos_token_id}
    packed = {"sequence_length": 64, "streams": 4, "seed": 5, "shift": 1, "pad_token_id": model.pad_token_id}
    rows = PackedRows(recipe.components.data, model.tokenizer.encode_document, **ends, **packed).batch(0, 16)
    noised = corrupt(rows, recipe.components.noise, Draws(seed=5, step=1, global_rows=16), model.mask_token_id)
    given, gave = {}, {}
    for name, layer in network.layers.items():
        layer.attention.register_forward_hook(
            lambda module, args, output, name=name: (given.update({name: args[0]}), gave.update({name: output}))[:0] or None
        )
    causal, full = (
        attention_masks(rnd1lib.build("attention_mask", use), 0, rows.documents_BL, rows.positions_BL)
        for use in ("causal", "bidirectional")
    )
    with torch.no_grad():
        network(noised.ids_BL, positions=rows.positions_BL, attention_masks=causal)
        teacher = dict(gave)
        inputs = dict(given)
        for name, layer in network.layers.items():
            ours = layer.attention(inputs[name], full, rows.positions_BL)
            rms = teacher[name].double().square().mean().sqrt().item()
            first = ERRORS[fit_loss](ours[:8] / rms, teacher[name][:8] / rms).item()
            assert fits(result)[2][f"layers.{name}.attention"] == pytest.approx(first, rel=1e-4)


def test_a_fit_lowers_the_error_of_each_layer(run):
    result = run(DENSE, grafting(after=5, fit_steps=25, fit_rows=8), "train.steps=31")
    first, *_, last = fits(result).values()
    assert all(last[layer] < 0.6 * first[layer] for layer in first)


def test_the_direction_of_the_diffusion_loss_is_forgotten_at_the_fits_first_step_alone(run, monkeypatch):
    plain, seen = DiffusionTrainer.train_step, {}

    def watched(self, rows):
        result = plain(self, rows)
        (optimizer,) = self.optimizers
        of = {
            name: p for group in optimizer.param_groups for name, p in zip(group["param_names"], group["params"], strict=True)
        }
        for name in ("layers.0.attention.wo.weight", "layers.0.feed_forward.w1.weight"):
            grad = None if of[name].grad is None else of[name].grad.to_local().clone()
            seen[self.step, name.split(".")[2]] = grad, optimizer.state[of[name]]["exp_avg"].to_local().clone()
        return result

    monkeypatch.setattr(DiffusionTrainer, "train_step", watched)
    run(DENSE, grafting(after=3, fit_steps=2, fit_rows=8), "train.steps=6")
    (gradient, direction), (later, both) = seen[4, "attention"], seen[5, "attention"]
    assert torch.allclose(direction, 0.1 * gradient) and direction.any()
    assert torch.allclose(both, 0.9 * direction + 0.1 * later)
    assert seen[4, "feed_forward"][0] is None and torch.equal(seen[5, "feed_forward"][1], seen[3, "feed_forward"][1])


@pytest.mark.parametrize(
    "options",
    [
        ["train.micro_batch_rows=4", "train.recompute=full"],
        ["train.recompute=selective"],
    ],
    ids=["accumulation and recomputation", "selective"],
)
def test_the_fit_is_the_same_however_it_is_computed(run, whole, options):
    result = run(DENSE, GRAFTING, "train.steps=8", *options)
    assert fits(result).keys() == fits(whole).keys()
    for step, errors in fits(result).items():
        assert errors == pytest.approx(fits(whole)[step], rel=1e-4)


def test_what_was_compiled_before_the_fit_is_hooked_too_and_compiled_again_behind_it():
    from torchtitan.models.common.attention import BaseAttention

    class Attention(BaseAttention):
        def forward(self, x):
            return 2 * x

    block = nn.Sequential(Attention())
    block.compile(backend="eager")
    one, compiled = torch.ones(1), block._compiled_call_impl
    assert block(one) == 2
    with hooked(block, before=lambda module, args: (args[0] + 1,), after=lambda name, module, args, output: output + 10):
        assert block(one) == 14
    assert block._compiled_call_impl is compiled and block(one) == 2


@pytest.mark.parametrize("stop", [2, 3, 5, 8])
def test_a_run_that_was_stopped_in_any_stage_is_the_run_that_was_not(run, whole, stop):
    run(*LONG, f"run.stop_after={stop}")
    resumed = run(*LONG)
    assert losses(resumed) == losses(whole) and fits(resumed) == fits(whole)
    ours, theirs = weights(resumed), weights(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_that_died_in_its_fit_unsaved_is_the_run_that_was_not(run, whole, monkeypatch):
    plain = DiffusionTrainer.train_step

    def dies(self, rows):
        if self.step == 7:
            raise MemoryError
        return plain(self, rows)

    options = [*LONG, "titan.checkpoint.interval=5"]
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(DiffusionTrainer, "train_step", dies)
        run(*options)
    assert losses(resumed := run(*options)) == losses(whole) and fits(resumed) == fits(whole)
    assert checkpoints(resumed) == [3, 5, 9]


def test_without_a_fit_the_operators_are_swapped_as_they_are(run, tmp_path):
    swapped = run(*ONE, grafting(after=2))
    causal = run(*ONE, "attention_mask=causal", f"run.folder={tmp_path}/causal")
    assert checkpoints(swapped) == [2, 3] and not fits(swapped)
    assert [losses(swapped)[step] == losses(causal)[step] for step in (1, 2, 3)] == [True, True, False]
    assert losses(swapped)[3] == pytest.approx(losses(causal)[3], rel=0.05)


def test_the_steps_behind_a_fit_train_on_the_rows_that_would_have_come(run, monkeypatch):
    plain, rows = DiffusionTrainer.post_dataloading_process, {}

    def watched(self, inputs, labels):
        rows[self.step] = inputs["row_of_run"]
        return plain(self, inputs, labels)

    monkeypatch.setattr(DiffusionTrainer, "post_dataloading_process", watched)
    run(*ONE, grafting(after=1, fit_steps=2, fit_rows=16), "train.steps=5")
    assert rows == {1: 0, 4: 8, 5: 16}


def test_retention_keeps_the_checkpoint_of_the_swap_as_long_as_one_of_the_fit_is_there(run):
    options = [DENSE, grafting(after=3, fit_steps=4, fit_rows=8), "train.steps=10", "titan.checkpoint.interval=1"]
    assert checkpoints(run(*options, "titan.checkpoint.keep_latest_k=2", "run.stop_after=7")) == [3, 6, 7]
    assert checkpoints(run(*options, "titan.checkpoint.keep_latest_k=2")) == [7, 9, 10]


def test_a_fit_that_is_resumed_without_the_checkpoint_of_the_swap_says_so(run):
    result = run(*LONG, "run.stop_after=5")
    shutil.rmtree(RunFolder(result.folder).checkpoints / "step-3")
    with pytest.raises(CheckpointError, match=r"step-3: this checkpoint, from which a later step starts, cannot be read"):
        run(*LONG)


def test_a_model_has_the_mask_of_its_step_wherever_it_is_asked(run, tmp_path):
    nll = "evaluators={nll: {use: nll, every: 1, rows: 8}}"
    ids = torch.arange(2, 22).view(2, 10)
    for steps, like in ((1, "causal"), (3, "bidirectional")):
        result = run(*ONE, nll, grafting(after=2), f"run.stop_after={steps}")
        exported = rnd1lib.export(result.folder, tmp_path / like, layout="qwen3")
        expected = rnd1lib.load_model(result.folder, attention_mask=like).logits(ids)
        other = rnd1lib.load_model(result.folder, attention_mask={"causal": "bidirectional"}.get(like, "causal")).logits(ids)
        for folder in (result.folder, exported):
            assert torch.equal(rnd1lib.load_model(folder).logits(ids), expected)
        assert not torch.allclose(expected, other)
    causal = run(*ONE, nll, "attention_mask=causal", f"run.folder={tmp_path}/run-causal")
    ours, theirs = ({line["step"]: line["nll"] for line in r.metrics if "nll" in line} for r in (result, causal))
    assert [ours[step] == theirs[step] for step in range(4)] == [True, True, False, False]


def test_a_fit_of_attention_that_is_frozen_is_refused(run, tiny, tmp_path):
    (tmp_path / "frozen.py").write_text(
        "from dataclasses import dataclass\n"
        "from rnd1lib import hookimpl\n"
        "from rnd1lib.kinds import Group\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Frozen:\n"
        "    '''Attention stays as it is.'''\n"
        "    def groups(self, names):\n"
        "        return [Group('attention', r'\\.attention\\.', 0.0, 0.0, frozen=True), Group('rest', '.*', 1e-3, 0.0)]\n"
        "@hookimpl\n"
        "def rnd1_register(register):\n"
        "    register.lr_groups('frozen', Frozen)\n"
    )
    tiny.write_text(tiny.read_text() + "plugins: [./frozen.py]\n")
    with pytest.raises(RecipeError, match=r"lr_groups: 'frozen' freezes attention .*fits nothing else"):
        run(*LONG, "lr_groups=frozen")


def test_the_teacher_is_asked_once_and_what_it_gave_is_let_go_behind_the_fit(run, monkeypatch):
    plain, asked = BeforeStep._run_through, []

    def watched(self, rows, at):
        asked.append(self)
        return plain(self, rows, at)

    monkeypatch.setattr(BeforeStep, "_run_through", watched)
    run(DENSE, grafting(after=1, fit_steps=3, fit_rows=8), "train.steps=6")
    assert len(asked) == 1 and asked[0]._activations is None


def test_a_pass_over_the_data_that_ends_before_the_fit_does_is_refused_before_the_first_step(run, tmp_path):
    with pytest.raises(RecipeError, match=r"'grafting': after: 3 and 4 steps of fit leave nothing of the run's \d steps"):
        run(DENSE, GRAFTING, "train.steps=null", "train.epochs=1")
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_another_masks_structural_change_is_given_the_run_and_told_what_it_did_wrong(run, tiny, tmp_path):
    (tmp_path / "odd.py").write_text(
        "from dataclasses import dataclass\n"
        "from rnd1lib import hookimpl\n"
        "from rnd1_plugins.attention_masks.grafting import Grafting\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Odd(Grafting):\n"
        "    '''Asks for rows that fill no step.'''\n"
        "    def before_step(self, run):\n"
        "        assert list(run.attention_layers()) == [f'layers.{n}.attention' for n in range(3)]\n"
        "        run.capture(3, at=run.step, until=9)\n"
        "@hookimpl\n"
        "def rnd1_register(register):\n"
        "    register.attention_mask('odd', Odd)\n"
    )
    tiny.write_text(tiny.read_text() + "plugins: [./odd.py]\n")
    with pytest.raises(PluginError, match=r"Odd.before_step.* rows: 3 is no multiple of the 8 rows of a step"):
        run(*ONE, "attention_mask={use: odd, after: 1}")
