"""Two ranks that fail: one sentence, from one rank, with a number that would work; quickly, and no rank left behind."""

import signal

import pytest
from processes import Ranks, Started, status

pytestmark = pytest.mark.distributed


def test_what_two_ranks_cannot_do_is_said_once(tiny, tmp_path):
    started = Ranks(2, "train", tiny, "train.batch_tokens=448", "titan.parallelism.expert_parallel_degree=3")
    assert started.wait() == [2, -signal.SIGKILL]  # the other waits to be ended
    text = "".join(rank.text for rank in started.ranks)
    assert text.count("2 ranks cannot share evenly. Nearest: batch_tokens 512, or 1 rank.") == 1
    assert text.count("expert_parallel_degree: 3 must divide the 2 ranks of this run and the 8 experts. Possible: 1, 2.") == 1
    assert not (tmp_path / "run").exists()


def test_sigterm_to_torchrun_saves(tiny, tmp_path, documents):
    folder = tmp_path / "run"
    started = Started("train", tiny, *documents(), "callbacks={console: console}")
    started.until("step      1  loss")
    started.send(signal.SIGTERM)
    assert started.wait() == 1, started.text
    saved = status(folder)
    assert (saved["state"], saved["exit_code"]) == ("stopped", 75), started.text
    assert (folder / f"checkpoints/step-{saved['step']}/manifest.json").is_file()


def test_a_line_that_only_rank_1_reads_is_said_by_rank_0(tiny, tmp_path, documents):
    started = Ranks(2, "train", tiny, *documents(broken=581))  # stream 581 mod 8 = 5
    assert started.wait() == [2, -signal.SIGKILL]
    text = "".join(rank.text for rank in started.ranks)
    assert text.count("docs.jsonl:581: the line is not JSON") == 1, text
    failed = status(tmp_path / "run")
    assert (failed["state"], failed["exit_code"]) == ("failed", 2) and "docs.jsonl:581" in failed["error"]
