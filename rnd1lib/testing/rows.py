"""What a data source promises together with the core: packed rows that any number of ranks sees alike and a resume repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from rnd1lib.data import PackedRows, merge_states
from rnd1lib.kinds import Batch, Data
from rnd1lib.testing.examples import first_tokens
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import same, twice

LENGTH, LONGEST = 16, 200
START, END, PAD = 2**40, 2**40 + 1, 2**40 + 2


def encode(text: str) -> list[int]:
    """The first bytes of a text."""
    return list(text.encode()[:LONGEST])


def encode_conversation(messages: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """A short prompt and a short answer, since an answer must fit into a row."""
    prompt = "".join(message["content"] for message in messages[:-1])
    return encode(prompt)[-4:], encode(messages[-1]["content"])[:6]


def rows_of(data: Data, *, shift: int = 1, seed: int = 3) -> PackedRows:
    """Packed rows of 16 places from up to two streams, so that a few documents make several windows."""
    return PackedRows(
        data,
        encode,
        encode_conversation=encode_conversation,
        sequence_length=LENGTH,
        streams=2,
        seed=seed,
        shift=shift,
        start_token_id=START,
        end_token_id=END,
        pad_token_id=PAD,
    )


@promise
def a_resumed_run_sees_the_rows_of_the_uninterrupted_one(data: Data) -> None:
    """The state after any row, through JSON, gives the same rows to the last bit."""
    for stop in (1, 6, 40, 90):
        whole, first, resumed = (rows_of(data) for _ in range(3))
        whole.batch(0, stop)
        first.batch(0, stop)
        resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for row in range(stop, stop + 40, 8):
            demand(
                same(resumed.batch(row, 8), whole.batch(row, 8)), f"stopped behind row {stop}, rows {row} to {row + 7} differ."
            )


@promise
def two_ranks_see_the_rows_of_one(data: Data) -> None:
    """Global row r is a function of the data, the streams and the seed: two ranks with half of a batch each have the batch."""
    one, ranks = rows_of(data), [rows_of(data), rows_of(data)]
    for step in range(6):
        whole = one.batch(step * 8, 8)
        if step == 3:
            state = merge_states([json.loads(json.dumps(rank.state_dict())) for rank in ranks])
            ranks = [rows_of(data), rows_of(data)]
            for rank in ranks:
                rank.load_state_dict(state)
        halves = [rank.batch(step * 8 + number * 4, 4) for number, rank in enumerate(ranks)]
        together = [torch.cat(tensors) for tensors in zip(*halves, strict=True)]
        demand(same(whole, together), f"step {step}: two ranks see other rows than one.")


@promise
def documents_of_a_packed_row_stay_apart(data: Data) -> None:
    """A document is a run of one number whose positions count from 0; padding is a document of its own, not maskable."""
    for shift in (0, 1):
        batch = rows_of(data, shift=shift).batch(0, 24)
        starts_BL = first_tokens(batch.documents_BL)
        demand(torch.equal(starts_BL, batch.positions_BL == 0), "a position 0 stands where no document begins, or is missing.")
        steps = batch.positions_BL[:, 1:] - batch.positions_BL[:, :-1]
        demand((steps[~starts_BL[:, 1:]] == 1).all(), "positions do not count on inside a document.")
        padding_BL = batch.ids_BL == PAD
        demand(not (padding_BL & batch.maskable_BL).any(), "padding is maskable.")
        demand((padding_BL[:, 1:] >= (padding_BL[:, :-1] & ~starts_BL[:, 1:])).all(), "padding shares a document with words.")
        demand(batch.maskable_BL.any(), "nothing is maskable in 24 rows.")


@promise
def under_shift_1_nothing_that_no_row_predicts_is_maskable(data: Data) -> None:
    """The first token of a document or of a piece of one is not maskable; a whole document begins with the start token."""
    batch: Batch = rows_of(data, shift=1).batch(0, 24)
    starts_BL = first_tokens(batch.documents_BL)
    wrong = int((starts_BL & batch.maskable_BL).sum())
    demand(wrong == 0, f"{wrong} documents begin with a token that is maskable.")
    late = int(((batch.ids_BL == START) & ~starts_BL).sum())
    demand(late == 0, f"a start token stands inside of {late} documents.")


@promise
def seeds_shuffle_and_the_process_does_not(data: Data) -> None:
    """The order of the rows is a function of the seed: the same rows for the same seed, whatever the process drew before."""

    def first(seed: int) -> list[Any]:
        return list(rows_of(data, seed=seed).batch(0, 16))

    one, two = twice(lambda: first(3))
    demand(same(one, two), "the seed of the process changes the rows.")
