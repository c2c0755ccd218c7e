"""How tokens are drawn, and what is read off the few rows of log-odds that lie in the processor's cache.

Every operation reads and writes rows once, in place where it can; maxima, best tokens and draws go by blocks of the
vocabulary, since a maximum without its place is ten times as fast as one with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

BLOCK = 256  # tokens; a row of log-odds is padded to a multiple
SHORT = 4 * BLOCK  # up to here a row is one block
FEW = 512  # k is few of as many times k: then PyTorch's topk is the faster one on a CPU
HOTTEST = 1e38  # finite in float32, so that what must not be drawn stays at -inf
NEVER = -200.0  # log-odds whose exp is exactly 0 in float32, yet finite, so that 0 * NEVER is 0 and no entropy is NaN


class Law(NamedTuple):
    """How tokens are drawn: temperature, then the top_k best tokens, then the smallest set of them that holds top_p.

    At temperature 0 the token is the best one and the probabilities are those of temperature 1, filtered.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None

    @property
    def plain(self) -> bool:
        """Whether its probabilities are the model's own."""
        return self.temperature in (0.0, 1.0) and self.top_k is None and self.top_p in (None, 1.0)


class Kept(NamedTuple):
    """The tokens that a law leaves of n rows.

    odds_nK: log-odds against the best. probability_nK: 0 for what is filtered out. best_n1: the place of the best token.
    ids_nK: None where place is id.
    """

    odds_nK: Tensor
    probability_nK: Tensor
    best_n1: Tensor
    ids_nK: Tensor | None

    def log_prob_of_best(self) -> Tensor:
        """[n, 1]; its log-odds are 0, so this is minus the logarithm of what all odds add up to."""
        return self.probability_nK.gather(1, self.best_n1).log()

    def entropy(self) -> Tensor:
        """[n] in nats, as log Z - E[z]. Uses up the log-odds."""
        mean_n = self.odds_nK.clamp_(min=NEVER).mul_(self.probability_nK).sum(-1)
        return mean_n.add_(self.log_prob_of_best()[:, 0]).neg_().clamp_(min=0)

    def margin(self) -> Tensor:
        """[n] the probability of the best token less that of the second; that of the best where it is alone."""
        best_nk = highest(self.probability_nK, 2)[0]
        return best_nk[:, 0] - best_nk[:, 1:].sum(-1)

    def draw(self, uniform_n: Tensor) -> Tensor:
        """[n, 1] places drawn by inversion, first a block, then a token of it; sums in float64, so that rare tokens count."""
        blocks_nbW = blocks(self.probability_nK)
        below_nb = blocks_nbW.sum(-1).double().cumsum(-1)
        target_n1 = uniform_n[:, None] * below_nb[:, -1:]
        block_n1 = torch.searchsorted(below_nb, target_n1, right=True)
        inside_nW = _take(blocks_nbW, block_n1).double().cumsum(-1)
        rest_n1 = target_n1 - torch.nn.functional.pad(below_nb, (1, 0)).gather(1, block_n1)
        rest_n1 = rest_n1.clamp_(min=0).minimum(inside_nW[:, -1:].nextafter(inside_nW.new_zeros(())))
        return block_n1 * blocks_nbW.shape[-1] + torch.searchsorted(inside_nW, rest_n1, right=True)


def keep(odds_nP: Tensor, best_n1: Tensor, law: Law, out_nP: Tensor) -> Kept:
    """Applies a law to log-odds (changed in place) of which 0 is the best and -inf what must not be drawn.

    out_nP: room for as many probabilities.
    """
    odds_nK, ids_nK = odds_nP, None
    if law.top_k is not None:
        odds_nK, ids_nK = highest(odds_nP, law.top_k)
        best_n1, out_nP = torch.zeros_like(best_n1), torch.empty_like(odds_nK)
    if law.temperature not in (0.0, 1.0):
        odds_nK /= min(max(law.temperature, 1e-8), HOTTEST)
    probability_nK = torch.softmax(odds_nK, -1, out=out_nP)
    if law.top_p is not None and law.top_p < 1:
        probability_nK *= nucleus(probability_nK, law.top_p)
        probability_nK /= probability_nK.sum(-1, keepdim=True)
    return Kept(odds_nK, probability_nK, best_n1, ids_nK)


