"""The contract of an attention mask: who sees whom at this step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    """(batch, head, query position, key position) -> bool; broadcasts over int64 index tensors."""

Pattern = Literal["full", "causal", "custom"]


@runtime_checkable
class AttentionMask(Protocol):
    """Who sees whom inside a document. The core adds that no token sees another document.

    Positions given to the `mask_mod` count from the start of the token's document. A mask with blocks has an attribute
    `block_length`: blocks count from the start of the document, and behind its own block a token sees nothing (sampling
    relies on it to keep keys and values). A class may set `doubled = True` (see `DoubledMask`) and may change the model
    between two steps (see `StructuralMask`).
    """

    def pattern(self, step: int) -> Pattern:
        """`full` and `causal` take fast paths; `custom` asks `mask_mod`. step counts from 0."""

    def mask_mod(self, step: Tensor) -> MaskMod:
        """The rule at this step, asked only where `pattern` says `custom`; step is a 0-d int64 tensor."""


class DoubledMask(AttentionMask, Protocol):
    """A mask under which training reads [noisy | clean], both halves with the same positions (block diffusion).

    In its `mask_mod` the places of the clean half are offset by `sequence_length`. Among clean places alone it must be
    block-causal for documents of any length: that is how sampling asks it.
    """

    doubled: ClassVar[bool]

    @property
    def block_length(self) -> int: ...
    @property
    def sequence_length(self) -> int: ...


class Captured(Protocol):
    """What every attention layer gave on some rows, this rank's share of it; only `fit` looks inside."""

    @property
    def rows(self) -> int:
        """Of all ranks."""


class RunBeforeStep(Protocol):
    """A run between two steps, as `before_step` may change it. Every rank makes the same calls."""

    @property
    def step(self) -> int:
        """The step that comes next, from 0: as many are finished."""

    def attention_layers(self) -> Mapping[str, nn.Module]:
        """The attention operators by name (`layers.0.attention`), in the order of the layers."""

    def save(self) -> None:
        """Writes the checkpoint of the finished steps, unless it is there."""

    def capture(self, rows: int, *, at: int, until: int) -> Captured:
        """What the attention layers give with their parameters of before step `at`, under the mask of the step before it.

        rows: a multiple of a step's; the first of the training data, corrupted by the draws of step `at`, whatever was read
        before. They are run through once. When `at` has passed its checkpoint is read, so `save` it there; it is kept as long
        as there is another one of a step before `until`, from which a resumed run would ask again. Between `at` and `until`
        only fits may be done. Raises ValueError for rows that fill no step, CheckpointError.
        """

    def fit(self, captured: Captured, error: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Makes the next step a fit: each attention layer's parameters towards what was captured, and nothing else.

        error(output_BLD, captured_BLD) -> 0-d: the mean over all elements, both float32, in units of the root mean square
        of what was captured of the layer. The step is counted, saved and logged as any other; it reads no training rows.
        """


@runtime_checkable
class StructuralMask(AttentionMask, Protocol):
    """A mask that also changes the model. It says when in attributes, so that a recipe can be checked without a run."""

    @property
    def after(self) -> int:
        """The step before which the change is made; at least 1."""

    @property
    def fit_steps(self) -> int:
        """How many steps from there on are fits."""

    @property
    def fit_rows(self) -> int:
        """How many rows the fits are on."""

    def before_step(self, run: RunBeforeStep) -> None:
        """Called before each step; what it does is decided by `run.step` alone, so that a resumed run does it again."""
