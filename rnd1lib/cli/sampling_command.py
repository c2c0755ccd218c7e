"""The parser of `sample` and `infill`: a sampler's option that is written as a flag is told how it is written."""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile
from typing import Any

from typer.core import TyperCommand

import rnd1lib
from rnd1lib.errors import PluginError, SamplingError


class SamplingCommand(TyperCommand):
    """A command whose samplers have options of their own, which only `--option` takes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises SamplingError for `--temperature 0.7`, the nearest flag to which would be `--trace`."""
        flags = {flag for parameter in self.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        for word in takewhile(lambda word: word != "--", args):
            flag = word.partition("=")[0]
            key = flag.removeprefix("--").replace("-", "_")
            if flag != key and flag not in flags and _is_option(key):
                raise SamplingError(f"{flag} is an option of a sampler, not of the command. Write --option {key}=VALUE.")
        return super().parse_args(ctx, args)


def _is_option(key: str) -> bool:
    for sampler in rnd1lib.components("sampler")["sampler"].values():
        with suppress(PluginError):  # one that cannot be imported is nobody's business here
            if key in sampler.options:
                return True
    return False
