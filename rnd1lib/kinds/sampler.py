"""The contract of a sampler: how many positions to commit at a step, which, with what token, and what to mask again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Parity = Literal["rnd1", "llada", "dream", "dllm"]


class Scores(Protocol):
    """What the model thinks of the N positions asked about, computed on first use; float32 save `token` (int64).

    token: argmax at temperature 0, else drawn. log_prob: of that token under the tempered, filtered distribution.
    plain_log_prob: of that token, untempered and unfiltered. entropy: in nats; untempered at temperature 0.
    margin: the probability of the best token less that of the second.
    """

    @property
    def token(self) -> Tensor: ...
    @property
    def log_prob(self) -> Tensor: ...
    @property
    def plain_log_prob(self) -> Tensor: ...
    @property
    def entropy(self) -> Tensor: ...
    @property
    def margin(self) -> Tensor: ...


class Decision(NamedTuple):
    """commit_N: bool, which of the masked positions to fill now. tokens_N: int64, with what. remask_BL: what to mask again.

    tokens_N None: with what the sampler's temperature, top_k and top_p give. A sampler that chooses positions without asking
    the model leaves it so: the model is then asked about these positions alone, and not at all if there are none.
    """

    commit_N: Tensor
    tokens_N: Tensor | None
    remask_BL: Tensor | None = None


@runtime_checkable
class View(Protocol):
    """What a sampler sees of a step, computed only if asked for. N counts the masked positions of the current blocks.

    ids_BL: the canvases. generated_BL: positions of the row's current block that were masked at the start.
    sequence_N, position_N: where each of the N positions lies. step: 0-based, in the block. steps: of the block.
    masked_at_start_B: masks of the block before its first step. stay_B: (1 - alpha(s)) / (1 - alpha(t)), the probability
    that a masked token stays masked.
    """

    ids_BL: Tensor
    generated_BL: Tensor
    sequence_N: Tensor
    position_N: Tensor
    step: int
    steps: int
    masked_at_start_B: Tensor
    stay_B: Tensor

    def uniform(self, name: str) -> Tensor:
        """[N] float32 in [0, 1), a function of the seed, the prompt's number, the position and the step alone."""

    def scores(
        self,
        temperature: float,
        top_k: int | None = None,
        top_p: float | None = None,
        where: Literal["masked", "generated"] = "masked",
    ) -> Scores:
        """Scores of the masked positions, or of every generated one; one fused pass over the vocabulary."""


@runtime_checkable
class Sampler(Protocol):
    """Decides what a denoising step commits. The loop owns canvas, blocks, guidance, caches and stopping.

    steps: total over the blocks, split evenly; None: one token a step where a quota is needed, else until nothing is
    masked. block_length: None is one block. temperature 0 is argmax. `parity` copies a peer's rounding or slot rules. It may
    have an attribute `in_order`: True if it commits the leftmost masks alone, so that, a token a step, a causal model needs no
    mask token.
    """

    @property
    def steps(self) -> int | None: ...
    @property
    def block_length(self) -> int | None: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int | None: ...
    @property
    def top_p(self) -> float | None: ...
    @property
    def parity(self) -> Parity | None: ...

    def decide(self, view: View) -> Decision:
        """What to commit now; at least one position of a row that still has masks, or the loop runs out of steps."""
