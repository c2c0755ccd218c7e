"""What `sample` and `infill` share: their options, each declared once, and the way from prompts to printed answers."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from rnd1lib.cli.printing import notes, progress_view, show, terminal_view
from rnd1lib.cli.prompts import Prompt
from rnd1lib.cli.recording import recording
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Conversation
from rnd1lib.recipe.source import parse

ARGUMENTS = {
    *("model", "prompts", "canvases", "max_new_tokens", "sampler", "guidance", "cache", "seed", "on_step", "numbers"),
    *("rows", "fill", "batch", "ranks", "watches", "keep"),
}
"""Of `generate`, `infill` and the job around them; no sampler's option is called so."""

Command = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments and options that both commands have; a field is a flag of both."""

    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, a model folder, a GGUF file or a hub name.")]
    file: Annotated[
        Path | None, typer.Option("--prompts", help="A text a line; .jsonl: a JSON value a line, see the docs.")
    ] = None
    sampler: Annotated[str, typer.Option(help="A sampler; `rnd1 components sampler` lists them.")] = "rnd1_entropy"
    steps: Annotated[int | None, typer.Option(help="Forward passes; one for each token by default.")] = None
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An option of the sampler, such as temperature=0.7.")
    ] = None
    guidance: Annotated[float, typer.Option(help="Strength of classifier-free guidance; 0 is none.")] = 0.0
    cache: Annotated[
        str | None, typer.Option(help="Keys and values kept: prefix, dual or block. Not exact on every model.")
    ] = None
    seed: Annotated[int, typer.Option(help="Decides every random number.")] = 0
    batch: Annotated[int, typer.Option(help="Texts at a time; changes none of them.")] = 8
    mask_token: Annotated[
        str | None, typer.Option(metavar="ID_OR_NAME", help="The model's mask token, if its folder names none or another.")
    ] = None
    attention_mask: Annotated[
        str | None, typer.Option(metavar="MASK", help="Instead of the folder's: a name, or '{use: NAME, its options}'.")
    ] = None
    shift: Annotated[int | None, typer.Option(help="Instead of the folder's: 1 if row i predicts token i + 1, else 0.")] = None
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; by default a GPU if there is one.")] = None
    ids: Annotated[bool, typer.Option("--ids", help="Texts are token ids: '5 9 13'; mask ids are the gaps of infill.")] = False
    watch: Annotated[bool, typer.Option("--watch", help="Show the canvas being filled in, on stderr.")] = False
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what each step did, a line of JSON a step; see `rnd1 trace`.")
    ] = None
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that shows every step.")] = None
    progress: Annotated[bool, typer.Option(help="Texts done and tokens/s, on stderr if that is a terminal.")] = True
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False


def with_shared_options(command: Command) -> Command:
    """A command that takes a `request: Request` as one that the command line can call: each of its fields a flag."""
    shared = _parameters(Request)
    own = {name: each for name, each in _parameters(command).items() if name != "request"}

    @wraps(command)
    def spread(**given: Any) -> None:
        command(Request(**{name: given.pop(name) for name in shared}), **given)

    spread.__signature__ = inspect.Signature([*(shared | own).values()])  # type: ignore[attr-defined]
    spread.__annotations__ = {name: each.annotation for name, each in (shared | own).items()}
    return spread


def _parameters(callable_: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(callable_, include_extras=True)
    return {
        name: each.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in inspect.signature(callable_).parameters.items()
    }


def answer(request: Request, fill: Callable[..., Any], read: Callable[[], list[Prompt]], **arguments: Any) -> None:
    """Reads the texts, has `fill` (generate or infill) complete them and prints what comes out.

    read: gives the texts; under torchrun rank 0 alone reads, since all ranks share one stdin.
    """
    arguments |= sampling_arguments(request)
    job, connected = import_module("rnd1lib.sampling.job"), import_module("rnd1lib.sampling.ranks").connected
    with ExitStack() as stack:
        stack.enter_context(notes())
        ranks = stack.enter_context(connected())
        recorded = stack.enter_context(
            recording(request.trace, request.html, prompts=request.file, rank=ranks.number, ranks=ranks.count)
        )
        prompts = ranks.first(read)
        chat = any(isinstance(prompt, Conversation) for prompt in prompts)
        model = job.open_model(request.model, chat=chat, **model_arguments(request))
        if prompts and ranks.number == 0:
            print(f"{model.name}: {model.reading}", file=sys.stderr)
        watches = observers(request, texts=len(prompts[:: ranks.count])) + recorded.watches
        to_do = {"batch": request.batch, "ranks": ranks, "watches": watches, "keep": recorded.keep}
        with closing(job.answers(model, prompts, fill, **to_do, **arguments)) as answers:
            show(answers, prompts, seed=request.seed, as_json=request.as_json)


def model_arguments(request: Request) -> dict[str, Any]:
    """What `load_model` is called with, besides the path."""
    token, mask = request.mask_token, request.attention_mask
    return {
        "device": request.device,
        "mask_token_id": int(token) if token is not None and token.isdecimal() else token,
        "attention_mask": None if mask is None else _name_or_entry(mask),
        "shift": request.shift,
    }


def _name_or_entry(mask: str) -> Any:
    """A component as a recipe writes it: its name, or a mapping with `use`."""
    value = parse(mask)
    if value.problems:
        raise SamplingError(f"--attention-mask {mask!r}: {value.problems[0][1]}")
    return value.tree


def sampling_arguments(request: Request) -> dict[str, Any]:
    """What both `generate` and `infill` are called with."""
    options = _options(request.option or [], steps=request.steps)
    named = {"sampler": request.sampler, "guidance": request.guidance, "cache": request.cache, "seed": request.seed}
    return named | options


def _options(pairs: Sequence[str], **named: Any) -> dict[str, Any]:
    """`KEY=VALUE` options of the sampler; values are numbers, true, false and null where they read as such, else text.

    named: options with a flag of their own, where one was given.
    """
    options: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise SamplingError(f"--option {pair!r}: KEY=VALUE is expected, such as top_p=0.9.")
        if key in options:
            raise SamplingError(f"--option {pair!r}: {key} is given twice.")
        if key in ARGUMENTS:
            raise SamplingError(f"--option {pair!r}: {key} is no option of a sampler; see --help.")
        try:
            options[key] = json.loads(value)
        except (ValueError, RecursionError):
            options[key] = value
    return options


def observers(request: Request, *, texts: int) -> list[Callable[[Any], AbstractContextManager[Any]]]:
    """What watches this rank's texts being filled in, each made for a model: the live view, else the progress."""
    if request.watch:
        return [terminal_view]
    return [partial(progress_view, texts=texts)] if request.progress else []