def nucleus(probability_nK: Tensor, top_p: float) -> Tensor:
    """[n, K] bool: the smallest set of likeliest tokens that holds `top_p`; of equal ones the first."""
    ordered_nK = _ascending(probability_nK)
    below_nK = ordered_nK.cumsum(-1, dtype=torch.float64)
    outside_n1 = torch.searchsorted(below_nK, (1 - top_p) * below_nK[:, -1:], right=True)
    outside_n1.clamp_(max=ordered_nK.shape[1] - 1)
    least_n1 = ordered_nK.gather(1, outside_n1)
    inside_nK = probability_nK >= least_n1
    surplus_n1 = outside_n1 - torch.searchsorted(ordered_nK, least_n1)
    if bool(surplus_n1.any()):
        equal_nK = probability_nK == least_n1
        inside_nK &= ~equal_nK | (equal_nK.cumsum(-1) <= equal_nK.sum(-1, keepdim=True) - surplus_n1)
    return inside_nK


def highest(values_nK: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k highest values [n, k], best first, and their places; they lie in the k blocks of highest maxima."""
    blocks_nbW = blocks(values_nK)
    if k >= blocks_nbW.shape[1]:
        return _highest(values_nK, min(k, values_nK.shape[1]))
    _, block_nk = _highest(blocks_nbW.amax(-1), k)
    high_nk, place_nk = _highest(_take(blocks_nbW, block_nk), k)
    width = blocks_nbW.shape[-1]
    return high_nk, block_nk.gather(1, place_nk // width) * width + place_nk % width


def first_highest(values_nP: Tensor) -> tuple[Tensor, Tensor]:
    """The highest value and its first place, each [n, 1]."""
    blocks_nbW = blocks(values_nP)
    if blocks_nbW.shape[1] == 1:
        return values_nP.max(-1, keepdim=True)
    highest_n1, block_n1 = blocks_nbW.amax(-1).max(-1, keepdim=True)
    of_block_n1W = block_n1[..., None].expand(-1, -1, BLOCK)
    return highest_n1, blocks_nbW.gather(1, of_block_n1W)[:, 0].argmax(-1, keepdim=True).add_(block_n1, alpha=BLOCK)


def blocks(values_nK: Tensor) -> Tensor:
    """[n, blocks, width] of a padded row; a row that is not, or a short one, is one block."""
    rows, width = values_nK.shape
    return values_nK[:, None] if width % BLOCK or width <= SHORT else values_nK.view(rows, width // BLOCK, BLOCK)


def padded(vocabulary: int) -> int:
    """The width of a row of so many tokens: whole blocks, unless it is short."""
    return vocabulary if vocabulary <= SHORT else -(-vocabulary // BLOCK) * BLOCK


def _take(blocks_nbW: Tensor, block_nk: Tensor) -> Tensor:
    """[n, k * width] the blocks named, one behind the other."""
    rows, count, width = blocks_nbW.shape
    first_n1 = torch.arange(0, rows * count, count, device=block_nk.device)[:, None]
    return blocks_nbW.reshape(-1, width).index_select(0, (block_nk + first_n1).flatten()).view(rows, block_nk.shape[1] * width)


def _highest(values_nK: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`topk`; on a CPU by NumPy's vectorised selection, where more than a few are wanted."""
    if values_nK.device.type != "cpu" or k * FEW <= values_nK.shape[1]:
        return values_nK.topk(k)
    some_nk = torch.from_numpy(np.argpartition(values_nK.numpy(), -k, axis=-1))[:, -k:]
    high_nk, order_nk = values_nK.gather(1, some_nk).sort(descending=True)
    return high_nk, some_nk.gather(1, order_nk)


def _ascending(values_nK: Tensor) -> Tensor:
    """Sorted rows; NumPy's vectorised sort takes a thirtieth of the time of PyTorch's on a CPU."""
    if values_nK.device.type == "cpu":
        return torch.from_numpy(np.sort(values_nK.numpy(), axis=-1))
    return values_nK.sort(-1).values
