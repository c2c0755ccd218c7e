"""The contract of an evaluator, and the model that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from rnd1lib.kinds.data import Batch
    from rnd1lib.kinds.noise import Noise
    from rnd1lib.kinds.objective import Objective


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts masked tokens: what `generate`, `infill` and `log_likelihood` accept."""

    @property
    def shift(self) -> int: ...
    @property
    def mask_token_id(self) -> int: ...
    @property
    def eos_token_id(self) -> int | None: ...
    @property
    def pad_token_id(self) -> int | None: ...

    def logits(self, ids_BL: Tensor, *, rows_BL: Tensor | None = None, documents_BL: Tensor | None = None) -> Tensor:
        """[B, L, V], or [rows_BL.sum(), V] with the LM head applied to those rows alone; raw and unshifted."""


class Cache(Protocol):
    """Keys and values of a batch, as only the model that made it understands them.

    logits: what the pass that made it gave, as `Denoiser.logits` would.
    """

    logits: Tensor


class CachingDenoiser(Denoiser, Protocol):
    """A denoiser that can run a few tokens and read the keys and values of the others: what `cache=` needs.

    It may have an attribute `block_length`: behind its own block, counted from the start of the row, a token sees nothing
    (1: the causal rule). Then kept keys and values are exact; without it, or where it is None, they are approximate, and a
    model that has one above 1 is sampled block by block.
    """

    def prefill(
        self, ids_BL: Tensor, *, rows_BL: Tensor | None = None, lengths_B: Tensor | None = None, room: int | None = None
    ) -> Cache:
        """A pass over whole rows. lengths_B: what lies behind is padding. room: positions of a row to come, L by default."""

    def extend(
        self,
        cache: Any,
        ids_BS: Tensor,
        *,
        at_BS: Tensor,
        rows_BS: Tensor | None = None,
        of_B: Tensor | None = None,
    ) -> Tensor:
        """Logits of tokens at positions `at_BS` (-1: none there) of the cache's rows `of_B` (all by default), in which they
        take the place of what was there; they see all of their row that was ever run."""


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
