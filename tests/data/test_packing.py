import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.data.encoding import Tokens
from rnd1lib.data.packing import Packer, first_fit_decreasing
from rnd1lib.errors import DataError

START, END, PAD = 900, 901, 902


def packer(length, shift):
    return Packer(sequence_length=length, shift=shift, start_token_id=START, end_token_id=END, pad_token_id=PAD)


def pieces(packer, ids, maskable=None, pad_to=None):
    maskable = [True] * len(ids) if maskable is None else maskable
    return packer.pieces(Tokens(torch.tensor(ids), torch.tensor(maskable), pad_to))


def laid_out(documents, length, shift):
    packing = packer(length, shift)
    return packing.batch(packing.pack([piece for ids in documents for piece in pieces(packing, ids)]))


def runs(row):
    """The ids of each document of a row, in their order, padding included."""
    ids, documents = row
    return [ids[documents == number].tolist() for number in documents.unique(sorted=True)]


@given(st.lists(st.integers(1, 20)), st.integers(20, 40))
def test_every_item_is_placed_once_and_no_row_is_over_full(lengths, room):
    rows = first_fit_decreasing(lengths, room)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] for index in row) <= room for row in rows)
    assert sum(sum(lengths[index] for index in row) <= room / 2 for row in rows) <= 1  # two of them would be one


def test_the_first_row_with_room_takes_the_longest_item_left():
    assert first_fit_decreasing([3, 6, 4, 7, 10, 2], 10) == [[4], [3, 0], [1, 2], [5]]


def test_under_shift_1_a_start_stands_before_and_an_end_behind_a_document():
    (piece,) = pieces(packer(8, 1), [1, 2, 3])
    assert piece.ids_N.tolist() == [START, 1, 2, 3, END]
    assert piece.maskable_N.tolist() == [False, True, True, True, True]


def test_under_shift_0_there_is_no_start_and_all_is_maskable():
    (piece,) = pieces(packer(8, 0), [1, 2, 3])
    assert piece.ids_N.tolist() == [1, 2, 3, END]
    assert piece.maskable_N.all()


def test_a_long_document_is_split_its_first_piece_has_the_start_and_its_last_the_end():
    split = pieces(packer(4, 1), list(range(1, 9)))
    assert [piece.ids_N.tolist() for piece in split] == [[START, 1, 2, 3], [4, 5, 6, 7], [8, END]]
    assert [piece.maskable_N.tolist() for piece in split] == [[False, True, True, True]] * 2 + [[False, True]]
    assert [piece.ids_N.tolist() for piece in pieces(packer(4, 0), list(range(1, 5)))] == [[1, 2, 3, 4], [END]]


def test_a_document_that_just_fits_a_row_is_one_piece():
    assert len(pieces(packer(8, 1), [5] * 6)) == 1
    assert len(pieces(packer(8, 1), [5] * 7)) == 2


def test_a_documents_own_maskable_is_kept_and_its_end_is_learned():
    (piece,) = pieces(packer(8, 1), [1, 2, 3], [False, False, True])
    assert piece.maskable_N.tolist() == [False, False, False, True, True]
    (piece,) = pieces(packer(8, 0), [1, 2, 3], [True, False, True])
    assert piece.maskable_N.tolist() == [True, False, True, True]


def test_an_answer_is_padded_with_ends_that_are_learned_up_to_a_multiple_or_the_row():
    for pad_to, length in ((1, 6), (4, 8), (7, 7), (64, 16), ("row", 16)):
        (piece,) = pieces(packer(16, 1), [1, 2, 3, 4], [False, False, True, True], pad_to)
        assert piece.ids_N.tolist() == [START, 1, 2, 3, 4] + [END] * (length - 5)
        assert piece.maskable_N.tolist() == [False] * 3 + [True] * (length - 3)
        assert piece.padding == length - 6


def test_an_answer_that_does_not_fit_a_row_with_its_prompt_is_refused_and_not_split():
    (piece,) = pieces(packer(8, 1), [5] * 6, [False] * 5 + [True], 64)
    assert piece.ids_N.tolist() == [START, *[5] * 6, END]
    with pytest.raises(DataError, match="prompt and answer have 9 tokens, and a row has 8 places"):
        pieces(packer(8, 1), [5] * 7, [False] * 5 + [True] * 2, 64)


def test_a_start_and_an_end_that_the_document_brings_are_not_doubled():
    (piece,) = pieces(packer(8, 1), [START, 1, 2, END], [False, False, True, True], 1)
    assert piece.ids_N.tolist() == [START, 1, 2, END]
    assert piece.maskable_N.tolist() == [False, False, True, True]
    (piece,) = pieces(packer(8, 0), [START, 1, END])
    assert piece.ids_N.tolist() == [START, 1, END]


@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=30), min_size=1, max_size=20),
    st.integers(2, 12),
    st.sampled_from([0, 1]),
)
def test_rows_hold_every_token_once_and_keep_documents_apart(documents, length, shift):
    batch = laid_out(documents, length, shift)
    assert {tuple(tensor.shape) for tensor in batch} == {batch.ids_BL.shape}
    assert [tensor.dtype for tensor in batch] == [torch.int64, torch.bool, torch.int64, torch.int64]
    framed = [[*[START] * shift, *ids, END] for ids in documents]
    expected = sorted(ids[at : at + length] for ids in framed for at in range(0, len(ids), length))
    found = [run for row in zip(batch.ids_BL, batch.documents_BL, strict=True) for run in runs(row)]
    assert sorted(run for run in found if PAD not in run) == expected
    for ids, maskable, numbers, positions in zip(*batch, strict=True):
        starts = [0, *((numbers[1:] != numbers[:-1]).nonzero()[:, 0] + 1).tolist()]
        assert len(starts) == len(numbers.unique())  # a document's tokens are neighbours
        assert positions.tolist() == [at - max(start for start in starts if start <= at) for at in range(length)]
        padding = ids == PAD
        assert not padding.any() or padding[padding.nonzero()[0, 0] :].all()
        assert torch.equal(maskable, ~padding & (positions > 0 if shift else torch.ones(length, dtype=torch.bool)))


def test_padding_is_a_document_of_its_own():
    batch = laid_out([[1, 2]], 6, 0)
    assert batch.ids_BL.tolist() == [[1, 2, END, PAD, PAD, PAD]]
    assert batch.documents_BL.tolist() == [[0, 0, 0, 1, 1, 1]]
    assert batch.positions_BL.tolist() == [[0, 1, 2, 0, 1, 2]]
    assert batch.maskable_BL.tolist() == [[True, True, True, False, False, False]]


def test_a_row_of_one_place_is_refused():
    with pytest.raises(ValueError, match="sequence_length: 1 is too short"):
        packer(1, 1)


def test_a_document_of_many_rows_packs_in_a_moment():
    lengths = [64] * 50_000 + [random.Random(0).randint(1, 64) for _ in range(200)]
    assert sum(1 for row in first_fit_decreasing(lengths, 64) if len(row) == 1) >= 50_000
