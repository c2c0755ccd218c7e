"""Attention learns, the rest keeps what the autoregressive model knew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rnd1lib.kinds import Group

ATTENTION = r"(^|\.)attention\."  # the module, not `attention_norm`
SETTINGS = {1: (3e-4, 3e-4, 1e-4), 2: (3e-4, 3e-4, 0.1), 3: (1e-4, 1e-6, 0.1), 4: (3e-4, 1e-8, 0.1)}


@dataclass(frozen=True, kw_only=True)
class AttentionFirst:
    """RND1's learning rates: high for attention (projections and q/k norms), low or none for all else.

    The settings are those of the report's section 4.2: (attention, rest, weight decay) 1: 3e-4, 3e-4, 1e-4; 2: 3e-4, 3e-4,
    0.1; 3: 1e-4, 1e-6, 0.1 (its text; the caption of fig. 4.1 has 3e-4); 4: 3e-4, 1e-8, 0.1, the default of RND1.
    The mask token's embedding was never trained by the autoregressive model, so its row always learns at the attention rate.
    """

    setting: Literal[1, 2, 3, 4] | None = None
    """A setting of the report; excludes the other options save `rest`. None: setting 4 where no other option is given."""
    attention_lr: float | None = None
    """Peak learning rate of attention and of the mask token's row."""
    rest_lr: float | None = None
    """Peak learning rate of all else."""
    rest: Literal["train", "freeze"] = "train"
    """`freeze`: no gradients and no optimizer state for all else; the fast form of setting 4."""
    weight_decay: float | None = None
    """AdamW's decoupled weight decay of both groups; the mask row has none."""

    def __post_init__(self) -> None:
        for option in ("attention_lr", "rest_lr", "weight_decay"):
            value = getattr(self, option)
            if value is not None and self.setting is not None:
                raise ValueError(f"{option}: {value} beside setting {self.setting}, which says it. Make one of them null.")
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{option}: {value} is not a finite number of 0 or more.")
        if self.rest == "freeze" and self.rest_lr:
            raise ValueError(f"rest_lr: {self.rest_lr} with rest: freeze, which trains nothing there. Make one of them null.")

    def groups(self, names: Sequence[str]) -> list[Group]:
        """The mask token's row, attention, and the rest (frozen or not)."""
        attention_lr, rest_lr, weight_decay = (
            preset if given is None else given
            for preset, given in zip(
                SETTINGS[self.setting or 4], (self.attention_lr, self.rest_lr, self.weight_decay), strict=True
            )
        )
        frozen = self.rest == "freeze"
        return [
            Group("mask_token", r"tok_embeddings\.weight", attention_lr, 0.0, rows="mask_token"),
            Group("attention", ATTENTION, attention_lr, weight_decay),
            Group("rest", ".*", 0.0 if frozen else rest_lr, weight_decay, frozen=frozen),
        ]
