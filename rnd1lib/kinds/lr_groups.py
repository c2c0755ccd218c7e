"""The contract of learning-rate groups: which parameters learn, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable


class Group(NamedTuple):
    """Parameters whose name is found by `pattern` (re.search), with their peak learning rate and weight decay.

    The first group that matches wins. `frozen` parameters get no gradients and no optimizer state. `rows="mask_token"`
    claims the mask token's embedding row, a parameter of its own, beside the other groups; its pattern is then
    `tok_embeddings.weight`.
    """

    name: str
    pattern: str
    lr: float
    weight_decay: float
    frozen: bool = False
    rows: Literal["mask_token"] | None = None


@runtime_checkable
class LrGroups(Protocol):
    """Divides a model's parameters. Every parameter must fall in exactly one group, and no group may be empty."""

    def groups(self, names: Sequence[str]) -> list[Group]:
        """The groups for these parameter names (torchtitan's, freed of wrappers; the mask row is not among them)."""
