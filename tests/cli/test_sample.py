"""`rnd1 sample` and `rnd1 infill` on a tiny model folder: prompts from everywhere, ranks, Ctrl-C, and the user's mistakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rnd1lib
from rnd1lib.cli.app import command_line
from rnd1lib.errors import Rnd1Error, SamplingError, Stopped

SOURCE = Path(__file__).parents[1] / "goldens" / "hf" / "qwen3"
FACTS = {"shift": 1, "mask_token_id": 315, "attention_mask": {"use": "bidirectional"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of 320 ids without a tokenizer."""
    path = tmp_path_factory.mktemp("models") / "ids"
    path.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(SOURCE / name, path / name)
    (path / "rnd1_config.json").write_text(json.dumps(FACTS))
    return str(path)


@pytest.fixture(scope="module")
def with_text(folder, tmp_path_factory):
    """The same weights with a tokenizer of 300 tokens; its mask is the last."""
    from rnd1lib.models.tokenizer import train_tokenizer

    path = tmp_path_factory.mktemp("models") / "text"
    shutil.copytree(folder, path)
    tokenizer = train_tokenizer(["a small text about small things"] * 3, 300)
    tokenizer.save(path)
    (path / "rnd1_config.json").write_text(json.dumps({**FACTS, "mask_token_id": tokenizer.mask_token_id}))
    return str(path)


def rnd1(*arguments, stdin=None):
    return CliRunner().invoke(command_line(), [str(argument) for argument in arguments], input=stdin)


def lines(done):
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout.splitlines()


def test_texts_go_to_stdout_alone(folder):
    done = rnd1("sample", folder, "5 9 13", "7", "--ids", "--max-new-tokens", 4)
    assert [line.split()[:1] for line in lines(done)] == [["5"], ["7"]]
    assert done.stderr == ""


def test_json_has_an_object_a_line(folder):
    first, second = map(json.loads, lines(rnd1("sample", folder, "5 9", "7", "--ids", "--json", "--max-new-tokens", 4)))
    assert (first["number"], first["prompt"], first["ids"][:2], second["number"]) == (0, [5, 9], [5, 9], 1)
    assert first["forward_calls"] <= 4


def test_prompts_come_from_arguments_stdin_lines_and_jsonl_alike(with_text, tmp_path):
    (tmp_path / "p.txt").write_text("small\n\nthings\n")
    (tmp_path / "p.jsonl").write_text('"small"\n{"prompt": "things"}\n')
    ask = ["sample", with_text, "--max-new-tokens", 3, "--json"]
    by_argument = lines(rnd1(*ask, "small", "things"))
    assert lines(rnd1(*ask, "--prompts", tmp_path / "p.txt")) == by_argument
    assert lines(rnd1(*ask, "--prompts", tmp_path / "p.jsonl")) == by_argument
    assert lines(rnd1(*ask, "-", "things", stdin="small\n")) == by_argument
    assert json.loads(by_argument[0])["text"].startswith("small")


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


@pytest.mark.parametrize("command", ["sample", "infill"])
def test_help_ends_with_an_example(command):
    help_text = rnd1(command, "--help").stdout
    assert f"Example: rnd1 {command} " in help_text


def test_both_commands_have_every_shared_option_in_one_order():
    helps = {command: rnd1(command, "--help").stdout.partition("Options:")[2] for command in ("sample", "infill")}
    flags = {command: re.findall(r"^  (--[\w-]+)", text, re.MULTILINE) for command, text in helps.items()}
    shared = flags["infill"][:-1]
    assert len(shared) > 10 and flags["sample"] == [*shared, "--max-new-tokens", "--chat", "--system", "--help"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["x y", "--ids"],
        ["text"],
        ["5", "--ids", "--option", "temperature"],
        ["5", "--ids", "--option", "temperature=-1"],
        ["5", "--ids", "--option", "temperature=NaN"],
        ["5", "--ids", "--option", "seed=1"],
        ["5", "--ids", "--steps", "3", "--option", "steps=3"],
        ["5", "--ids", "--steps", "0"],
        ["5", "--ids", "--sampler", "rnd1_entropi"],
        ["5", "--ids", "--batch", "0"],
        ["5", "--ids", "--cache", "prefiks"],
        ["5", "--ids", "--seed", "-1"],
        ["5 315", "--ids"],
        ["5 320", "--ids"],
        ["--prompts", "no/such/file.txt"],
        ["5", "--ids", "--max-new-tokens", "100000"],
    ],
    ids=str,
)
def test_a_mistake_is_a_sentence_and_exit_code_2(folder, arguments):
    error = rnd1("sample", folder, *arguments).exception
    assert isinstance(error, Rnd1Error) and error.exit_code == 2
    assert len(str(error)) > 15


def test_a_bad_line_of_jsonl_is_named(folder, tmp_path):
    (tmp_path / "p.jsonl").write_text('"fine"\n{"promt": "x"}\n')
    error = rnd1("sample", folder, "--prompts", tmp_path / "p.jsonl").exception
    assert isinstance(error, SamplingError) and "p.jsonl:2" in str(error)


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
def test_under_torchrun_each_answer_comes_once_and_in_order(folder):
    ask = ["sample", folder, "5", "6 7", "8", "--ids", "--max-new-tokens", "4", "--option", "temperature=1.0"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "rnd1lib"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *ask], env=environment, text=True, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == lines(rnd1(*ask))
