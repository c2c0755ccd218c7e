"""`rnd1 infill`: gaps in texts filled by a model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import rnd1lib
from rnd1lib.cli.prompts import parse_options, read_prompts, show, terminal_view


def infill(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, a run folder or a hub name.")],
    canvases: Annotated[list[str] | None, typer.Argument(metavar="[TEXT ...]", help="[[8]] is a gap of 8 tokens.")] = None,
    file: Annotated[
        Path | None, typer.Option("--prompts", help='A text a line; .jsonl: a text or {"prompt": text} a line.')
    ] = None,
    sampler: Annotated[str, typer.Option(help="A sampler; `rnd1 components sampler` lists them.")] = "rnd1_entropy",
    steps: Annotated[int | None, typer.Option(help="Forward passes; one for each token by default.")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="An option of the sampler.")] = None,
    guidance: Annotated[float, typer.Option(help="Strength of classifier-free guidance; 0 is none.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides every random number.")] = 0,
    batch: Annotated[int, typer.Option(help="Texts at a time; changes no text.")] = 8,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; by default a GPU if there is one.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Texts are token ids, mask ids the gaps: '5 63 63 13'.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the canvas being filled in, on stderr.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Fill the gaps of texts, with both sides in view.

    Under torchrun the texts are split over the ranks; Ctrl-C gives back what is done.

    Example: rnd1 infill runs/demo/scp "for name in [[8]] return name"
    """
    options = parse_options(option or [], steps=steps)
    texts = read_prompts(canvases or [], file, ids=ids)
    answers = import_module("rnd1lib.sampling.job").answers(
        model,
        texts,
        rnd1lib.infill,
        batch=batch,
        device=device,
        watch=terminal_view if watch else None,
        sampler=sampler,
        guidance=guidance,
        seed=seed,
        **options,
    )
    show(answers, texts, as_json=as_json)
