"""Two gloo ranks share the rows of a job: each answer comes once, in order, on rank 0, however the job ends."""

import json
from pathlib import Path

import pytest
from job_ranks import ARGUMENTS, ROWS
from processes import run_two_ranks

from rnd1lib.sampling.generation import generate

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each of two ranks saw."""
    out = tmp_path_factory.mktemp("job-ranks")
    run_two_ranks(Path(__file__).with_name("job_ranks.py"), out)
    return [json.loads((out / f"seen-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone(TableModel):
    return generate(TableModel(shift=1), ROWS, **ARGUMENTS).sequences


def ids(outcome):
    return [row for _, row, *_ in outcome["answers"]]


@pytest.mark.parametrize(("job", "count"), [("all", 5), ("in batches", 5), ("fewer than ranks", 1), ("none", 0)])
def test_each_answer_comes_once_and_in_order_on_rank_0(seen, alone, job, count):
    assert ids(seen[0][job]) == alone[:count] and seen[0][job]["ended"] is None
    assert [number for number, *_ in seen[0][job]["answers"]] == list(range(count))
    assert seen[1][job] == {"answers": [], "ended": None}


def test_a_bad_row_is_told_by_all_before_any_is_filled_in(seen):
    for rank in seen:
        assert rank["a bad row"]["answers"] == []
        assert rank["a bad row"]["ended"][1:] == ["prompt 5 holds the mask id 63: use infill to fill gaps.", 2]


def test_the_mistake_of_one_rank_is_said_by_rank_0_behind_what_is_done_with_its_own_code(seen, alone):
    assert ids(seen[0]["failing"]) == [alone[0], alone[1], alone[2], alone[4]]
    assert seen[0]["failing"]["ended"] == ["Rnd1Error", "row 3 is broken.", 5]
    assert seen[1]["failing"] == {"answers": [], "ended": ["OtherRankFailed", "row 3 is broken.", 5]}


@pytest.mark.parametrize("job", ["interrupted", "by signal"])
def test_an_interrupted_rank_gives_back_what_is_done_and_the_others_finish_their_batch(seen, alone, job):
    rows, (*ended, code) = ids(seen[0][job]), seen[0][job]["ended"]
    assert [*rows[:3], rows[4]] == [*alone[:3], alone[4]]
    assert 63 in rows[3] and rows[3][:3] == ROWS[3]
    assert (ended, code) == (["Stopped", "Interrupted: 4 of 5 texts are whole."], 130)
    assert seen[1][job]["ended"] == ["OtherRankFailed", "", 130]


def test_ctrl_c_while_an_answer_is_printed_ends_the_work_with_the_next_batch(seen):
    assert seen[0]["between"] == [[0, 1, 3], ["Stopped", "Interrupted: 3 of 5 texts are whole.", 130]]
    assert seen[1]["between"] == [[], ["OtherRankFailed", "", 130]]


def test_ctrl_c_is_again_what_it_was_before_however_a_job_ended(seen):
    assert [rank["ctrl-c is as before"] for rank in seen] == [True, True]


def test_answers_come_while_the_work_goes_on(seen):
    assert seen[0]["streamed"] == [[0, []], [2, [0, 1]], [4, [0, 1, 2, 3]]]


def test_a_reader_that_has_seen_enough_ends_the_work_of_every_rank(seen):
    came, filled = seen[0]["left"]
    assert came == [0, 1, 2] and filled == [0, 2]
    assert seen[1]["left"][0] == [] and seen[1]["left"][1] in ([1, 3], [1, 3, 5])


def test_traces_come_on_rank_0_in_the_order_of_their_rows(seen):
    assert seen[0]["traced"] == [[0, 2], [1, 3], [4]] and seen[1]["traced"] == []


def test_rank_0_alone_reads_and_all_hear_of_its_mistake(seen):
    assert [rank["read"] for rank in seen] == [["rank 0"], ["rank 0"]]
    assert seen[0]["unreadable"]["ended"] == ["SamplingError", "stdin: is no UTF-8 text.", 2]
    assert seen[1]["unreadable"]["ended"] == ["OtherRankFailed", "stdin: is no UTF-8 text.", 2]
