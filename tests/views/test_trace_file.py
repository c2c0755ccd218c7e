"""Trace files: what is written is read again; a file from outside is checked to the last field; the disk may be full."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.p2 import P2
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy

from rnd1lib.errors import DataError, Rnd1Error
from rnd1lib.sampling.generation import generate, infill
from rnd1lib.views import Observers, Recorder, TraceWriter, read_traces

HEADER = {
    "version": 1, "model": "m", "tokenizer": None, "vocabulary": None, "sampler": "s", "options": {"steps": 2}, "seed": 0,
    "guidance": 0.0, "cache": None, "exact": True, "shift": 0, "mask_token_id": 9, "end_token_ids": [],
    "canvases": [{"number": 0, "ids": [1, 9, 9]}], "pieces": {"1": "a", "9": "?"},
}  # fmt: skip
LINE = {
    "step": 0, "row": [0], "position": [1], "id": [2], "probability": [0.5], "entropy": [1.5], "top": [[[2, 0.5], [1, 0.2]]],
    "masked_again": [], "pieces": {"2": "b"},
}  # fmt: skip
AGAIN = {
    "step": 1, "row": [0], "position": [2], "id": [1], "probability": [None], "entropy": [], "top": [],
    "masked_again": [[0, 1]], "pieces": {},
}  # fmt: skip


def written(path, *objects):
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "trace.jsonl"


@pytest.mark.parametrize("sampler", [Llada(steps=4), P2(steps=4, temperature=1.0)], ids=["llada", "p2"])
def test_what_is_written_is_read_again_batch_after_batch(TableModel, file, sampler):
    recorder = Recorder()
    with TraceWriter(file) as writer:
        for numbers in ([0, 1], [2]):
            prompts = [[5, 6, 7], [8]][: len(numbers)]
            options = {"max_new_tokens": 6, "numbers": numbers, "guidance": 0.5}
            generate(TableModel(1), prompts, sampler=sampler, on_step=Observers(recorder, writer), **options)
    assert read_traces(file) == recorder.traces
    assert [given.number for trace in read_traces(file) for given in trace.header.canvases] == [0, 1, 2]


def test_256_steps_of_256_tokens_take_few_bytes(TableModel, file):
    with TraceWriter(file) as writer:
        infill(TableModel(), [[5] + [63] * 40], sampler=Rnd1Entropy(), on_step=writer)
    assert file.stat().st_size < 40 * 1000


def test_an_interrupted_run_leaves_a_trace_of_what_was_done(TableModel, file):
    def interrupt(step):
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), TraceWriter(file) as writer:
        infill(TableModel(), [[5] + [63] * 6], sampler=Llada(), on_step=Observers(writer, interrupt))
    assert [line.step for line in read_traces(file)[0].lines] == [0, 1, 2]


def test_each_step_is_in_the_file_before_the_next_one_begins(TableModel, file):
    seen = []
    with TraceWriter(file) as writer:
        count = lambda step: seen.append(len(read_traces(file)[0].lines))  # noqa: E731
        infill(TableModel(), [[5, 63, 63]], sampler=Llada(), on_step=Observers(writer, count))
    assert seen == [1, 2]


def test_a_last_line_that_was_cut_off_is_left_out(file):
    written(file, HEADER, LINE)
    file.write_bytes(file.read_bytes() + b'{"step": 1, "row": [0], "pos')
    assert len(read_traces(file)[0].lines) == 1


def test_a_last_line_without_its_newline_counts_if_it_is_whole(file):
    written(file, HEADER, LINE, AGAIN)
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    assert len(read_traces(file)[0].lines) == 2


def test_numbers_of_json_and_pieces_become_what_python_expects(file):
    (trace,) = read_traces(written(file, HEADER, LINE, AGAIN))
    assert trace.pieces() == {1: "a", 9: "?", 2: "b"}
    assert trace.lines[0].top == [[(2, 0.5), (1, 0.2)]] and trace.lines[1].masked_again == [(0, 1)]


WRONG = {
    "not JSON": b"{",
    "no object": b"[1]",
    "not UTF-8": b'{"step": "\xff"}',
    "nesting without end": b"[" * 100_000,
    "NaN": json.dumps(LINE | {"probability": [float("nan")]}).encode(),
    "an endless number": b'{"step": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("line", WRONG.values(), ids=WRONG)
def test_what_is_no_json_object_is_named_with_its_line(file, line):
    written(file, HEADER)
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=r"trace\.jsonl:2: "):
        read_traces(file)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"step": -1}, "step"),
        ({"step": True}, "step"),
        ({"row": [0.0]}, "row"),
        ({"row": 0}, "row"),
        ({"row": [1]}, "outside"),
        ({"row": [0, 0]}, "position"),
        ({"position": [3]}, "outside"),
        ({"position": [0]}, "not masked"),
        ({"id": [9]}, "mask token"),
        ({"id": [1 << 40]}, "id"),
        ({"probability": [1.5]}, "probability"),
        ({"entropy": [-1]}, "entropy"),
        ({"entropy": [1, 2]}, "entropy"),
        ({"top": [[[2]]]}, "top"),
        ({"top": [[[2, 0.1]] * 99]}, "top"),
        ({"masked_again": [[0, 2]]}, "masked already"),
        ({"masked_again": [[0, 0], [0, 0]]}, "twice"),
        ({"pieces": {}}, "no text of id 2"),
        ({"pieces": {"x": "b"}}, "pieces"),
        ({"pieces": {"2": 2}}, "pieces"),
        ({"pieces": {"2": "\ud800"}}, "pieces"),
        ({"more": 1}, "more"),
    ],
    ids=str,
)
def test_a_step_that_is_wrong_is_refused_in_a_sentence(file, change, named):
    with pytest.raises(DataError, match=rf"trace\.jsonl:2: .*{named}"):
        read_traces(written(file, HEADER, LINE | change))


@pytest.mark.parametrize("field", [*HEADER, *LINE])
def test_every_field_is_needed(file, field):
    header = {name: value for name, value in HEADER.items() if name != field or field in LINE}
    line = {name: value for name, value in LINE.items() if name != field}
    with pytest.raises(DataError, match=r"trace\.jsonl:[12]: "):
        read_traces(written(file, header, line))


@pytest.mark.parametrize("field", [*HEADER, *LINE])
@pytest.mark.parametrize("value", [[[[]]], {"a": {}}, -1], ids=str)
def test_no_field_takes_just_any_value(file, field, value):
    header = HEADER | ({field: value} if field in HEADER else {})
    line = LINE | ({field: value} if field in LINE else {})
    with pytest.raises(DataError, match=r"trace\.jsonl:[12]: "):
        read_traces(written(file, header, line))


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_another_version_is_refused_by_name(file, version):
    with pytest.raises(DataError, match="version"):
        read_traces(written(file, HEADER | {"version": version}))


def test_a_step_before_any_header_an_empty_file_and_none_at_all_are_told(file):
    with pytest.raises(DataError, match="cannot be read"):
        read_traces(file)
    with pytest.raises(DataError, match="no trace"):
        read_traces(written(file))
    with pytest.raises(DataError, match=":1: a step comes before any header"):
        read_traces(written(file, LINE))
    with pytest.raises(DataError, match="behind step 0"):
        read_traces(written(file, HEADER, LINE, AGAIN | {"step": 0}))


@settings(max_examples=150, deadline=None)
@given(
    line=st.integers(0, 1),
    where=st.integers(0, 400),
    what=st.sampled_from([b"", b"9", b'"', b"[", b"null", b"\xff", b"-", b"\n"]),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, line, where, what):
    file = tmp_path_factory.mktemp("damaged") / "trace.jsonl"
    lines = written(file, HEADER, LINE).read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:where] + what + lines[line][where + 1 :]
    file.write_bytes(b"".join(lines))
    try:
        assert read_traces(file)
    except DataError as error:
        assert str(error).startswith(str(file))


def test_a_trace_that_cannot_be_written_ends_in_a_sentence(TableModel, tmp_path):
    for path in (tmp_path / "no" / "folder.jsonl", tmp_path, Path("/dev/full")):
        with pytest.raises(Rnd1Error, match="the trace cannot be written"), TraceWriter(path) as writer:
            infill(TableModel(), [[5, 63]], sampler=Llada(), on_step=writer)
