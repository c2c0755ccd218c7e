"""`rnd1 sample` and `rnd1 infill` on a tiny model folder: what goes to stdout, what to stderr, ranks, Ctrl-C."""

import json
import re
import shlex
import signal
import subprocess
import sys

import pytest
from processes import Ranks
from sampling_command import lines, rnd1

import rnd1lib
from rnd1lib.errors import Stopped
from rnd1lib.views import read_traces
from rnd1lib.views.page import page

READING = "ids: shift 1, mask token 315, bidirectional (rnd1_config.json)\n"


def test_texts_go_to_stdout_alone(folder):
    done = rnd1("sample", folder, "5 9 13", "7", "--ids", "--max-new-tokens", 4)
    assert [line.split()[:1] for line in lines(done)] == [["5"], ["7"]]
    assert done.stderr == READING


def test_json_has_an_object_a_line(folder):
    first, second = map(json.loads, lines(rnd1("sample", folder, "5 9", "7", "--ids", "--json", "--max-new-tokens", 4)))
    assert (first["number"], first["prompt"], first["ids"][:2], second["number"]) == (0, [5, 9], [5, 9], 1)
    assert first["forward_calls"] <= 4


def test_without_a_prompt_a_text_is_begun(folder):
    assert len(lines(rnd1("sample", folder, "--max-new-tokens", 3))) == 1


def test_batches_change_no_text(folder):
    ask = ["sample", folder, "5", "6 7", "8", "--ids", "--max-new-tokens", 5, "--option", "temperature=1.0", "--seed", 4]
    assert lines(rnd1(*ask, "--batch", 1)) == lines(rnd1(*ask, "--batch", 2)) == lines(rnd1(*ask))


def test_options_reach_the_sampler(folder):
    ask = ["sample", folder, "5", "--ids", "--max-new-tokens", 8, "--sampler", "llada", "--json"]
    (line,) = lines(rnd1(*ask, "--steps", 4, "--option", "block_length=4", "--option", "remasking=low_confidence"))
    assert json.loads(line)["forward_calls"] <= 4


def test_infill_fills_gaps_between_texts(with_text):
    (line,) = lines(rnd1("infill", with_text, "small [[4]] things", "--json"))
    answer = json.loads(line)
    assert answer["text"].startswith("small ") and answer["text"].endswith(" things")
    assert answer["forward_calls"] == 4


def test_infill_takes_ids_with_mask_ids_as_gaps(folder):
    assert lines(rnd1("infill", folder, "5 315 9", "--ids"))[0].split()[::2] == ["5", "9"]


def test_watch_draws_on_stderr_and_leaves_stdout_alone(folder):
    plain = rnd1("sample", folder, "5", "--ids", "--max-new-tokens", 3)
    watched = rnd1("sample", folder, "5", "--ids", "--max-new-tokens", 3, "--watch")
    assert lines(watched) == lines(plain)
    assert "step 3" in watched.stderr


@pytest.mark.parametrize("command", ["train", "sample", "infill", "trace", "export", "tokenize"])
def test_a_mistake_can_be_traced_to_the_code(command):
    assert "--traceback" in rnd1(command, "--help").stdout


@pytest.mark.parametrize("command", ["sample", "infill"])
def test_help_ends_with_an_example(command):
    help_text = rnd1(command, "--help").stdout
    assert f"Example: rnd1 {command} " in help_text


def test_both_commands_have_every_shared_option_in_one_order():
    helps = {command: rnd1(command, "--help").stdout.partition("Options:")[2] for command in ("sample", "infill")}
    flags = {command: re.findall(r"^  (--[\w-]+)", text, re.MULTILINE) for command, text in helps.items()}
    shared = flags["infill"][:-1]
    assert len(shared) > 10 and flags["sample"] == [*shared, "--max-new-tokens", "--chat", "--system", "--help"]


