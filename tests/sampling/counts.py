"""Whether counts of what was drawn follow a law."""

import math

from rnd1lib.testing.chance import chi_square_bound


def chi_square(seen, expected, rows):
    """The statistic and its bound; what is expected less than five times in all is counted together."""
    assert not set(seen) - {key for key, p in expected.items() if p}, "seen where its probability is 0"
    assert math.isclose(sum(expected.values()), 1, abs_tol=1e-9)
    often = {key: p for key, p in expected.items() if p * rows >= 5}
    cells = [(seen[key], p * rows) for key, p in often.items()]
    rest = 1 - sum(often.values())
    if rest * rows >= 1:
        cells.append((rows - sum(count for count, _ in cells), rest * rows))
    assert len(cells) > 5
    return sum((count - mean) ** 2 / mean for count, mean in cells), chi_square_bound(len(cells) - 1)
