"""The contract of an attention mask: who sees whom at this step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    """(batch, head, query position, key position) -> bool; broadcasts over int64 index tensors."""

Pattern = Literal["full", "causal", "custom"]


@runtime_checkable
class AttentionMask(Protocol):
    """Who sees whom inside a document. The core adds that no token sees another document.

    Positions given to the `mask_mod` count from the start of the token's document. A class may set `doubled = True`
    (block diffusion: the core feeds [noisy | clean]) and may define `before_step(run)` for a structural change.
    """

    def pattern(self, step: int) -> Pattern:
        """`full` and `causal` take fast paths; `custom` asks `mask_mod`. step counts from 0."""

    def mask_mod(self, step: Tensor) -> MaskMod:
        """The rule at this step, asked only where `pattern` says `custom`; step is a 0-d int64 tensor."""
