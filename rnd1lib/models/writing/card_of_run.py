"""What a model card says of the run that made the model: settings, figures with their protocol, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import yaml

from rnd1lib.kinds import Kind
from rnd1lib.models.runs.record import RunRecord, section
from rnd1lib.models.writing.markdown import fenced, table, text

CHOICES: tuple[Kind, ...] = ("data", "attention_mask", "noise", "objective", "lr_groups")
HELD_OUT = (
    "The documents are those that the run kept from training: of a finite source the 1 % of lowest SHA-256, at least 16 and at "
    "most half; of an endless one those whose SHA-256 is below 1 % of the largest."
)


def training(run: RunRecord) -> str:
    """Steps, tokens, batch and every choice with its options; then the whole recipe."""
    train = section(run.recipe, "train")
    rows = {
        "steps": f"{run.step:,}",
        "tokens": f"{run.tokens:,} that could be masked",
        "batch": f"{train.get('batch_tokens')} tokens, in rows of {train.get('sequence_length')}",
        "learning rate": f"{train.get('schedule')}, warm-up {train.get('warmup')}",
        "precision": train.get("precision"),
        "seed": train.get("seed"),
    }
    for kind in CHOICES:
        if entry := section(run.recipe, kind):
            name, options, manual = run.component(kind, entry)
            summary = manual.partition("\n\n")[0]
            rows[kind] = " ".join(filter(None, [name, _options(options)])) + (f": {summary}" if summary else "")
    tree = yaml.safe_dump(dict(run.recipe), sort_keys=False, allow_unicode=True, width=1000)
    return f"## Training\n\n{table(rows)}\n\nThe whole recipe:\n\n{fenced(tree, 'yaml')}"


def evaluation(run: RunRecord) -> str:
    """The first and the last figures of each evaluator, and how they were measured; "" if nothing was."""
    names = dict.fromkeys(line["evaluator"] for line in run.evaluations)
    return "\n\n".join(["## Evaluation", *(_evaluator(run, name) for name in names)]) if names else ""


def versions(recorded: Mapping[str, str]) -> str:
    """Of the packages that the run was made with, and of the one that wrote the folder."""
    rows = {f"trained with {name}": number for name, number in recorded.items()}
    return f"## Versions\n\n{table(rows | {'written by rnd1lib': version('rnd1lib')})}"


def _evaluator(run: RunRecord, name: str) -> str:
    own = [line for line in run.evaluations if line["evaluator"] == name]
    first_and_last = own if len(own) == 1 else [own[0], own[-1]]
    figures = {f"{name}, after {line['step']} steps": _figures(line) for line in first_and_last}
    entry = section(section(run.recipe, "evaluators"), name)
    use, options, manual = run.component("evaluator", entry)
    protocol = [f"Measured by the evaluator {text(use)} {text(_options(options))}." if entry else "", text(manual)]
    if options.get("data", "") is None:
        protocol.append(HELD_OUT)
    return "\n\n".join(filter(None, [table(figures), *protocol]))


def _figures(line: Mapping[str, Any]) -> str:
    figures = {key: value for key, value in line.items() if key not in ("step", "evaluator")}
    return ", ".join(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items())


def _options(options: Mapping[str, Any]) -> str:
    said = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False, default=str)}" for key, value in options.items())
    return f"({said})" if said else ""
