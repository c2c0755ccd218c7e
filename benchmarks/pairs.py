"""What the benchmarks of sampling share: random networks, runs that take turns, and the peak memory of a process of its own."""

import ctypes
import gc
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.network import initial

SURE = 4.0  # logits of a fresh network are all alike, and rounding would decide which position is the surest
Run = Callable[[], list[list[int]]]  # one whole generation, which gives its ids


def network(
    model: str, flavor: str, *, mask: str = "bidirectional", block_length: int | None = None, **changes: int
) -> DiffusionLM:
    """A flavor of a model component with random weights, `changes` put over its config; its last id is the mask token."""
    import rnd1lib
    from rnd1lib.kinds import Build

    component = rnd1lib.build("model", model)
    config = {**component.flavors[flavor], **changes}
    spec = component.spec(config, Build(mask_token_id=config["vocab_size"] - 1, sequence_length=1024))
    drawn = spec.model.build()
    drawn.prepare()
    initial.draw(drawn, seed=0)
    drawn.get_parameter("lm_head.weight").data *= SURE
    options = {} if block_length is None else {"block_length": block_length}
    return DiffusionLM(
        drawn.eval().requires_grad_(False),
        config=config,
        shift=1,
        mask_token_id=config["vocab_size"] - 1,
        attention_mask=rnd1lib.build("attention_mask", mask, **options),
    )


def prompt(model: DiffusionLM, length: int, seed: int = 0) -> list[int]:
    """Random words."""
    return torch.randint(model.vocab_size - 1, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


class Contest(NamedTuple):
    """Two ways to generate. same: whether their tokens must be equal; a cache that is approximate changes some."""

    theirs: Run
    ours: Run
    same: bool = True


def measure(contests: Mapping[str, Contest], pairs: int) -> dict[str, dict[str, object]]:
    """Tokens are compared first; then the peaks, each in a process of its own; then the times."""
    figures: dict[str, dict[str, object]] = {name: {"tokens": agreement(contest)} for name, contest in contests.items()}
    gc.collect()
    for name, contest in contests.items():
        peaks = peak_mib(contest.theirs), peak_mib(contest.ours)
        figures[name] |= {"mib": [round(peak) for peak in peaks], "memory_ratio": round(peaks[0] / peaks[1], 2)}
    for name, contest in contests.items():
        figures[name]["ratio"] = ratio(*alternate(contest, pairs))
    return figures


def agreement(contest: Contest) -> str:
    """How many of the ids are equal; an error if all must be and are not."""
    theirs, ours = [*chain(*contest.theirs())], [*chain(*contest.ours())]
    equal = sum(a == b for a, b in zip(theirs, ours, strict=True))
    assert equal == len(ours) or not contest.same, f"{equal} of {len(ours)} tokens are equal"
    return "equal" if equal == len(ours) else f"{equal} of {len(ours)} equal"


def alternate(contest: Contest, pairs: int) -> tuple[list[float], list[float]]:
    """CPU seconds of theirs and of ours, in turns; who is first in a pair changes."""
    seconds: dict[Run, list[float]] = {contest.theirs: [], contest.ours: []}
    for pair in range(pairs):
        for run in (contest.theirs, contest.ours) if pair % 2 else (contest.ours, contest.theirs):
            started = time.process_time()
            run()
            seconds[run].append(time.process_time() - started)
    return seconds[contest.theirs], seconds[contest.ours]


def show(console: Console, title: str, figures: Mapping[str, Mapping[str, object]]) -> None:
    """A table of one network's contests, that reads as Markdown too."""
    heads = ("against", "tokens", "time ratio", "MiB, theirs", "MiB, ours", "memory ratio")
    table = Table(*heads, box=MARKDOWN)
    for name, row in figures.items():
        cells = (row["tokens"], row["ratio"], *row["mib"], row["memory_ratio"])
        table.add_row(name, *map(str, cells))
    console.print(title, table, sep="\n")


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """Median of the pairs' ratios with the lowest and the highest."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return f"{median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def peak_mib(run: Run) -> float:
    """How far the resident memory of a fresh process rises above what it holds before `run`, at the highest (Linux, glibc)."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ctypes.CDLL(None).malloc_trim(0)  # what earlier runs gave back would hide what this one takes
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
            before = _status("VmHWM")
            run()
            os.write(theirs, json.dumps(_status("VmHWM") - before).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        return json.loads(answer.read()) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def machine() -> str:
    """What the figures were taken on."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "torchtitan"))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{names[0]}, {len(names)} cores, 1 thread used, {gpu}; Python {platform.python_version()}, {versions}"
