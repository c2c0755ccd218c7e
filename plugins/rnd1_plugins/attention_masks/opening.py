"""What the masks that open the future over a number of steps have in common."""

from dataclasses import dataclass

from rnd1lib.kinds import Pattern


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A mask on its way from causal to bidirectional, exactly bidirectional from step steps - 1 on."""

    steps: int = 10_000
    """Until all is seen; at least 1, with which it is bidirectional from the start."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} is below 1.")

    def pattern(self, step: int) -> Pattern:
        """`custom` while it opens, then `full`."""
        return "full" if step >= self.steps - 1 else "custom"
