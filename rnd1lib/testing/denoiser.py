"""Denoisers without a transformer: one whose predictions depend on all that it sees, one whose predictions are given."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.diffusion import hash_uniform
from rnd1lib.testing.examples import END, MASK, PAD, START, VOCABULARY

WIDTH = 12
LONGEST = 64
"""Places behind it are like the first ones."""


class Words:
    """A tokenizer over the words of the example vocabulary: a letter is a word."""

    def encode(self, text: str) -> list[int]:
        """Ids."""
        return [ord(letter) % START for letter in text]

    def decode(self, ids: list[int]) -> str:
        """Letters."""
        return "".join(chr(ord("A") + token) for token in ids)


class Denoiser:
    """What both have in common. asked: for each call, the number of rows that the head was asked for."""

    mask_token_id, eos_token_id, pad_token_id, bos_token_id, vocab_size = MASK, END, PAD, START, VOCABULARY
    tokenizer, noise = Words(), None

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift
        self.asked: list[int] = []

    def logits(self, ids_BL: Tensor, *, rows_BL: Tensor | None = None, documents_BL: Tensor | None = None) -> Tensor:
        """[B, L, V], or those of `rows_BL`."""
        self.asked.append(ids_BL.numel() if rows_BL is None else int(rows_BL.sum()))
        documents_BL = torch.zeros_like(ids_BL) if documents_BL is None else documents_BL
        logits_BLV = self.rows(ids_BL, documents_BL).float()
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]

    def rows(self, ids_BL: Tensor, documents_BL: Tensor) -> Tensor:
        """Raw logits [B, L, V] in float64."""
        raise TypeError("a denoiser says what its rows are")


class Table(Denoiser):
    """Every row sees every token of its own document, by tables of fixed random numbers: logits = U tanh(h_i + sum_j K_ij h_j).

    In float64, so that the order of a sum never decides between two tokens.
    """

    def rows(self, ids_BL: Tensor, documents_BL: Tensor) -> Tensor:
        """Raw logits [B, L, V] in float64."""
        same_BLL = documents_BL[:, :, None] == documents_BL[:, None, :]
        place_BL = same_BLL.tril(-1).sum(-1) % LONGEST
        hidden_BLD = table("ids", VOCABULARY, WIDTH)[ids_BL] + table("places", LONGEST, WIDTH)[place_BL]
        weights_BLL = table("pairs", LONGEST, LONGEST)[place_BL[:, :, None], place_BL[:, None, :]] * same_BLL
        mixed_BLD = torch.tanh(hidden_BLD + weights_BLL @ hidden_BLD / 2)
        return mixed_BLD @ table("words", WIDTH, VOCABULARY)


class Given(Denoiser):
    """Predicts the given logits [L, V] for the token at each place, whatever stands around it."""

    def __init__(self, logits_LV: Tensor, shift: int = 0) -> None:
        super().__init__(shift)
        self._logits_LV = logits_LV.double()

    def rows(self, ids_BL: Tensor, documents_BL: Tensor) -> Tensor:
        """Row i holds what is predicted of token i + shift."""
        places_L = (torch.arange(ids_BL.shape[1]) + self.shift).clamp(max=len(self._logits_LV) - 1)
        return self._logits_LV[places_L].expand(len(ids_BL), -1, -1)


def table(name: str, rows: int, width: int) -> Tensor:
    """[rows, width] float64 numbers of mean 0 and variance 1, the same in every process."""
    uniform = hash_uniform(0x7AB1E, name, torch.arange(rows)[:, None], torch.arange(width))
    return (uniform.double() - 0.5) * 12**0.5
