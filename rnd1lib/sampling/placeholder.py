"""What stands for a token to come on a model that has no mask token: an id behind its last one, which nothing ever sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnd1lib.kinds import Sampler


def decodable(model: Any, sampler: Sampler, *, guidance: float) -> Any:
    """The model; one without a mask token gets a placeholder if this sampler decodes it autoregressively.

    Under a causal mask and shift 1, with one token a step from left to right, the row that predicts a token has seen none to
    come: whatever stands for these plays no part. With guidance it would, since the prompt is masked too.
    """
    in_order = getattr(sampler, "in_order", False) and sampler.steps is None
    causal = getattr(model, "block_length", None) == 1 and model.shift == 1
    if getattr(model, "has_mask_token", True) or guidance or not (causal and (in_order or sampler.block_length == 1)):
        return model
    return WithPlaceholder(model)


@dataclass(frozen=True, eq=False)
class WithPlaceholder:
    """A causal model with an id more, whose logit is -inf. So tokens follow the model's own law over all that it has."""

    model: Any

    def __getattr__(self, name: str) -> Any:
        """All else is the model's."""
        return getattr(self.model, name)

    @property
    def mask_token_id(self) -> int:
        """The id behind the model's last."""
        return int(self.model.vocab_size)

    @property
    def has_mask_token(self) -> bool:
        """There is one now."""
        return True

    @property
    def vocab_size(self) -> int:
        """The placeholder included."""
        return self.mask_token_id + 1

    def logits(self, ids_BL: Tensor, **which: Any) -> Tensor:
        """The model's, and -inf."""
        return _and_none(self.model.logits(self._known(ids_BL), **which))

    @property
    def prefill(self) -> Callable[..., Any]:
        """The model's, if it has one."""
        return partial(self._prefill, self.model.prefill)

    @property
    def extend(self) -> Callable[..., Tensor]:
        """The model's, if it has one."""
        return partial(self._extend, self.model.extend)

    def _prefill(self, prefill: Callable[..., Any], ids_BL: Tensor, **which: Any) -> Any:
        cache = prefill(self._known(ids_BL), **which)
        cache.logits = _and_none(cache.logits)
        return cache

    def _extend(self, extend: Callable[..., Tensor], cache: Any, ids_BS: Tensor, **which: Any) -> Tensor:
        return _and_none(extend(cache, self._known(ids_BS), **which))

    def _known(self, ids: Tensor) -> Tensor:
        """With a token that the model can embed in the placeholder's place."""
        return ids.masked_fill(ids == self.mask_token_id, 0)


def _and_none(logits: Tensor) -> Tensor:
    return torch.nn.functional.pad(logits, (0, 1), value=-torch.inf)
