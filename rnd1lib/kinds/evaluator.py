"""The contract of an evaluator, and the model that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rnd1lib.kinds.denoiser import Denoiser

if TYPE_CHECKING:
    from torch import Tensor

    from rnd1lib.kinds.data import Batch
    from rnd1lib.kinds.noise import Noise
    from rnd1lib.kinds.objective import Objective


class ModelInTraining(Denoiser, Protocol):
    """A denoiser in the middle of its run. Under torchrun every rank holds a part, so every rank makes the same calls."""

    @property
    def objective(self) -> Objective: ...
    @property
    def noise(self) -> Noise | None: ...
    @property
    def tokenizer(self) -> Any: ...

    def held_out(self, rows: int, data: Any = None) -> Iterator[tuple[int, Batch]]:
        """This rank's share of `rows` packed rows of `data`, or of what the run holds out: (first row, batch).

        As many batches on every rank; what fills the last ones up is not maskable.
        """

    def training_logits(self, noisy_BL: Tensor, batch: Batch, rows_BL: Tensor) -> Tensor:
        """[rows_BL.sum(), V] raw logits of those rows as a training step reads them.

        noisy_BL: the batch's ids with mask tokens. `logits` gives the same, save under block diffusion, where a step reads
        the clean tokens too: each noisy block stands behind clean ones.
        """

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks."""

    def moved(self) -> dict[str, float]:
        """GROUP_rms and GROUP_max of |w - w0|; for an evaluator that says `from_the_beginning`, else empty."""


@runtime_checkable
class Evaluator(Protocol):
    """Measures a model; its data are its options. Called on every rank.

    A class attribute `from_the_beginning = True` asks the core to remember the weights that the run began with.
    """

    def evaluate(self, model: ModelInTraining, *, step: int) -> dict[str, float]:
        """Figures by name, equal on every rank; step counts the finished ones."""
