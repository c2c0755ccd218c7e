import json
from dataclasses import astuple, dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnd1lib.data import Faults, PackedRows, Tally, held_out
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped

MASK, VOCABULARY = 90, 100
FATES = {"kept": [5, 6, 7], "held_out": [1], "dropped": [], "skipped": None, "mask": [5, MASK], "beyond": [5, VOCABULARY]}
fates = st.lists(st.sampled_from(sorted(FATES)), max_size=60).map(lambda drawn: ["kept", "kept", *drawn])


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """Documents by what is to become of them."""

    fates: tuple[str, ...]
    endless: bool = False  # streams are then as many as asked for

    def documents(self, stream, streams, cursor=None):
        for number in range(stream if cursor is None else cursor + streams, len(self.fates), streams):
            content = FATES[self.fates[number]]
            yield Skipped(f"document {number}: broken.", number) if content is None else Document(content, number)


def packed(fates, faults=None, *, streams=2, length=8):
    return PackedRows(
        Damaged(fates=tuple(fates), endless=all(fates[stream] == "kept" for stream in range(streams))),
        list,
        sequence_length=length,
        streams=streams,
        seed=0,
        shift=0,
        start_token_id=98,
        end_token_id=98,
        pad_token_id=99,
        keep=lambda content: len(content) != 1,
        vocab_size=VOCABULARY,
        mask_token_id=MASK,
        faults=faults or Faults(1.0),
    )


def total(rows):
    *counted, through = rows.counts().sum(0).tolist()
    return Tally(*counted), through == rows.streams


def expected(fates):
    broken = sum(fate in ("skipped", "mask", "beyond") for fate in fates)
    return Tally(*(fates.count(fate) for fate in ("kept", "held_out", "dropped")), broken)


@settings(deadline=None)
@given(fates)
def test_kept_held_out_dropped_and_skipped_are_the_documents_of_the_first_pass_whatever_is_read_after_it(fates):
    rows = packed(fates)
    rows.batch(0, 120)
    assert total(rows) == (expected(fates), True)


def test_the_windows_of_a_second_pass_are_not_counted_again():
    fates = [*["kept"] * 200, "skipped"] * 2
    rows = packed(fates, streams=1)
    rows.batch(0, 2 * rows.epoch_rows())
    (place,) = rows.state_dict().values()
    assert (place["epoch"], place["window"] > 1) == (1, True)
    assert total(rows) == (expected(fates), True)


@settings(deadline=None, max_examples=40)
@given(fates, st.integers(1, 40), st.integers(1, 40))
def test_a_stop_and_a_resume_count_as_no_stop_does(fates, stop, more):
    fates = fates * 20
    whole, first, resumed = (packed(fates) for _ in range(3))
    whole.batch(0, stop)
    first.batch(0, stop)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert total(resumed) == total(whole)
    assert resumed.batch(stop, more).ids_BL.equal(whole.batch(stop, more).ids_BL)
    assert total(resumed) == total(whole)


def test_two_ranks_together_have_seen_what_one_has():
    fates = ["kept", "skipped", "kept", "dropped", "kept"] * 200
    alone, ranks = packed(fates, streams=4), [packed(fates, streams=4) for _ in range(2)]
    for step in range(5):
        alone.batch(step * 8, 8)
        for rank in range(2):
            ranks[rank].batch(step * 8 + rank * 4, 4)
        assert ranks[0].counts().maximum(ranks[1].counts()).equal(alone.counts())


def test_documents_read_beforehand_are_not_counted():
    rows = packed(["kept", "skipped", "dropped"] * 10)
    assert rows.epoch_rows() > 0
    assert total(rows)[0] == Tally()


def test_the_first_ten_are_named_once(capsys):
    rows = packed([*["kept"] * 20, *["skipped"] * 30])
    rows.batch(0, 300)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) == 10
    assert all(line.startswith("skipped: document ") for line in lines)


def test_a_rank_that_does_not_speak_names_only_what_it_alone_has_read(capsys):
    faults = Faults(1.0, speaks=False)
    rows = packed(["kept", "kept", "kept", "skipped"], faults)
    rows.epoch_rows()
    assert capsys.readouterr().err == ""
    faults.name("document 9: broken.")
    assert capsys.readouterr().err == "skipped: document 9: broken.\n"


def test_stop_ends_at_the_first_with_its_reason():
    with pytest.raises(DataError, match=r"document 4: broken\..*on_error allows no broken document"):
        packed(["kept"] * 4 + ["skipped"] * 2, Faults(0.0)).batch(0, 4)


@pytest.mark.parametrize(
    ("tally", "through", "expected", "ends"),
    [
        (Tally(kept=400, skipped=1), False, 0, False),  # one in the first thousand
        (Tally(kept=400, skipped=2), False, 0, True),
        (Tally(kept=400, skipped=1), True, 0, True),  # one in 401, and there are no more
        (Tally(kept=1500, held_out=300, dropped=198, skipped=2), False, 0, False),
        (Tally(kept=1500, held_out=300, dropped=198, skipped=3), False, 0, True),
        (Tally(kept=400, skipped=5), False, 5000, False),  # five of the five thousand that there are
        (Tally(kept=400, skipped=6), False, 5000, True),
        (Tally(kept=4995, skipped=5), True, 5000, False),
        (Tally(), True, 0, False),
    ],
)
def test_the_share_is_that_of_the_whole_as_far_as_it_is_known(tally, through, expected, ends):
    faults = Faults(0.001)
    faults.expected = expected
    if not ends:
        faults.weigh(tally, through=through)
    else:
        with pytest.raises(DataError, match=rf"{tally.skipped} of {tally.seen} documents are broken, .* allows 0\.1000%"):
            faults.weigh(tally, through=through)


def test_what_is_held_out_is_chosen_among_whole_documents_and_too_many_broken_ones_are_told_before_training():
    fates = [*["kept", "dropped"] * 500, "skipped"]
    faults = Faults(0.001)
    held_out(Damaged(fates=tuple(fates)), faults)
    assert faults.expected == len(fates)
    with pytest.raises(DataError, match=r"2 of 1002 documents are broken.*The first: document 1000: broken\."):
        held_out(Damaged(fates=(*fates, "skipped")), Faults(0.001))


def test_an_evaluators_own_documents_are_weighed_when_all_are_read():
    with pytest.raises(DataError, match="1 of 500 documents are broken"):
        packed(["kept"] * 499 + ["skipped"], Faults(0.001)).epoch_rows()


def test_a_pass_that_ends_in_documents_that_are_not_kept_goes_over_into_the_next():
    rows = packed(["kept"] * 40 + ["skipped"] * 40, streams=1)
    per_epoch = rows.epoch_rows()
    rows.batch(0, per_epoch + 1)
    (place,) = rows.state_dict().values()
    assert (place["row"], place["epoch"]) == (per_epoch, 1)
    assert astuple(total(rows)[0]) == (40, 0, 0, 40)
