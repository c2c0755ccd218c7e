"""`--trace` of `rnd1 sample` and `rnd1 infill`, `--json`, and `rnd1 trace`, on a tiny model folder."""

import json
import os
import subprocess
import sys

import pytest
from sampling_command import lines, mistake, rnd1

import rnd1lib
from rnd1lib.errors import DataError, Rnd1Error, Stopped
from rnd1lib.views import read_traces

TEXTS = ["small [[3]] things", "a [[2]] text", "[[1]] no, [[1]]"]


@pytest.fixture(scope="module")
def traced(with_text, tmp_path_factory):
    """A trace file of two batches."""
    path = tmp_path_factory.mktemp("traces") / "run.jsonl"
    lines(rnd1("infill", with_text, *TEXTS[:2], "--trace", path, "--batch", 1, "--seed", 3))
    return path


def test_a_trace_holds_a_header_a_batch_and_changes_no_text(with_text, traced):
    first, second = read_traces(traced)
    assert [first.header.canvases[0].number, second.header.canvases[0].number] == [0, 1]
    assert first.header.seed == 3 and first.header.model == "text" and first.header.tokenizer == "PreTrainedTokenizerFast"
    assert len(first.lines) == 3 and all(len(top) == 5 for line in first.lines for top in line.top)
    assert first.header.vocabulary == rnd1lib.load_model(with_text).tokenizer.vocabulary_sha256
    again = rnd1("infill", with_text, *TEXTS[:2], "--seed", 3, "--json")
    assert [filled(trace) for trace in (first, second)] == [json.loads(line)["ids"] for line in lines(again)]


def filled(trace):
    ids = list(trace.header.canvases[0].ids)
    for line in trace.lines:
        for position, token in zip(line.position, line.id, strict=True):
            ids[position] = token
    return ids


def test_half_a_character_shows_its_bytes(traced):
    pieces = [piece for trace in read_traces(traced) for piece in trace.pieces().values()]
    assert any(piece.startswith("⟨") and piece.endswith("⟩") for piece in pieces)
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_rnd1_trace_prints_the_canvases_step_by_step(traced):
    shown = lines(rnd1("trace", traced))
    assert shown[0].startswith("step 1: small ") and "░" in shown[0]
    assert [line.split(":")[0] for line in shown if line.startswith("step")] == [
        "step 1",
        "step 2",
        "step 3",
        "step 1",
        "step 2",
    ]
    assert len(lines(rnd1("trace", traced, traced))) == 2 * len(shown)


def test_a_reader_that_has_seen_enough_is_no_error(traced, tmp_path):
    (tmp_path / "long.jsonl").write_bytes(traced.read_bytes() * 300)
    command = f"{sys.executable} -m rnd1lib trace {tmp_path / 'long.jsonl'} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("step 1")


def test_json_tells_what_was_asked_and_what_it_cost(with_text):
    ask = ("sample", with_text, "small", "--max-new-tokens", 4, "--json", "--seed", 5)
    (answer,) = map(json.loads, lines(rnd1(*ask)))
    asked = len(rnd1lib.load_model(with_text).tokenizer.encode("small"))
    assert set(answer) == {"prompt", "ids", "text", "forward_calls", "token_forwards", "finished", "seed", "number"}
    assert (answer["prompt"], answer["seed"], answer["number"]) == ("small", 5, 0)
    assert answer["token_forwards"] == answer["forward_calls"] * (asked + 4)
    assert answer["finished"] == (answer["ids"][-1] == rnd1lib.load_model(with_text).eos_token_id)
    (canvas,) = map(json.loads, lines(rnd1("infill", with_text, TEXTS[0], "--json")))
    assert canvas["finished"] is True


def test_after_ctrl_c_the_trace_holds_what_was_done(with_text, tmp_path, monkeypatch):
    whole = rnd1lib.infill

    def interrupted(model, canvases, *, on_step, numbers, **arguments):
        class Stop:
            details = True

            def __call__(self, step):
                on_step(step)
                if step.number == 1:
                    raise KeyboardInterrupt

            begin, end = staticmethod(on_step.begin), staticmethod(on_step.end)

        return whole(model, canvases, on_step=Stop(), numbers=numbers, **arguments)

    monkeypatch.setattr(rnd1lib, "infill", interrupted)
    done = rnd1("infill", with_text, TEXTS[0], "--trace", tmp_path / "t.jsonl", "--json")
    assert isinstance(done.exception, Stopped)
    answer = json.loads(done.stdout)
    assert answer["finished"] is False and answer["token_forwards"] is None
    assert len(read_traces(tmp_path / "t.jsonl")[0].lines) == 2


@pytest.mark.parametrize("name", ["no/folder/t.jsonl", "."])
def test_a_place_where_no_file_can_be_is_told_before_the_model_is_opened(tmp_path, name):
    error = rnd1("sample", "no/such/model", "x", "--trace", tmp_path / name).exception
    assert isinstance(error, Rnd1Error) and "cannot be written" in str(error)


