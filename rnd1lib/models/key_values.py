"""Keys and values of a batch, a slot a position, so that a forward pass can run a few tokens and still see all the others.

The network knows nothing of it: what it is given as `attention_masks` stands between each attention layer's own keys and
values and those that its tokens see (`inner_attention.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnd1lib.models.attention import Visibility


class KeyValues:
    """Of B rows with M slots each: every layer's keys (after RoPE) and values.

    logits: what the pass that filled it gave. whole: every slot was written by that pass, so none need be hidden.
    Position -1 is a slot of its own behind the others, which nobody sees: it takes what has no position.
    """

    def __init__(self, written_BM: Tensor) -> None:
        self.whole = bool(written_BM.all())
        self.logits = torch.empty(0)
        self._written = nn.functional.pad(written_BM, (0, 1))
        self._layers: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    @property
    def room(self) -> int:
        """M."""
        return self._written.shape[1] - 1

    def written(self, of_B: Tensor, at_BS: Tensor) -> Tensor:
        """[B, M] bool: which slots of the rows `of_B` hold anything, now that tokens are written at `at_BS`."""
        self._written[of_B[:, None], at_BS] = True
        return self._written[of_B, :-1]

    def slots(self, layer: nn.Module, like_BLNH: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's keys and values [B, M + 1, heads, head width]; zeros where nothing was written, so never NaN."""
        if layer not in self._layers:
            shape = (*self._written.shape, *like_BLNH.shape[2:])
            self._layers[layer] = (like_BLNH.new_zeros(shape), like_BLNH.new_zeros(shape))
        return self._layers[layer]


class Remembered:
    """Who sees whom in a pass over rows from their first position on, whose keys and values are left in `cache`."""

    def __init__(self, cache: KeyValues, seen: Visibility) -> None:
        self.seen, self._cache = seen, cache

    def exchange(self, layer: nn.Module, k_BLNH: Tensor, v_BLNH: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values that the layer's tokens see: their own."""
        for slots, new in zip(self._cache.slots(layer, k_BLNH), (k_BLNH, v_BLNH), strict=True):
            slots[:, : new.shape[1]] = new
        return k_BLNH, v_BLNH


class Recalled:
    """Tokens at `at_BS` of the cache's rows `of_B` (None: all in order), which see what `seen` allows of their row's slots."""

    def __init__(self, cache: KeyValues, seen: Tensor | None, at_BS: Tensor, of_B: Tensor | None) -> None:
        self.seen, self._cache, self._at_BS = seen, cache, at_BS
        self._of_B: Tensor | slice = slice(None) if of_B is None else of_B
        self._row_B1 = (torch.arange(len(at_BS), device=at_BS.device) if of_B is None else of_B)[:, None]

    def exchange(self, layer: nn.Module, k_BSNH: Tensor, v_BSNH: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values that the layer's tokens see: [B, M, heads, head width], their own now among them."""
        keys, values = self._cache.slots(layer, k_BSNH)
        keys[self._row_B1, self._at_BS], values[self._row_B1, self._at_BS] = k_BSNH, v_BSNH
        return keys[self._of_B, :-1], values[self._of_B, :-1]
