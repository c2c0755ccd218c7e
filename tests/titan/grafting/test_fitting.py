"""A fit: what it minimises, what it moves and what it does not."""

import pytest
import torch
from grafted_runs import DENSE, GRAFTING, ONE, fits, grafting, network_of
from rnd1_plugins.attention_masks.grafting import ERRORS
from titan_runs import losses
from torch import nn

import rnd1lib
from rnd1lib.data import PackedRows
from rnd1lib.diffusion import Draws, corrupt
from rnd1lib.models.attention import attention_masks
from rnd1lib.titan.grafting.fitting import hooked
from rnd1lib.titan.trainer import DiffusionTrainer


def at(result, step):
    return {name: value.detach().clone() for name, value in network_of(result, step).named_parameters()}


def test_the_steps_of_the_fit_are_counted_and_say_the_error_of_each_layer(grafted):
    assert list(losses(grafted)) == list(range(1, 10))
    assert list(fits(grafted)) == [4, 5, 6, 7]
    for step, errors in fits(grafted).items():
        assert list(errors) == [f"layers.{layer}.attention" for layer in range(3)]
        assert losses(grafted)[step] == pytest.approx(sum(errors.values()) / 3)


def test_the_fit_goes_round_the_rows_that_the_teacher_was_asked_about(grafted):
    first, second, *again = [(line["tokens"], line["masked"]) for line in grafted.metrics if "fit" in line]
    assert again == [first, second] and first != second


def test_a_fit_moves_every_attention_parameter_and_no_other(grafted):
    before, after, later = at(grafted, 3), at(grafted, 7), at(grafted, 9)
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
def test_the_fit_is_the_same_however_it_is_computed(run, grafted, options):
    result = run(DENSE, GRAFTING, "train.steps=8", *options)
    assert fits(result).keys() == fits(grafted).keys()
    for step, errors in fits(result).items():
        assert errors == pytest.approx(fits(grafted)[step], rel=1e-4)


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
