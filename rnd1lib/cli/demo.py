"""`rnd1 demo`: the whole way from an autoregressive model to a diffusion model's text, made of the public commands.

Every command is printed and then run in a process of its own, so that a reader can repeat it.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from string import Template
from typing import Annotated, NamedTuple

import typer

from rnd1lib.errors import Rnd1Error

COMPARISON = """
import sys, rnd1lib, torch, transformers
ids = torch.arange(256).reshape(4, 64)
ours = rnd1lib.load_model(sys.argv[1]).logits(ids)
transformers.utils.logging.disable_progress_bar()
theirs = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")(ids).logits
gap = (ours - theirs).abs().max().item()
print(f"The largest difference between {ours.numel():,} logits: {gap:.1e}")
sys.exit(gap > 1e-4)
"""


class Stage(NamedTuple):
    """What a command is for, the command, and whether what it writes to stdout is a sample for the page."""

    purpose: str
    command: str
    sample: bool = False


STAGES = (
    Stage(
        "Train a tiny Qwen3-MoE to predict the next token, on 2 ranks: FSDP2, and 4 of the 8 experts on each",
        "torchrun --standalone --nproc-per-node 2 -m rnd1lib train tiny/ar titan.parallelism.expert_parallel_degree=2 "
        "train.steps=$autoregressive_steps run.folder=$folder/ar",
    ),
    Stage("Write it as a folder like that of any Qwen3-MoE", "rnd1 export $folder/ar $folder/ar-export --layout qwen3_moe"),
    Stage(
        "Convert it: bidirectional from the first step (SCP), the A2D objective, attention first",
        "rnd1 train tiny/moe model.init=$folder/ar-export train.steps=$steps run.folder=$folder/scp",
    ),
    Stage(
        "Train from random weights, to compare; all of them at 1e-3, since attention alone cannot make up for the rest",
        "rnd1 train tiny/moe model.init=null model.tokenizer=$folder/ar-export 'lr_groups={use: uniform, lr: 1.0e-3}' "
        "train.steps=$steps run.folder=$folder/random",
    ),
    Stage(
        "Write text: a canvas of masks, of which the least uncertain are filled in first",
        "rnd1 sample $folder/scp 'def read(self, ' --max-new-tokens 48 --option temperature=0.7 --watch "
        "--html $folder/text.html",
        sample=True,
    ),
    Stage(
        "Fill a gap of 8 tokens between two given ends",
        "rnd1 infill $folder/scp 'for name in [[8]] return name'",
        sample=True,
    ),
    Stage("Write the diffusion model as such a folder", "rnd1 export $folder/scp $folder/scp-export --layout qwen3_moe"),
    Stage("Open that with transformers and compare the logits", "python -c $comparison $folder/scp-export"),
)


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Few steps a run: does everything work here?")] = False,
    folder: Annotated[Path | None, typer.Option(help="A new folder; by default runs/demo, or runs/demo-2, ...")] = None,
) -> None:
    """Go the whole way once, with a tiny model.

    Train, convert, compare, sample, fill a gap and export, each step by a command that is printed.

    Example: rnd1 demo --quick
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise Rnd1Error("The demo draws its curves with matplotlib, which is not installed: pip install 'rnd1lib[plots]'.")
    folder = new_folder(folder)
    steps, autoregressive_steps = (10, 20) if quick else (150, 300)
    values = {"folder": folder, "steps": steps, "autoregressive_steps": autoregressive_steps, "comparison": COMPARISON}
    commands = [[Template(word).substitute(values) for word in shlex.split(stage.command)] for stage in STAGES]
    print(f"Everything goes to {folder}. Each command can be repeated as printed, after\n\n$ export OMP_NUM_THREADS=1")
    seconds, samples = [], {}
    for stage, command in zip(STAGES, commands, strict=True):
        print(f"\n{stage.purpose}:", flush=True)
        started = time.monotonic()
        text = run(command)
        seconds.append(time.monotonic() - started)
        if stage.sample:
            samples[shlex.join(command)] = text
    print_seconds(seconds)
    write_page(folder, samples, [shlex.join(command) for command in commands])


def new_folder(asked: Path | None) -> Path:
    """Makes the folder asked for, else the first free one of runs/demo, runs/demo-2, ...; nothing is overwritten."""
    numbered = (Path(f"runs/demo-{number}") for number in itertools.count(2))
    folder = asked or next(path for path in itertools.chain([Path("runs/demo")], numbered) if not path.exists())
    if folder.exists():
        raise Rnd1Error(f"{folder} exists, and the demo overwrites nothing. Name another one with --folder.")
    folder.mkdir(parents=True)
    return folder


def run(command: list[str]) -> str:
    """Prints a command and runs it; what it writes to stdout is shown as it comes and returned. Fails as it fails."""
    print(f"\n$ {shlex.join(command)}\n", flush=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PATH": path}
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        print(f"The demo ends here: this command failed with {process.returncode}.", file=sys.stderr)
        raise typer.Exit(process.returncode if process.returncode > 0 else 1)
    return "".join(lines)


def print_seconds(seconds: list[float]) -> None:
    """What each command took."""
    print("\nSeconds:")
    for stage, taken in zip(STAGES, seconds, strict=True):
        print(f"{taken:6.0f}  {stage.purpose}")
    print(f"{sum(seconds):6.0f}  all")


def write_page(folder: Path, samples: dict[str, str], commands: list[str]) -> None:
    """Reads what came out of both arms, prints it and writes the page."""
    views = importlib.import_module("rnd1lib.views.demo_page")
    arms = {
        name: views.Arm(*losses_and_bounds(folder / arm))
        for name, arm in {"the autoregressive model": "scp", "random weights": "random"}.items()
    }
    print("\nBound on held-out text, nats a token, before and after:")
    for name, arm in arms.items():
        print(f"{arm.held_out[0][1]:6.2f} -> {arm.held_out[-1][1]:.2f}  from {name}")
    page = folder / "demo.html"
    page.write_text(views.demo_page(arms, samples, commands), encoding="utf-8")
    print(f"\nRuns, exports and metrics are in {folder}; curves and samples in {page.resolve().as_uri()},")
    print(f"and how the text was filled in, step by step, in {(folder / 'text.html').resolve().as_uri()}")


def losses_and_bounds(folder: Path) -> tuple[list[float], list[tuple[int, float]]]:
    """The loss of every step of a run, and (finished steps, held-out bound) wherever it was measured."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    return losses, [(line["step"], line["nll"]) for line in lines if line.get("evaluator") == "nll"]
