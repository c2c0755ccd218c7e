"""The kit notices bugs: each one planted in a copy of the sources breaks the promise that is named beside it."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "mutants" / "run.py"
spec = importlib.util.spec_from_file_location("run_mutants", RUN)
mutation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutation)
MUTANTS = mutation.mutants()


@pytest.fixture(scope="module")
def answers():
    """What became of every mutant; one process, in which torch is imported once."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RND1_PLUGINS")}
    done = subprocess.run([sys.executable, str(RUN), "--json"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_there_are_many_mutants_each_with_a_name_of_its_own():
    names = [mutant["name"] for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 60


def test_a_mutant_whose_code_is_gone_is_an_error_and_plants_nothing(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\ny = 1\n")
    for old, times in (("z = 1", 0), (" = 1", 2)):
        answer = mutation.planted(tmp_path, {"file": "a.py", "old": old, "new": "", "on": [], "promise": ""})
        assert answer["error"].startswith(f"a.py holds {old!r} {times} times, not once")
    assert (tmp_path / "a.py").read_text() == "x = 1\ny = 1\n"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGXCPU, "no answer within 60 s of computing"),
        (signal.SIGKILL, "no answer: killed by SIGKILL (is there too little memory?)"),
        (signal.SIGTERM, "no answer: killed by SIGTERM"),
    ],
)
def test_what_ends_a_mutant_from_outside_is_not_taken_for_the_bug(number, said):
    assert mutation.in_a_fork(lambda: os.kill(os.getpid(), number)) == {"error": said}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_planted_bug_breaks_its_promise(mutant, answers):
    answer = answers[mutant["name"]]
    assert "error" not in answer, answer["error"]
    assert answer["found"], f"the promise {mutant['promise']!r} holds with the bug {mutant['name']!r}"


def test_without_a_bug_every_promise_holds(answers):
    assert answers["healthy"] == [[mutant["name"], {"found": None}] for mutant in MUTANTS]


def test_the_table_says_of_each_mutant_what_caught_it(answers):
    lines = list(mutation.table(MUTANTS, answers))
    print("\n".join(lines))
    assert len(lines) == len(MUTANTS)
    assert all(line.startswith("caught") and mutant["promise"] in line for line, mutant in zip(lines, MUTANTS, strict=True))