def test_a_page_shows_the_traces_of_a_run_or_of_several_files(with_text, traced, tmp_path):
    lines(rnd1("infill", with_text, *TEXTS[:2], "--html", tmp_path / "run.html", "--batch", 1, "--seed", 3))
    done = rnd1("trace", traced, "--html", tmp_path / "later.html")
    assert lines(done) == [] and "2 traces" in done.stderr
    assert (tmp_path / "run.html").read_bytes() == (tmp_path / "later.html").read_bytes()
    lines(rnd1("trace", traced, traced, "--html", tmp_path / "both.html"))
    assert (tmp_path / "both.html").stat().st_size > (tmp_path / "run.html").stat().st_size


def test_where_no_text_was_begun_files_stay_as_they_are(folder, tmp_path):
    page, trace = tmp_path / "kept.html", tmp_path / "kept.jsonl"
    page.write_text("kept")
    trace.write_text("kept")
    mistake(rnd1("sample", folder, "5", "--ids", "--sampler", "none", "--html", page, "--trace", trace))
    mistake(rnd1("sample", folder, "5", "--ids", "--sampler", "none", "--html", tmp_path / "new.html"))
    assert page.read_text() == trace.read_text() == "kept" and not (tmp_path / "new.html").exists()


def test_a_page_is_not_written_over_its_trace(folder, traced, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    both = ["--trace", "run", "--html", tmp_path / "run"]
    assert "is the trace" in mistake(rnd1("sample", folder, "5", "--ids", *both)) and not (tmp_path / "run").exists()
    before = traced.read_bytes()
    assert "is the trace" in mistake(rnd1("trace", traced, "--html", traced)) and traced.read_bytes() == before


@pytest.mark.parametrize("flag", ["--trace", "--html"])
def test_prompts_are_not_written_over(folder, tmp_path, flag):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("5\n")
    asked = ["--prompts", prompts, "--ids", "--max-new-tokens", "2", flag, prompts]
    assert "is the file of the prompts" in mistake(rnd1("sample", folder, *asked)) and prompts.read_text() == "5\n"


def test_a_page_goes_where_a_link_leads_and_into_a_pipe(traced, tmp_path):
    lines(rnd1("trace", traced, "--html", tmp_path / "page.html"))
    (tmp_path / "link").symlink_to("led_to")
    lines(rnd1("trace", traced, "--html", tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "led_to").read_bytes() == (tmp_path / "page.html").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    lines(rnd1("trace", traced, "--html", tmp_path / "pipe"))
    assert os.read(reader, 1 << 10) == (tmp_path / "page.html").read_bytes()[: 1 << 10]
    assert (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_a_trace_of_any_seed_is_read_back(folder, tmp_path):
    lines(rnd1("sample", folder, "5", "--ids", "--max-new-tokens", 2, "--seed", 1 << 90, "--trace", tmp_path / "t.jsonl"))
    assert read_traces(tmp_path / "t.jsonl")[0].header.seed == 1 << 90


def test_what_is_no_trace_is_told_with_its_line(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"version": 2}\n')
    error = rnd1("trace", tmp_path / "t.jsonl").exception
    assert isinstance(error, DataError) and "t.jsonl:1: " in str(error)


def test_a_page_of_more_texts_than_fit_says_so_on_stderr_too(with_text, traced, tmp_path, monkeypatch):
    monkeypatch.setattr("rnd1lib.views.page.LARGEST", 1)
    told = f"{tmp_path / 'page.html'}: The first 1 of 2 texts are shown"
    done = rnd1("infill", with_text, *TEXTS[:2], "--html", tmp_path / "page.html", "--batch", 1)
    assert len(lines(done)) == 2 and told in done.stderr
    assert told in rnd1("trace", traced, "--html", tmp_path / "page.html").stderr


def test_a_trace_without_a_step_shows_the_texts_as_they_were_given(with_text, tmp_path):
    trace = tmp_path / "none.jsonl"
    lines(rnd1("infill", with_text, "small things", "a text", "--trace", trace))
    shown = rnd1("trace", trace)
    assert lines(shown) == ["no step, text 0: small things", "no step, text 1: a text"] and shown.stderr == ""
    assert "1 trace." in rnd1("trace", trace, "--html", tmp_path / "none.html").stderr


def test_a_trace_of_an_interrupted_run_says_what_is_still_masked(with_text, tmp_path):
    whole = tmp_path / "whole.jsonl"
    lines(rnd1("infill", with_text, TEXTS[0], "a small thing", TEXTS[1], "--trace", whole, "--steps", 3))
    assert rnd1("trace", whole).stderr == ""
    for kept, told in (
        (1, "step 0: 3 tokens of text 0, 2 tokens of text 2"),
        (2, "step 1: 2 tokens of text 0, 1 token of text 2"),
    ):
        (tmp_path / "cut.jsonl").write_text("".join(whole.read_text().splitlines(keepends=True)[:kept]))
        done = rnd1("trace", tmp_path / "cut.jsonl")
        assert done.stderr == f"{tmp_path / 'cut.jsonl'}: was interrupted behind {told} are still masked.\n" and lines(done)


def test_a_trace_of_a_newer_version_says_what_to_do(traced, tmp_path):
    newer = tmp_path / "newer.jsonl"
    newer.write_text(traced.read_text().replace('"version":1', '"version":2'))
    assert "newer.jsonl:1: a trace of version 2, written by a newer rnd1lib; this one reads version 1: update it." in mistake(
        rnd1("trace", newer)
    )
