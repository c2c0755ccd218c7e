"""The contract of a model as sampling, likelihood and evaluation see it: ids in, logits out; some can keep keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts masked tokens: what `generate`, `infill` and `log_likelihood` accept.

    It may have an attribute `end_token_ids`: what ends a text beside `eos_token_id`.
    """

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
