"""The options that every first-party sampler has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SamplerOptions:
    """Steps, blocks, temperature and filters, checked."""

    steps: int | None = None
    """Forward passes in all, split evenly over the blocks; None: one for each token, or fewer where the rule allows."""
    block_length: int | None = None
    """Blocks are filled from left to right (semi-autoregressive); None: one block."""
    temperature: float = 0.0
    """0 takes the best token, with the scores of temperature 1; above, tokens are drawn from softmax(logits / temperature)."""
    top_k: int | None = None
    """Only the k best tokens; None: all."""
    top_p: float | None = None
    """Only the smallest set of tokens that holds this much probability, one token at least; None: all."""

    def __post_init__(self) -> None:
        for name in ("steps", "block_length", "top_k"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} is below 1.")
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature: {self.temperature} is not a finite number of 0 or more.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: {self.top_p} is outside (0, 1].")
