"""What a demo is made of: stages of public commands, each printed and then run in a process of its own.

A reader can repeat every one of them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from string import Template
from typing import NamedTuple

import typer


class Stage(NamedTuple):
    """Commands with a purpose; `$name` in them is filled in. `makes` is such a template too.

    commands: one, or several by name that run at the same time. sample: what they write to stdout belongs on the page.
    makes: a path that is there once the stage is done, so that a second demo in the same folder passes over it.
    on_failure: what one may do when a command fails, a sentence.
    """

    purpose: str
    commands: str | Mapping[str, str]
    sample: bool = False
    makes: str = ""
    on_failure: str = ""

    def words(self, values: Mapping[str, object]) -> dict[str, list[str]]:
        """The words of each command; the name of one alone is empty."""
        named = {"": self.commands} if isinstance(self.commands, str) else self.commands
        return {name: [Template(word).substitute(values) for word in shlex.split(command)] for name, command in named.items()}

    def is_done(self, values: Mapping[str, object]) -> bool:
        """Whether what it makes is there."""
        return bool(self.makes) and Path(Template(self.makes).substitute(values)).exists()


class Demo(NamedTuple):
    """Stages that train two arms, and what the page says of them.

    arms: run folder in `folder` -> what that arm began from. values: for the commands; `quick` ones take their place.
    goes_on: the same demo in the same folder goes on where it stopped; without it, it takes a new one.
    """

    folder: str
    stages: tuple[Stage, ...]
    arms: Mapping[str, str]
    explanation: str
    values: Mapping[str, object]
    quick: Mapping[str, object]
    goes_on: bool = False


def run_stages(stages: Sequence[Stage], values: Mapping[str, object]) -> dict[str, str]:
    """Runs them in order and prints what each took; gives back the samples by their command. Fails as a command fails."""
    seconds: list[float] = []
    samples: dict[str, str] = {}
    for stage in stages:
        print(f"\n{stage.purpose}:", flush=True)
        started = time.monotonic()
        if stage.is_done(values):
            print(f"\n{Template(stage.makes).substitute(values)} is there already.")
            seconds.append(0.0)
            continue
        commands = stage.words(values)
        texts = run(commands, stage.on_failure)
        seconds.append(time.monotonic() - started)
        if stage.sample:
            samples |= {shlex.join(commands[name]): text for name, text in texts.items()}
    print("\nSeconds:")
    for stage, taken in zip(stages, seconds, strict=True):
        print(f"{taken:6.0f}  {stage.purpose}")
    print(f"{sum(seconds):6.0f}  all")
    return samples


def run(commands: Mapping[str, list[str]], on_failure: str = "") -> dict[str, str]:
    """Prints commands and runs them at the same time; what they write to stdout is shown as it comes and given back.

    Of several, each line has the name of its command in front, stderr's too. When one fails the others are ended, which saves
    a run in training, and the demo leaves with its code. Ctrl-C reaches the commands themselves, and they are waited for.
    """
    for command in commands.values():
        print(f"\n$ {shlex.join(command)}", flush=True)
    print(flush=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    start = partial(
        subprocess.Popen[str],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if len(commands) > 1 else None,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PATH": path},
    )
    failed: list[int] = []
    with ExitStack() as stack, ThreadPoolExecutor(len(commands)) as readers:
        processes = {name: stack.enter_context(start(command)) for name, command in commands.items()}
        read = {name: readers.submit(_show, name, processes, failed) for name in processes}
        texts = {name: reader.result() for name, reader in read.items()}
    if failed:
        print(f"The demo ends here: this command failed with {failed[0]}. {on_failure}".rstrip(), file=sys.stderr)
        raise typer.Exit(failed[0] if failed[0] > 0 else 1)
    return texts


def _show(name: str, processes: Mapping[str, subprocess.Popen[str]], failed: list[int]) -> str:
    """Prints a process's lines until it ends; if it failed, notes its code and ends the others."""
    front = f"{name:>{max(map(len, processes))}} | " if name else ""
    lines = []
    for line in processes[name].stdout or ():
        print(f"{front}{line}", end="", flush=True)
        lines.append(line)
    if code := processes[name].wait():
        failed.append(code)
        for other in processes.values():
            other.terminate()
    return "".join(lines)
