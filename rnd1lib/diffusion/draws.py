"""Counter-based randomness: every number is an integer hash of what it is for, so a resumed run repeats itself.

The hash is splitmix64's finaliser (Steele, Lea, Flood 2014) chained over the counters, in int64 tensor operations alone:
they wrap alike on every device, so CPU and GPU draw the same bits. No torch.Generator and no process RNG plays a part.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

ALL_BITS = (1 << 64) - 1


def _signed(n: int) -> int:
    """The int64 with the bits of n modulo 2**64."""
    n &= ALL_BITS
    return n - (1 << 64) if n >> 63 else n


GOLDEN, FIRST, SECOND = _signed(0x9E3779B97F4A7C15), _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
GLOBAL_ROW = -1  # the row of numbers that a whole step shares


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical, since int64's >> keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * FIRST
    x = (x ^ _shift_right(x, 27)) * SECOND
    return x ^ _shift_right(x, 31)


def _key(seed: int, stream: str) -> int:
    """Where a stream's hashes begin: an int64, in Python's integers, so that a compiler takes it for the constant it is."""
    bits = seed * GOLDEN + zlib.crc32(stream.encode()) & ALL_BITS
    bits = (bits ^ bits >> 30) * FIRST & ALL_BITS
    bits = (bits ^ bits >> 27) * SECOND & ALL_BITS
    return _signed(bits ^ bits >> 31)


# What torch.compiler.assume_constant_result would set; calling it imports torch's compiler, which takes longer than torch.
_key._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _hash(seed: int, stream: str, *indices: Tensor | int) -> Tensor:
    """int64 hashes, broadcast over the indices, of which there is at least one."""
    first, *others = (torch.as_tensor(index, dtype=torch.int64) for index in indices)
    bits = _mix(_key(seed, stream) + (first + 1) * GOLDEN)
    for index in others:
        bits = _mix(bits.to(index.device) + (index + 1) * GOLDEN)
    return bits


def _to_unit(bits: Tensor) -> Tensor:
    """The top 24 bits as float32 in [0, 1), exactly."""
    return _shift_right(bits, 40).float() * 2.0**-24


def hash_uniform(seed: int, stream: str, *indices: Tensor | int) -> Tensor:
    """Uniform numbers for masks and samplers: float32 in [0, 1), a function of (seed, stream, indices) alone.

    indices are int64 tensors or ints that broadcast together; their shape and device are the result's.
    """
    return _to_unit(_hash(seed, stream, *indices))


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The randomness of one training step, for the rows from `first_row` on of the step's global batch.

    A number depends on (seed, step, stream, global row, position), never on who asks: two ranks that hold half of the
    batch each draw what one rank draws. global_rows is the number of rows of the global batch (None: those asked for).
    """

    seed: int
    step: int
    first_row: int = 0
    global_rows: int | None = None

    def _bits(self, stream: str, rows: int, width: int, device: torch.device | str | None) -> Tensor:
        row_R1 = torch.arange(rows, device=device)[:, None] + self.first_row
        return _hash(self.seed, stream, self.step, row_R1, torch.arange(width, device=device))

    def uniform(self, stream: str, rows: int, width: int, *, device: torch.device | str | None = None) -> Tensor:
        """[rows, width] float32 in [0, 1)."""
        return _to_unit(self._bits(stream, rows, width, device))

    def integers(self, stream: str, rows: int, width: int, high: int, *, device: torch.device | str | None = None) -> Tensor:
        """[rows, width] int64 in [0, high), high below 2**31."""
        return _shift_right(self._bits(stream, rows, width, device), 32) * high >> 32

    def permutation(self, stream: str, n: int, *, device: torch.device | str | None = None) -> Tensor:
        """[n] int64: a permutation that is the same on every rank."""
        return _hash(self.seed, stream, self.step, GLOBAL_ROW, torch.arange(n, device=device)).argsort()

    def once(self, stream: str) -> float:
        """One number in [0, 1) for the whole step, the same on every rank."""
        return float(_to_unit(_hash(self.seed, stream, self.step, GLOBAL_ROW)))