def test_ctrl_c_gives_back_what_is_done(folder, monkeypatch):
    whole = rnd1lib.generate

    def interrupted(model, prompts, *, on_step, numbers, **arguments):
        def stop(step):
            on_step(step)
            if 1 in numbers and step.number == 1:
                raise KeyboardInterrupt

        return whole(model, prompts, on_step=stop, numbers=numbers, **arguments)

    monkeypatch.setattr(rnd1lib, "generate", interrupted)
    done = rnd1("sample", folder, "5", "6", "--ids", "--max-new-tokens", 4, "--batch", 1)
    assert isinstance(done.exception, Stopped) and done.exception.exit_code == 130
    first, second = done.stdout.splitlines()
    assert "[[" not in first and second.startswith("6") and "[[" in second
    assert "1 of 2" in str(done.exception)


@pytest.mark.distributed
def test_two_ranks_share_the_prompts_and_rank_0_gives_each_answer_and_trace_once_and_in_order(folder, tmp_path):
    ask = ["sample", folder, "5", "6 7", "8", "--ids", "--max-new-tokens", "4", "--option", "temperature=1.0"]
    ranks = Ranks(2, *ask, "--trace", tmp_path / "ranks.jsonl", "--html", tmp_path / "ranks.html")
    assert ranks.wait() == [0, 0], ranks.ranks[0].text
    assert [rank.lines for rank in ranks.ranks] == [[READING.strip(), *lines(rnd1(*ask))], []]
    traces = read_traces(tmp_path / "ranks.jsonl")
    assert [[given.number for given in trace.header.canvases] for trace in traces] == [[0, 2], [1]]
    assert (tmp_path / "ranks.html").read_text(encoding="utf-8") == page(traces)


@pytest.mark.distributed
def test_ctrl_c_on_two_ranks_gives_back_what_is_done(folder):
    ask = ["sample", folder, *"5678", "--ids", "--max-new-tokens", 250, "--batch", 1, "--watch"]
    ranks = Ranks(2, *ask)
    ranks.ranks[0].until("step 3: ")
    for rank in ranks.ranks:
        rank.send(signal.SIGINT)
    assert [rank.wait() for rank in ranks.ranks] == [130, 130]
    reading, first, *_, last = [line for line in ranks.ranks[0].lines if not line.startswith("step ")]
    assert reading == READING.strip() and first.startswith("5 [[")
    assert re.fullmatch(r"Interrupted: \d of 4 texts are whole\.", last)
    assert ranks.ranks[1].text == ""


PRINT_MANY = """
import sys
from types import SimpleNamespace
import typer
from rnd1lib.cli.printing import show
from rnd1lib.errors import Rnd1Error
many = (SimpleNamespace(text="a line of text") for _ in range(10**6))
try:
    typer.run(lambda: show(many, [], seed=0, as_json=False))
except Rnd1Error as error:
    sys.exit(f"told: {error}")
"""


@pytest.mark.parametrize(
    ("to", "left"),
    [
        ("| head -n 2", (0, "a line of text\n" * 2, "")),
        ("> /dev/full", (1, "", "told: stdout cannot be written: No space left on device.\n")),
    ],
)
def test_a_reader_that_has_seen_enough_is_no_error_and_a_full_disk_is_a_sentence(to, left):
    command = f"{sys.executable} -c {shlex.quote(PRINT_MANY)} {to}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == left


def test_the_version_is_that_of_the_package():
    assert re.fullmatch(r"rnd1lib \d+\.\d+\.\d+\S*", lines(rnd1("--version"))[0])


def test_a_text_without_a_gap_is_told_and_comes_back(with_text):
    done = rnd1("infill", with_text, "small things", "a [[2]] text", "--json")
    whole, filled = map(json.loads, lines(done))
    assert whole["text"] == "small things" and filled["forward_calls"] == 2
    reading, note = done.stderr.splitlines()
    assert reading == "text: shift 1, mask token 277 '<|mask|>', bidirectional (rnd1_config.json)"
    assert note == "note: No gap such as [[8]] in text 0: comes back as it is."


def test_a_top_k_above_the_vocabulary_is_noted_once_and_keeps_all(folder):
    ask = ["sample", folder, "5", "6", "--ids", "--max-new-tokens", 3, "--option", "temperature=1.0", "--batch", 1]
    capped = rnd1(*ask, "--option", "top_k=321")
    assert lines(capped) == lines(rnd1(*ask, "--option", "top_k=320"))
    assert capped.stderr == READING + "note: top_k: 321 is above the vocabulary of 320 tokens: all are kept.\n"
