"""What a noise schedule promises by itself: alpha is a probability that falls from one to zero, alpha' its derivative."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.kinds import Noise
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, same, twice, unchanged

NEAR = 0.05
"""What `about 1` and `about 0` mean: schedules leave a rest of clean tokens at t = 1."""

ROUNDING = 1e-12


def times(dtype: torch.dtype = torch.float64) -> Tensor:
    """[201] times from 0 to 1."""
    return torch.linspace(0, 1, 201, dtype=dtype)


@promise
def alpha_falls_from_one_to_zero(noise: Noise) -> None:
    """alpha(0) = 1 and alpha(1) = 0, within 0.05."""
    first, last = noise.alpha(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    demand(abs(first - 1) <= NEAR and abs(last) <= NEAR, f"alpha(0) = {first:.4f}, alpha(1) = {last:.4f}.")


@promise
def alpha_is_a_probability_that_never_rises(noise: Noise) -> None:
    """1 >= alpha(s) >= alpha(t) >= 0 for s < t."""
    alpha = noise.alpha(times())
    seen = f"alpha lies in [{float(alpha.min()):.4g}, {float(alpha.max()):.4g}]."
    demand(((alpha >= -ROUNDING) & (alpha <= 1 + ROUNDING)).all(), seen)
    rises = (alpha.diff() > ROUNDING).nonzero()[:, 0]
    demand(len(rises) == 0, f"alpha rises behind t = {times()[rises][:3].tolist()}.")


@promise
def alpha_prime_is_the_derivative_of_alpha(noise: Noise) -> None:
    """alpha'(t) = d alpha / dt, here (alpha(t + h) - alpha(t - h)) / 2h with h = 1e-5 in float64."""
    t, h = times()[2:-2], 1e-5
    slope = (noise.alpha(t + h) - noise.alpha(t - h)) / (2 * h)
    told = noise.alpha_prime(t)
    off = (told - slope).abs() / (1e-3 + slope.abs())
    worst = int(off.argmax())
    seen = f"at t = {float(t[worst]):.3f} alpha' is {float(told[worst]):.6g}, the slope of alpha {float(slope[worst]):.6g}."
    demand(float(off.max()) < 1e-4, seen)


@promise
def both_functions_keep_the_dtype_and_shape_of_t(noise: Noise) -> None:
    """float32 in, float32 out; float64 in, float64 out; a time a row, a time a block or a single one."""
    for function in (noise.alpha, noise.alpha_prime):
        for dtype in (torch.float32, torch.float64):
            for t in (torch.tensor(0.4, dtype=dtype), torch.full((3,), 0.4, dtype=dtype), torch.full((2, 5), 0.4, dtype=dtype)):
                value = function(t)
                demand(value.dtype == dtype, f"{dtype} became {value.dtype}.")
                demand(value.shape == t.shape, f"the shape {tuple(t.shape)} became {tuple(value.shape)}.")


@promise
def float32_says_what_float64_says(noise: Noise) -> None:
    """|alpha32 - alpha64| <= 1e-6, and alpha' to five digits: nothing is lost in training's dtype."""
    t = times(torch.float32)[1:-1]
    off = (noise.alpha(t).double() - noise.alpha(t.double())).abs().max()
    demand(float(off) <= 1e-6, f"alpha differs by {float(off):.2g}.")
    exact = noise.alpha_prime(t.double())
    off = ((noise.alpha_prime(t).double() - exact).abs() / (1 + exact.abs())).max()
    demand(float(off) <= 1e-5, f"alpha' differs by {float(off):.2g}.")


@promise
def the_same_time_has_the_same_alpha(noise: Noise) -> None:
    """Functions of t alone: equal bits whatever was asked before, no generator of the process, t is not written into."""
    t = times()
    with no_process_rng(), unchanged([t]):
        first = [noise.alpha(t), noise.alpha_prime(t)]
        alone = [torch.stack([noise.alpha(each) for each in t]), torch.stack([noise.alpha_prime(each) for each in t])]
    again = twice(lambda: [noise.alpha(t), noise.alpha_prime(t)])
    demand(same(first, again[0]) and same(first, again[1]), "the same t gave other values.")
    off = max(float((a - b).abs().max()) for a, b in zip(first, alone, strict=True))
    demand(off < 1e-9, f"a time by itself gives another value than among others, by {off:.2g}.")
