import itertools
import json
import random
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnd1lib.data import Faults, PackedRows, merge_states
from rnd1lib.data.rows import ENOUGH_ROWS
from rnd1lib.data.streams import MOST_ROWS
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document

END, PAD = 10_001, 10_002


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Documents of ids, no two tokens alike: token values tell where they come from."""

    lengths: tuple[int, ...]
    opened: list[int]
    endless: bool = False  # streams are then as many as asked for

    def documents(self, stream, streams, cursor=None):
        self.opened.append(stream)
        starts = [0, *itertools.accumulate(self.lengths)]
        for number in range(stream if cursor is None else cursor["n"] + streams, len(self.lengths), streams):
            yield Document(range(starts[number], starts[number + 1]), {"n": number})


def numbers(*lengths):
    return Numbers(lengths=lengths, opened=[])


def drawn(count, mean=60, seed=0):
    chance = random.Random(seed)
    lengths = tuple(1 + min(400, int(chance.expovariate(1 / mean))) for _ in range(count))
    return Numbers(lengths=lengths, opened=[], endless=True)


def packed(data, *, length=32, streams=4, seed=0, shift=0, **options):
    return PackedRows(
        data,
        lambda text: [ord(letter) for letter in text],
        sequence_length=length,
        streams=streams,
        seed=seed,
        shift=shift,
        start_token_id=END,
        end_token_id=END,
        pad_token_id=PAD,
        **options,
    )


def same(one, two):
    return all(torch.equal(left, right) for left, right in zip(one, two, strict=True))


def words(ids):
    return sorted(token for token in ids.flatten().tolist() if token not in (END, PAD))


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 150), min_size=1, max_size=60).filter(any),
    length=st.integers(2, 40),
    streams=st.integers(1, 6),
    shift=st.sampled_from([0, 1]),
)
def test_no_token_is_lost_or_seen_twice_in_an_epoch(lengths, length, streams, shift):
    data = numbers(*lengths)
    for stream in range(packed(data, streams=streams).streams):
        rows, seen = packed(data, length=length, streams=streams, shift=shift), []
        for row in itertools.count():
            ids = rows.batch(row * rows.streams + stream, 1).ids_BL
            if rows.state_dict()[str(stream)]["epoch"]:
                break
            seen.append(ids)
        starts = [0, *itertools.accumulate(lengths)]
        mine = [range(starts[number], starts[number + 1]) for number in range(stream, len(lengths), rows.streams)]
        assert words(torch.cat(seen)) == sorted(token for document in mine for token in document)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(8, 60),
    stop=st.integers(1, 120),
    streams=st.integers(1, 6),
    seed=st.integers(0, 3),
    chunk=st.integers(1, 7),
)
def test_a_resume_at_any_row_gives_the_rows_of_the_uninterrupted_run(count, stop, streams, seed, chunk):
    data = drawn(count, seed=seed)
    whole, first, resumed = (packed(data, streams=streams, seed=seed) for _ in range(3))
    whole.batch(0, stop)
    for row in range(stop):
        first.batch(row, 1)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for row in range(stop, stop + 40, chunk):
        assert same(resumed.batch(row, chunk), whole.batch(row, chunk))


@settings(deadline=None, max_examples=40)
@given(
    ranks=st.sampled_from([1, 2, 3, 4, 8]),
    resumed_ranks=st.sampled_from([1, 2, 3, 4, 8]),
    streams=st.integers(1, 9),
    accumulation=st.integers(1, 3),
)
def test_any_number_of_ranks_sees_the_same_rows_also_after_a_resume_on_another(ranks, resumed_ranks, streams, accumulation):
    data, global_rows = drawn(50), 24 * accumulation
    whole = packed(data, streams=streams)
    shares = [packed(data, streams=streams) for _ in range(ranks)]
    for step in range(6):
        if step == 3:
            state = merge_states([json.loads(json.dumps(share.state_dict())) for share in shares])
            ranks, shares = resumed_ranks, [packed(data, streams=streams) for _ in range(resumed_ranks)]
            for share in shares:
                share.load_state_dict(state)
        micro = global_rows // ranks // accumulation
        parts = {
            first: shares[rank].batch(step * global_rows + first, micro)
            for turn in range(accumulation)
            for rank in range(ranks)
            for first in [(turn * ranks + rank) * micro]
        }
        together = [torch.cat(tensors) for tensors in zip(*(parts[first] for first in sorted(parts)), strict=True)]
        assert same(together, whole.batch(step * global_rows, global_rows))


def test_a_rank_reads_only_the_streams_of_its_rows():
    data = drawn(60)
    rows = packed(data, streams=8)
    assert rows.streams == 8
    data.opened.clear()
    for step in range(20):
        rows.batch(step * 8 + 2, 2)
    assert set(data.opened) == {2, 3}
    assert set(rows.state_dict()) == {"2", "3"}


def test_row_r_comes_from_stream_r_mod_streams():
    data = drawn(60)
    batch = packed(data, streams=4).batch(0, 40)
    starts = [0, *itertools.accumulate(data.lengths)]
    of = {token: number % 4 for number in range(60) for token in range(starts[number], starts[number + 1])}
    for row, ids in enumerate(batch.ids_BL.tolist()):
        assert {of[token] for token in ids if token < END} == {row % 4}


def test_epochs_and_seeds_order_the_rows_of_a_window_differently():
    data = drawn(60, mean=20)
    rows = packed(data, streams=1)
    per_epoch = rows.epoch_rows()
    first, second = rows.batch(0, per_epoch).ids_BL, rows.batch(per_epoch, per_epoch).ids_BL
    other = packed(data, streams=1, seed=1).batch(0, per_epoch).ids_BL
    assert words(first) == words(second) == words(other)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    assert sorted(first.tolist()) == sorted(other.tolist())


def test_an_epoch_packs_to_as_many_rows_as_are_told():
    rows = packed(drawn(60), streams=3)
    assert rows.epoch_rows() > 30
    rows.batch(0, 3 * 400)
    ends = packed(drawn(60), streams=1)
    ends.batch(0, ends.epoch_rows())
    assert ends.state_dict()["0"]["epoch"] == 0
    ends.batch(ends.epoch_rows(), 1)
    assert ends.state_dict()["0"]["epoch"] == 1


@pytest.mark.parametrize(
    ("median", "spread", "length"), [(290, 1.0, 2048), (204, 0.8, 2048), (1000, 1.2, 2048), (200, 1.0, 256), (1500, 1.0, 256)]
)
def test_at_least_98_percent_of_the_places_are_filled(median, spread, length):
    chance = random.Random(0)
    lengths = [max(1, int(chance.lognormvariate(0, spread) * median)) for _ in range(1500)]
    rows = packed(numbers(*lengths), length=length, streams=2, shift=1)
    assert sum(lengths) + 2 * len(lengths) >= 0.98 * length * rows.epoch_rows()


def test_lengths_that_never_pack_well_still_end_their_windows():
    rows = packed(numbers(*[17] * 400), length=32, streams=1)
    rows.batch(0, MOST_ROWS * 2)
    assert rows.state_dict()["0"]["window"] >= 1


def test_streams_are_halved_until_each_has_enough_for_a_good_many_rows():
    enough = ENOUGH_ROWS * 32
    assert packed(numbers(5), streams=64).streams == 1
    assert packed(numbers(*[enough] * 3), streams=64).streams == 2
    assert packed(numbers(*[enough] * 64), streams=64).streams == 64
    assert packed(numbers(*[enough // 8] * 64), streams=64).streams == 8
    assert packed(numbers(enough, 0, enough, enough), streams=4).streams == 2  # one of the four is empty
    assert packed(numbers(enough, enough - 1), streams=2).streams == 1


@pytest.mark.parametrize("length", [256, 1024])
def test_with_few_documents_98_percent_of_the_places_are_filled_all_the_same(length):
    chance = random.Random(0)
    lengths = [max(1, int(chance.lognormvariate(0, 0.8) * 40)) for _ in range(2000)]
    rows = packed(numbers(*lengths), length=length, streams=64, shift=1)
    assert sum(lengths) + 2 * len(lengths) >= 0.98 * length * rows.epoch_rows()


def test_one_long_document_gives_every_row_once():
    rows = packed(numbers(320), length=32, streams=64)
    batch = rows.batch(0, 11)
    assert words(batch.ids_BL) == list(range(320))


def test_endless_data_are_not_probed():
    data = Numbers(lengths=(50,) * 10, opened=[], endless=True)
    assert packed(data, streams=64).streams == 64
    assert data.opened == []


def test_empty_documents_are_dropped_and_one_token_is_a_document():
    batch = packed(numbers(0, 1, 0), length=4, streams=1, shift=1).batch(0, 2)
    assert batch.ids_BL.tolist() == [[END, 0, END, PAD]] * 2


def test_keep_decides_by_content():
    rows = packed(numbers(3, 4, 5), streams=1, keep=lambda content: len(content) != 4)
    assert words(rows.batch(0, 1).ids_BL) == [0, 1, 2, 7, 8, 9, 10, 11]


def test_what_is_not_kept_makes_no_streams():
    data = numbers(*[50] * 200, *[51] * 20)
    assert [packed(data, streams=2, keep=keep).streams for keep in (None, lambda content: len(content) == 51)] == [2, 1]


def test_an_epoch_is_that_of_all_streams():
    data = drawn(400)
    of_each = [packed(Numbers(lengths=data.lengths[s::4], opened=[], endless=True), streams=1).epoch_rows() for s in range(4)]
    assert packed(data, streams=4).epoch_rows() == sum(of_each)


@pytest.mark.parametrize("data", [numbers(), numbers(0, 0)])
def test_an_empty_source_is_an_error(data):
    with pytest.raises(DataError, match="there is no document in it"):
        packed(data).batch(0, 1)


def test_nothing_kept_is_an_error():
    with pytest.raises(DataError, match="none that is kept"):
        packed(numbers(3), keep=lambda content: False).batch(0, 1)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ([1, 2, 3, 50, 4], r"token 50 at position 3 is not in \[0, 50\)"),
        ([1, -1], r"token -1 at position 1 is not in \[0, 50\)"),
        ([1, 49], "token 49 at position 1 is the mask token"),
    ],
)
def test_ids_that_the_model_does_not_know_are_named_with_their_document(content, what):
    class Bad:
        def documents(self, stream, streams, cursor=None):
            yield Document([1, 2], {"line": 1})
            yield Document(content, {"line": 2})

    with pytest.raises(DataError, match=r'the document that ends at \{"line": 2\}: ' + what):
        packed(Bad(), streams=1, vocab_size=50, mask_token_id=49, faults=Faults(0)).batch(0, 1)


def test_rows_are_read_forwards_only():
    rows = packed(drawn(60))
    rows.batch(0, 8)
    with pytest.raises(ValueError, match="first_row: 7 lies before row 8"):
        rows.batch(7, 1)
    rows.batch(400, 4)
    resumed = packed(drawn(60))
    resumed.load_state_dict(rows.state_dict())
    with pytest.raises(ValueError, match="Row 0 of a stream lies before"):
        resumed.batch(0, 1)


def test_a_state_may_be_loaded_into_rows_that_were_read_already():
    rows = packed(drawn(60))
    first = rows.batch(0, 8)
    state = rows.state_dict()
    rows.batch(8, 600)
    rows.load_state_dict(state)
    assert same(rows.batch(0, 8), first)


def test_a_second_stop_before_every_stream_was_asked_again_forgets_none():
    data = drawn(300)
    first, second, third = (packed(data, streams=8) for _ in range(3))
    first.batch(0, 250)
    second.load_state_dict(first.state_dict())
    second.batch(250, 2)
    saved = second.state_dict()
    assert saved.keys() == first.state_dict().keys() and max(place["row"] for place in saved.values()) > 0
    assert second.counts().equal(first.counts())
    third.load_state_dict(saved)
    whole = packed(data, streams=8)
    whole.batch(0, 252)
    assert same(third.batch(252, 9), whole.batch(252, 9))


def test_documents_that_vanished_since_the_save_are_an_error():
    rows = packed(drawn(200), streams=1)
    rows.batch(0, 200)
    assert rows.state_dict()["0"]["cursor"] is not None
    resumed = packed(numbers(5, 5), streams=1)
    resumed.load_state_dict(rows.state_dict())
    with pytest.raises(DataError, match="no documents behind"):
        resumed.batch(200, 1)


def test_no_streams_and_no_rows_are_refused():
    with pytest.raises(ValueError, match="streams: 0 is too few"):
        packed(numbers(5), streams=0)
    with pytest.raises(ValueError, match="rows: 0 is too few"):
        packed(numbers(5)).batch(0, 0)


def test_the_furthest_place_of_a_stream_survives_a_merge():
    near, far = {"row": 16, "cursor": 3}, {"row": 32, "cursor": 9}
    assert merge_states([{"0": near, "1": far}, {"0": far}, {"2": near, "1": near}]) == {"0": far, "1": far, "2": near}
