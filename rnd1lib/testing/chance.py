"""Whether counts follow a law: Pearson's chi-square with a bound so far out that chance does not reach it."""

from __future__ import annotations

from torch import Tensor

from rnd1lib.testing.promise import demand

SIGMAS = 4.75  # one in a million; the kit's numbers are fixed, so a law that held once holds always


def chi_square_bound(freedom: int) -> float:
    """The quantile by Wilson and Hilferty's cube: k (1 - 2 / (9 k) + z sqrt(2 / (9 k)))^3."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + SIGMAS * spread**0.5) ** 3)


def demand_law(observed_K: Tensor, expected_K: Tensor, what: str) -> None:
    """Counts [K] against expected counts [K] of the same sum; where next to nothing is expected, nothing may be seen."""
    likely_K = expected_K >= 1e-9
    demand(int(observed_K[~likely_K].sum()) == 0, f"{what}: seen where its probability is 0: {observed_K.tolist()}.")
    observed_K, expected_K = observed_K[likely_K].double(), expected_K[likely_K].double()
    statistic = float(((observed_K - expected_K).square() / expected_K).sum())
    bound = chi_square_bound(max(len(expected_K) - 1, 1))
    shown = f"seen {observed_K.tolist()}, expected {[round(value, 1) for value in expected_K.tolist()]}"
    demand(statistic < bound, f"{what}: chi-square {statistic:.1f} is above {bound:.1f}; {shown}.")
