"""The contract of an objective: which logit row is scored against which token, with what weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from rnd1lib.kinds.data import Batch
    from rnd1lib.kinds.noise import Noised


class Targets(NamedTuple):
    """What the loss scores, aligned to logit rows.

    labels_BL: int64, -100 where the row is not scored; under shift 1 the label at row i is x0[i + 1].
    weights_BL: float32; a row with weight 0 is not scored either.
    """

    labels_BL: Tensor
    weights_BL: Tensor


@runtime_checkable
class Objective(Protocol):
    """Makes targets from a clean and a corrupted batch; never touches logits, so every loss backend works with it.

    `shift` and `corrupts` are class attributes, no options: shift 1 means that row i predicts token i + 1; an objective
    that does not corrupt needs no noise. `counts` names the denominator of the summed loss over the global batch: its
    `maskable` tokens, its `masked` tokens or its `rows`.

    Two more members are optional. `eos`: `as_one` has a document's closing run of end-of-text tokens masked all together or
    not at all. `auxiliary(logits_NE, chosen_NK) -> dict[str, Tensor]`: losses of a mixture's routers, one layer at a time;
    logits_NE are the float32 logits of the micro-batch's N tokens over E experts, chosen_NK (int64) the K experts of each.
    Each is a 0-d tensor under a name; what is added to the loss is the mean over ranks and micro-batches, summed over the
    layers, multiplied by the objective's own attribute of that name. An empty dict leaves training untouched.
    """

    shift: ClassVar[Literal[0, 1]]
    corrupts: ClassVar[bool]

    @property
    def counts(self) -> Literal["maskable", "masked", "rows"]: ...

    def targets(self, batch: Batch, noised: Noised) -> Targets:
        """Labels and weights for every logit row; the first token of a document is never a target under shift 1."""
