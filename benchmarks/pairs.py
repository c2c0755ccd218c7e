"""What the benchmarks of sampling share: random networks, runs that take turns, and the peak memory of a process of its own."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

from rnd1lib.models import initial
from rnd1lib.models.denoiser import DiffusionLM

SURE = 4.0  # logits of a fresh network are all alike, and rounding would decide which position is the surest
Run = Callable[[], list[list[int]]]  # one whole generation, which gives its ids


def network(model: str, flavor: str, *, mask: str = "bidirectional", block_length: int | None = None, **changes) -> DiffusionLM:
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


def alternate(first: Run, second: Run, pairs: int) -> tuple[list[float], list[float]]:
    """CPU seconds of both, in turns, the first of a pair changing; the tokens are compared before anything is timed."""
    ids, others = first(), second()
    differ = [
        (number, place)
        for number, pair in enumerate(zip(ids, others, strict=True))
        for place in range(len(pair[0]))
        if pair[0][place] != pair[1][place]
    ]
    assert not differ, f"not the same tokens at (row, position) {differ}"
    seconds: dict[Run, list[float]] = {first: [], second: []}
    for pair in range(pairs):
        for run in (first, second) if pair % 2 else (second, first):
            started = time.process_time()
            run()
            seconds[run].append(time.process_time() - started)
    return seconds[first], seconds[second]


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """Median of the pairs' ratios with the lowest and the highest."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return f"{median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def peak_mib(run: Run) -> float:
    """How far a fresh process rises above what it holds before `run`: its resident memory, at the highest (Linux)."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        before = _status("VmHWM")
        run()
        os.write(theirs, json.dumps(_status("VmHWM") - before).encode())
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
