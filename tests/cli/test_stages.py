"""Stages of a demo: shown, run, alone or at the same time, passed over when done; whoever fails is heard."""

import sys

import pytest
import typer

from rnd1lib.cli.stages import Stage, run, run_stages

PYTHON = sys.executable


def script(text):
    return [PYTHON, "-c", text]


def test_a_command_is_printed_and_its_output_shown_and_kept(capfd):
    assert run({"": script("print('out of it')")}) == {"": "out of it\n"}
    shown = capfd.readouterr().out
    assert f"$ {PYTHON} -c " in shown
    assert "\nout of it\n" in shown


def test_a_command_sees_one_thread_and_the_programs_of_this_environment():
    text = run({"": script("import os; print(os.environ['OMP_NUM_THREADS'], os.environ['PATH'])")})[""]
    threads, path = text.split(maxsplit=1)
    assert threads == "1"
    assert path.startswith(PYTHON.rpartition("/")[0])


def test_several_commands_run_at_the_same_time_and_each_line_says_whose_it_is(tmp_path, capfd):
    meeting = "import os, sys; mine, other = {0}; os.mkfifo(mine); print('waits', file=sys.stderr, flush=True)\n"
    meeting += "while not os.path.exists(other): pass\nprint('met')"
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    texts = run({"scp": script(meeting.format(paths)), "random": script(meeting.format(paths[::-1]))})
    assert texts == {"scp": "waits\nmet\n", "random": "waits\nmet\n"}
    shown = capfd.readouterr().out.splitlines()
    assert {"   scp | waits", "   scp | met", "random | waits", "random | met"} <= set(shown)


def test_a_command_that_fails_ends_the_demo_with_its_code(capfd):
    with pytest.raises(typer.Exit) as left:
        run({"": script("import sys; print('why', file=sys.stderr); sys.exit(7)")}, "Try it tomorrow.")
    assert left.value.exit_code == 7
    said = capfd.readouterr().err
    assert said.startswith("why\n")
    assert said.endswith("failed with 7. Try it tomorrow.\n")


def test_a_command_that_a_signal_ends_is_a_failure_too():
    with pytest.raises(typer.Exit) as left:
        run({"": script("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")})
    assert left.value.exit_code == 1


def test_who_fails_ends_the_others_so_that_they_save_and_its_code_counts(tmp_path):
    saves = "import signal, sys, pathlib; ready, saved = map(pathlib.Path, sys.argv[1:]); "
    saves += "signal.signal(signal.SIGTERM, lambda *_: (saved.touch(), sys.exit(75))); ready.touch(); signal.pause()"
    fails = "import sys, pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): pass\nsys.exit(3)"
    ready, saved = str(tmp_path / "ready"), tmp_path / "saved"
    with pytest.raises(typer.Exit) as left:
        run({"trains": [*script(saves), ready, str(saved)], "fails": [*script(fails), ready]})
    assert left.value.exit_code == 3
    assert saved.exists()


STAGES = (
    Stage("Make a file", "python -c \"open('$folder/made', 'x')\"", makes="$folder/made"),
    Stage("Say something", "python -c 'print($steps)'", sample=True),
)


def test_what_is_there_is_not_made_again_and_what_was_said_is_given_back(tmp_path, capfd):
    values = {"folder": tmp_path, "steps": 7}
    assert run_stages(STAGES, values) == {"python -c 'print(7)'": "7\n"}
    assert (tmp_path / "made").is_file()
    assert run_stages(STAGES, values) == {"python -c 'print(7)'": "7\n"}, "'x' would have failed"
    assert f"{tmp_path / 'made'} is there already." in capfd.readouterr().out


def test_each_stage_has_its_seconds(tmp_path, capfd):
    run_stages(STAGES, {"folder": tmp_path, "steps": 7})
    shown = capfd.readouterr().out
    assert shown.index("Seconds:") < shown.rindex("Make a file") < shown.rindex("Say something") < shown.rindex("all")
