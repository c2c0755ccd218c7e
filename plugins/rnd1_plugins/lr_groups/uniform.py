"""One group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rnd1lib.kinds import Group


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Every parameter learns at the same rate; the mask token's row goes with its table."""

    lr: float = 3e-4
    """The peak learning rate."""
    weight_decay: float = 0.1
    """AdamW's decoupled weight decay."""

    def __post_init__(self) -> None:
        for option in ("lr", "weight_decay"):
            if not 0 <= getattr(self, option) < math.inf:
                raise ValueError(f"{option}: {getattr(self, option)} is not a finite number of 0 or more.")

    def groups(self, names: Sequence[str]) -> list[Group]:
        """One group that matches every name."""
        return [Group("all", ".*", self.lr, self.weight_decay)]
