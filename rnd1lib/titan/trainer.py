"""The training step, in the order of the data: rows, corruption, targets, hidden states, loss, update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torchtitan.components.loss import IGNORE_INDEX, BaseLoss
from torchtitan.distributed import ParallelDims
from torchtitan.distributed import utils as dist_utils
from torchtitan.trainer import Trainer

from rnd1lib.diffusion import Draws, Times, VariableLength, corrupt, cut, denominator, uncorrupted
from rnd1lib.kinds import AttentionMask, Batch, Noise, Noised, Objective, Targets
from rnd1lib.models.attention import Kernel
from rnd1lib.titan.ranks import on_every_rank
from rnd1lib.titan.step.loader import RowLoader
from rnd1lib.titan.step.non_finite import NonFiniteSteps, agreed
from rnd1lib.titan.step.router_losses import Auxiliary
from rnd1lib.titan.step.training_states import training_states


class Diffusion(NamedTuple):
    """What the recipe chose of the mathematics.

    global_rows: of a step's global batch. eos_token_id: of the runs that are masked as one (None: each token alone).
    """

    objective: Objective
    noise: Noise | None
    attention_mask: AttentionMask
    times: Times
    mask_token_id: int | None
    seed: int
    global_rows: int
    pad_token_id: int
    eos_token_id: int | None = None
    variable_length: VariableLength | None = None

    def cut(self, batch: Batch, *, step: int, first_row: int) -> Batch:
        """The clean batch of this step with the rows shortened that `variable_length` names."""
        if self.variable_length is None:
            return batch
        return cut(batch, self.variable_length, self._draws(step, first_row), self.pad_token_id)

    def noised(self, batch: Batch, *, step: int, first_row: int) -> Noised:
        """The batch as the model sees it at this step (from 0); its rows start at `first_row` of the global batch."""
        if self.mask_token_id is None:
            return uncorrupted(batch)
        assert self.noise is not None
        draws, ends = self._draws(step, first_row), self.eos_token_id
        block_length = getattr(self.attention_mask, "block_length", None)
        return corrupt(batch, self.noise, draws, self.mask_token_id, self.times, block_length=block_length, eos_token_id=ends)

    def example(self, batch: Batch, *, step: int, first_row: int) -> tuple[Batch, Noised, Targets]:
        """What a step trains on: the clean batch, what was done to it, and what the loss scores."""
        batch = self.cut(batch, step=step, first_row=first_row)
        noised = self.noised(batch, step=step, first_row=first_row)
        return batch, noised, self.objective.targets(batch, noised)

    def _draws(self, step: int, first_row: int) -> Draws:
        return Draws(seed=self.seed, step=step, first_row=first_row, global_rows=self.global_rows)


class StepResult(NamedTuple):
    """A finished step, equal on every rank. tokens: maskable ones of the global batch; masked: of them; lr: by group.

    figures: what else this kind of step has to say, by its name in metrics.jsonl. skipped: no weight moved, since the loss
    or the gradient is not finite.
    """

    loss: float
    grad_norm: float
    tokens: int
    masked: int
    lr: dict[str, float]
    figures: Mapping[str, Any] = {}
    skipped: bool = False


class Backward(NamedTuple):
    """What the backward passes of a step leave beside gradients; tokens, masked and figures are equal on every rank.

    loss: 0-d float64, this rank's share. micro_batches: of this rank, with its `batch`, `noised` and `first_row` in the run.
    """

    loss: Tensor
    tokens: int
    masked: int
    micro_batches: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Any] = {}


class Gradients(Protocol):
    """What may stand in for the diffusion loss in a step."""

    def gradients(self, trainer: DiffusionTrainer) -> Backward:
        """Leaves a gradient in every parameter that is to move."""


class NoLoss(BaseLoss):
    """torchtitan asks for a loss; ours is the LM head's, which sees scored rows alone."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseLoss.Config):
        """No options."""

    def __init__(self, config: Config, **_: Any) -> None:
        pass


