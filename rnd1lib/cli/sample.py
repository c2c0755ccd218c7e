"""`rnd1 sample`: texts continued by a model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import rnd1lib
from rnd1lib.cli.prompts import parse_options, read_prompts, show, terminal_view


def sample(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, a run folder or a hub name.")],
    prompts: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT ...]", help="Texts; - is all of stdin.")] = None,
    file: Annotated[
        Path | None, typer.Option("--prompts", help='A prompt a line; .jsonl: a text or {"prompt": text} a line.')
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens that are written for each prompt.")] = 128,
    sampler: Annotated[str, typer.Option(help="A sampler; `rnd1 components sampler` lists them.")] = "rnd1_entropy",
    steps: Annotated[int | None, typer.Option(help="Forward passes; one for each token by default.")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="An option of the sampler.")] = None,
    guidance: Annotated[float, typer.Option(help="Strength of classifier-free guidance; 0 is none.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides every random number.")] = 0,
    batch: Annotated[int, typer.Option(help="Prompts at a time; changes no text.")] = 8,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; by default a GPU if there is one.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Prompts are token ids: '5 9 13'.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the canvas being filled in, on stderr.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Continue texts.

    Without a prompt the text is made from nothing. Under torchrun the prompts are split over the ranks; Ctrl-C gives back
    what is done.

    Example: rnd1 sample runs/demo/scp "def read(self, " --max-new-tokens 48 --option temperature=0.7 --watch
    """
    options = parse_options(option or [], steps=steps)
    texts = read_prompts(prompts or [], file, ids=ids)
    answers = import_module("rnd1lib.sampling.job").answers(
        model,
        texts,
        rnd1lib.generate,
        batch=batch,
        device=device,
        watch=terminal_view if watch else None,
        sampler=sampler,
        max_new_tokens=max_new_tokens,
        guidance=guidance,
        seed=seed,
        **options,
    )
    show(answers, texts, as_json=as_json)
