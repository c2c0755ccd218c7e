"""What the other rank learns when one of two fails alone."""

from pathlib import Path

import pytest
import torch.distributed as dist
from processes import Ranks

from rnd1lib.titan.ranks import _first_told

pytestmark = pytest.mark.distributed


def both(case):
    """What each of the two ranks got."""
    ranks = Ranks(2, case, script=Path(__file__).with_name("two_ranks_fail.py"))
    assert ranks.wait() == [0, 0]
    return [rank.text for rank in ranks.ranks]


def test_what_can_be_agreed_on_is_raised_on_every_rank():
    first, second = both("agreed")
    assert first.startswith("Rnd1Error 2 docs.jsonl:7: broken.") and second.startswith("DataError 2 docs.jsonl:7: broken.")


@pytest.mark.parametrize(("case", "sentence"), [("plug-in", "5 'mine' failed."), ("bug", "1 list index out of range")])
def test_a_call_that_broke_because_another_rank_failed_is_told_as_that_ranks_error(case, sentence):
    first, second = both(case)
    assert first.startswith(f"OtherRankFailed {sentence}")
    assert sentence in second and "OtherRankFailed" not in second


def test_an_error_that_every_rank_has_is_every_ranks_own():
    assert all(said.startswith("PluginError 5 'mine' failed.") for said in both("both"))


def test_an_error_stays_what_it_is_when_the_rank_that_holds_the_store_has_left():
    class Gone:
        def compare_set(self, *_):
            raise dist.DistNetworkError("Connection reset by peer")

    assert _first_told(Gone(), "key", "mine") == "mine"
