"""A fit of every attention layer at once to what it gave before.

    h_l, t_l: what layer l's attention was given and what it gave when it was captured, rms_l: the root mean square of t_l. A
    step of the fit minimises the mean over l of error(attention_l(h_l) / rms_l, t_l / rms_l) by the parameters of the
    attention layers alone.

The layers are fitted inside the whole network, since FSDP gathers parameters in hooks that a layer called by itself does not
fire. Each layer's output is replaced by t_l, so every layer is given its h_l, which therefore need not be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchtitan.models.common.attention import BaseAttention

from rnd1lib.diffusion import IGNORE
from rnd1lib.kinds import Batch, Noised
from rnd1lib.models.network.attached_loss import with_loss
from rnd1lib.models.weights import parameter_name
from rnd1lib.titan.step.training_states import training_states
from rnd1lib.titan.trainer import Backward, DiffusionTrainer

Error = Callable[[Tensor, Tensor], Tensor]


class MicroBatch(NamedTuple):
    """Corrupted rows of this rank, and what each attention layer gave on them, on the CPU."""

    batch: Batch
    noised: Noised
    first_row: int
    outputs: dict[str, Tensor]


@dataclass(frozen=True)
class Activations:
    """This rank's share of what was captured before step `at`: the micro-batches of as many steps as `rows` fill.

    scales: each layer's root mean square over all rows, of every rank.
    """

    rows: int
    at: int
    steps: list[list[MicroBatch]]
    scales: dict[str, float]


@dataclass(frozen=True)
class Fit:
    """A step in which each attention layer is moved towards what was captured."""

    activations: Activations
    error: Error

    def gradients(self, trainer: DiffusionTrainer) -> Backward:
        """Those of the mean error of the layers, in attention parameters alone."""
        done, steps = trainer.step - 1 - self.activations.at, self.activations.steps
        micro_batches = steps[done % len(steps)]
        if done == 0:
            _forget_momentum(trainer)
        names, cuts = list(attention_layers(trainer.network)), len(micro_batches) * dist.get_world_size()
        errors_K = torch.zeros(len(names), dtype=torch.float64, device=trainer.device)
        for each in micro_batches:
            seen: dict[str, Tensor] = {}
            targets = {name: (output, self.activations.scales[name]) for name, output in each.outputs.items()}
            attach = partial(_attach, targets, self.error, 1 / (len(names) * cuts), seen)
            with hooked(trainer.network, before=_detach, after=attach):
                torch.autograd.backward(forward(trainer, each.noised.ids_BL, each.batch, step=trainer.step - 1))
            errors_K += torch.stack([seen[name] for name in names]) / cuts
        counts = torch.stack([torch.stack([x.batch.maskable_BL.sum(), x.noised.masked_BL.sum()]) for x in micro_batches]).sum(0)
        share = errors_K.mean()
        dist.all_reduce(errors_K)
        dist.all_reduce(counts)
        _forget_others(trainer.network)
        figures = {"fit": dict(zip(names, errors_K.tolist(), strict=True))}
        return Backward(share, int(counts[0]), int(counts[1]), [each._asdict() for each in micro_batches], figures)


def scales(micro_batches: Sequence[MicroBatch]) -> dict[str, float]:
    """The root mean square of each layer's output over all rows of all ranks; 1 for a layer that gives nothing."""
    names = list(micro_batches[0].outputs)
    squares_K = torch.stack([torch.stack([x.outputs[name].double().square().mean() for name in names]) for x in micro_batches])
    mean_K = squares_K.mean(0).to(micro_batches[0].batch.ids_BL.device)
    dist.all_reduce(mean_K)
    return {name: value**0.5 or 1.0 for name, value in zip(names, (mean_K / dist.get_world_size()).tolist(), strict=True)}


def attention_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The attention operators by clean name, in the order of the layers."""
    return {parameter_name(name): module for name, module in network.named_modules() if isinstance(module, BaseAttention)}


def attention_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of the attention operators by clean name, as checkpoints have it."""
    return {
        parameter_name(f"{layer}.{name}"): parameter
        for layer, module in attention_layers(network).items()
        for name, parameter in module.named_parameters()
    }


def forward(trainer: DiffusionTrainer, ids_BL: Tensor, batch: Batch, *, step: int) -> Tensor:
    """The whole network under the mask of a step; nothing is scored, so the loss is 0, and every hook of FSDP fires."""
    mask, shift = trainer.diffusion.attention_mask, trainer.diffusion.objective.shift
    with trainer.train_context():
        hidden_BLD = training_states(trainer.network, mask, step, ids_BL, batch, shift=shift, kernel=trainer.kernel)
        none_BL = torch.zeros_like(batch.maskable_BL)
        loss: Tensor = trainer.network.get_submodule("lm_head")(hidden_BLD[none_BL], labels=ids_BL.new_full((0,), IGNORE))
    return loss


@contextmanager
def hooked(network: nn.Module, *, before: Any = None, after: Any) -> Iterator[None]:
    """before(module, args) -> args and after(name, module, args, output) -> output around every attention layer.

    Blocks are not compiled meanwhile, flex attention is: what was compiled before a hook was there passes over it in silence.
    """
    handles = []
    compiled = {module: module._compiled_call_impl for module in network.modules() if module._compiled_call_impl is not None}
    for module in compiled:
        module._compiled_call_impl = None
    for name, module in attention_layers(network).items():
        if before is not None:
            handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(partial(after, name)))
    try:
        with torch.compiler.set_stance("default"):
            yield
    finally:
        for handle in handles:
            handle.remove()
        for module, call in compiled.items():
            module._compiled_call_impl = call


def _detach(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """The fit of a layer has no gradient in what lies below it."""
    return (args[0].detach(), *args[1:])


def _attach(
    targets: Mapping[str, tuple[Tensor, float]],
    error: Error,
    share: float,
    seen: dict[str, Tensor],
    name: str,
    module: nn.Module,
    args: Any,
    output_BLD: Tensor,
) -> Tensor:
    """What was captured in place of the output, with the layer's error hung on it; recomputation does it twice alike."""
    captured_BLD, scale = targets[name]
    target_BLD = captured_BLD.to(output_BLD.device)
    loss = error(output_BLD.float() / scale, target_BLD.float() / scale)
    seen[name] = loss.detach()
    return with_loss(target_BLD, loss * share)


def _forget_momentum(trainer: DiffusionTrainer) -> None:
    """A fit begins without AdamW's direction of the loss before it, which points elsewhere; its scale keeps steps small."""
    attention = attention_parameters(trainer.network).values()
    for optimizer in trainer.optimizers:
        for parameter in attention:
            if parameter in optimizer.state:
                optimizer.state[parameter]["exp_avg"].zero_()


def _forget_others(network: nn.Module) -> None:
    """The backward pass leaves zeros elsewhere; with a gradient of zero AdamW would still move by momentum and decay."""
    attention = {id(parameter) for parameter in attention_parameters(network).values()}
    for parameter in network.parameters():
        if id(parameter) not in attention:
            parameter.grad = None
