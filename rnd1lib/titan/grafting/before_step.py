"""What an attention mask may do to a run between two steps: save it, keep what the attention layers give, fit them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from rnd1lib.data import PackedRows
from rnd1lib.kinds import Batch, Captured
from rnd1lib.models.denoiser import reshard
from rnd1lib.titan.checkpoint.checkpoints import Checkpoints
from rnd1lib.titan.grafting.fitting import (
    Activations,
    Error,
    Fit,
    MicroBatch,
    attention_layers,
    attention_parameters,
    forward,
    hooked,
    scales,
)
from rnd1lib.titan.ranks import on_every_rank
from rnd1lib.titan.trainer import DiffusionTrainer


class BeforeStep:
    """The run as `before_step` is given it; see `rnd1lib.kinds.RunBeforeStep`."""

    def __init__(
        self, trainer: DiffusionTrainer, rows_from_the_start: Callable[[], PackedRows], save: Callable[[], None]
    ) -> None:
        self.trainer, self._rows_from_the_start, self.save = trainer, rows_from_the_start, save
        self._checkpoints = cast(Checkpoints, trainer.checkpointer)
        self._activations: Activations | None = None

    def begin(self) -> None:
        """The next step is an ordinary one, if nothing else is asked for; what no step uses any more is let go."""
        if self.trainer.fit is None:
            self._activations = None
        self.trainer.fit = None

    @property
    def step(self) -> int:
        """The step that comes next, from 0."""
        return self.trainer.step

    def attention_layers(self) -> Mapping[str, nn.Module]:
        """The attention operators by name."""
        return attention_layers(self.trainer.network)

    def capture(self, rows: int, *, at: int, until: int) -> Activations:
        """See `RunBeforeStep`; a second call for the same step and rows gives what the first one kept."""
        a_step = self.trainer.diffusion.global_rows
        if rows % a_step or not rows:
            raise ValueError(f"rows: {rows} is no multiple of the {a_step} rows of a step.")
        self._checkpoints.protect(at, until=until)
        if self._activations is None or (self._activations.rows, self._activations.at) != (rows, at):
            with self._parameters_of(at):
                self._activations = self._run_through(rows, at)
        return self._activations

    def fit(self, captured: Captured, error: Error) -> None:
        """See `RunBeforeStep`."""
        assert isinstance(captured, Activations)
        self.trainer.fit = Fit(captured, error)

    @contextmanager
    def _parameters_of(self, at: int) -> Iterator[None]:
        """The attention layers as they stood before step `at`; nothing else has moved since then."""
        if self.step == at:
            yield
            return
        ours = {name: parameter.detach() for name, parameter in attention_parameters(self.trainer.network).items()}
        now = {name: parameter.clone() for name, parameter in ours.items()}
        self._checkpoints.read(at, ours)
        try:
            yield
        finally:
            for name, parameter in ours.items():
                parameter.copy_(now[name])

    @torch.no_grad()
    def _run_through(self, rows: int, at: int) -> Activations:
        diffusion, device = self.trainer.diffusion._replace(global_rows=rows), self.trainer.device
        micro_batches = []
        for first_row, clean in on_every_rank(lambda: list(self._clean(rows))):
            batch = diffusion.cut(Batch(*(field.to(device) for field in clean)), step=at, first_row=first_row)
            noised = diffusion.noised(batch, step=at, first_row=first_row)
            outputs: dict[str, Tensor] = {}
            with hooked(self.trainer.network, after=partial(_keep, outputs)):
                forward(self.trainer, noised.ids_BL, batch, step=at - 1)
            micro_batches.append(MicroBatch(batch, noised, first_row, outputs))
        reshard(self.trainer.network)
        each = self.trainer.gradient_accumulation_steps
        steps = [micro_batches[start : start + each] for start in range(0, len(micro_batches), each)]
        return Activations(rows, at, steps, scales(micro_batches))

    def _clean(self, rows: int) -> Iterator[tuple[int, Batch]]:
        """This rank's micro-batches of the first rows of the run, dealt out as the loader does, with their first row."""
        packed, loader = self._rows_from_the_start(), self.trainer.rows
        for start in range(0, rows, loader.world * loader.rows):
            first_row = start + loader.rank * loader.rows
            yield first_row, packed.batch(first_row, loader.rows)


def _keep(outputs: dict[str, Tensor], name: str, module: nn.Module, args: Any, output_BLD: Tensor) -> None:
    outputs[name] = output_BLD.detach().cpu()