class DiffusionTrainer(Trainer):
    """torchtitan's Trainer with corruption before the forward and the loss on scored rows.

    The loss of a step is the sum over the global batch (all ranks, all accumulation steps) of weighted cross entropies,
    divided by the global count that the objective names: it does not depend on how the batch is cut.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Trainer.Config):
        """torchtitan's configuration, the diffusion's, and the names of the groups that learn.

        skip_non_finite: how many steps in a row may have a loss or gradient that is not finite.
        """

        diffusion: Diffusion | None = None
        group_names: tuple[str, ...] = ()
        skip_non_finite: int = 2

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert config.diffusion is not None
        self.diffusion, self.group_names = config.diffusion, config.group_names
        self.network = self.model_parts[0]
        self.rows = cast(RowLoader, self.dataloader)
        self.auxiliary = Auxiliary(self.diffusion.objective, self.network, self.gradient_accumulation_steps)
        self.non_finite = NonFiniteSteps(config.skip_non_finite, Path(config.dump_folder))
        self.fit: Gradients | None = None
        self.kernel: Kernel | None = "dense" if config.compile.enable and self.device.type == "cpu" else None

    def init_distributed(self) -> ParallelDims:
        """The meshes; the runner has started the process group."""
        return ParallelDims.from_config(self.config.parallelism, dist.get_world_size())

    def train_step(self, data_iterator: Iterator[tuple[dict[str, Any], Tensor]]) -> StepResult:
        """One update, or none if the loss or the gradient is not finite; NumericalError if that happens too often in a row."""
        self.optimizers.zero_grad(set_to_none=True)
        done = self.fit.gradients(self) if self.fit else self._gradients(data_iterator)
        grad_norm = dist_utils.clip_grad_norm_(
            list(self.network.parameters()),
            self.config.training.max_norm,
            foreach=True,
            ep_enabled=self.parallel_dims.ep_enabled,
        )
        loss, norm = agreed(done.loss, grad_norm)
        skipped = self.non_finite.passed_over(self.step, loss, norm, done.micro_batches)
        result = StepResult(loss, norm, done.tokens, done.masked, self._learning_rates(), done.figures, skipped)
        if not skipped:
            self.checkpointer.maybe_wait_for_staging()
            self.optimizers.step()
        self.lr_schedulers.step()
        return result

    def _gradients(self, data_iterator: Iterator[tuple[dict[str, Any], Tensor]]) -> Backward:
        """Those of the diffusion loss on the next rows."""
        read = on_every_rank(lambda: [next(data_iterator) for _ in range(self.gradient_accumulation_steps)])
        figures = self.rows.figures(self.device)
        micro_batches = [self.post_dataloading_process(*each) for each in read]
        extras = [extra for _, _, extra in micro_batches]
        total, tokens, masked = self._global_counts(extras)
        losses = [self._forward_backward_body(ids, labels, total, extra) for ids, labels, extra in micro_batches]
        figures |= self.auxiliary.figures()
        return Backward(torch.stack(losses).sum(dtype=torch.float64), tokens, masked, extras, figures)

    def post_dataloading_process(self, input_dict: dict[str, Any], labels: Tensor) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Clean rows to (noisy ids [B, L], labels [B, L], the clean batch, what was done to it, the weights, the first row)."""
        moved = {key: value.to(self.device) for key, value in input_dict.items() if isinstance(value, Tensor)}
        maskable_BL = (labels != IGNORE_INDEX).to(self.device)
        batch = Batch(moved["input"], maskable_BL, moved["documents"], moved["positions"])
        batch, noised, targets = self.diffusion.example(batch, step=self.step - 1, first_row=input_dict["first_row"])
        self.ntokens_seen += labels.numel()
        self.metrics_processor.ntokens_since_last_log += labels.numel()
        extra = {"batch": batch, "noised": noised, "weights": targets.weights_BL, "first_row": input_dict["row_of_run"]}
        return noised.ids_BL, targets.labels_BL, extra

    def _global_counts(self, extras: list[dict[str, Any]]) -> tuple[Tensor, int, int]:
        """The objective's denominator (0-d), maskable and masked tokens, over all ranks and micro-batches of the step."""
        counts = torch.stack(
            [
                torch.stack(
                    [
                        denominator(self.diffusion.objective, extra["batch"], extra["noised"]),
                        extra["batch"].maskable_BL.sum(),
                        extra["noised"].masked_BL.sum(),
                    ]
                )
                for extra in extras
            ]
        ).sum(0)
        dist.all_reduce(counts)
        return counts[0].clamp(min=1), int(counts[1]), int(counts[2])

    def _forward_backward_body(
        self, inputs: Tensor, labels: Tensor, global_valid_tokens: Tensor, extra_kwargs: dict[str, Any]
    ) -> Tensor:
        """Adds this micro-batch's gradients; returns its share of the loss. Every rank calls the head once, rows or none."""
        batch, weights_BL = extra_kwargs["batch"], extra_kwargs["weights"]
        scored_BL = (labels != IGNORE_INDEX) & (weights_BL != 0)
        mask, shift = self.diffusion.attention_mask, self.diffusion.objective.shift
        with self.train_context(), self.auxiliary.attached():
            hidden_BLD = training_states(self.network, mask, self.step - 1, inputs, batch, shift=shift, kernel=self.kernel)
            summed: Tensor = self.network.get_submodule("lm_head")(
                hidden_BLD[scored_BL],
                labels=labels[scored_BL],
                weights=weights_BL[scored_BL],
                never=self.diffusion.mask_token_id,
            )
            loss = summed / global_valid_tokens
            torch.autograd.backward(loss)
        return loss.detach()

    def _learning_rates(self) -> dict[str, float]:
        groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
        return {name: float(group["lr"]) for name, group in zip(self.group_names, groups, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        """torchtitan's, and how many steps in a row were not finite: a run saved between two of them goes on counting."""
        return {**super().state_dict(), "non_finite": self.non_finite.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        super().load_state_dict(state_dict)
        self.non_finite.in_a_row = state_dict["non_finite"]
