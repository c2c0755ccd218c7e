"""`rnd1 data show`: the first rows of a run as its first step sees them, without starting it."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from rnd1lib.data import Filling, PackedRows, Tally
from rnd1lib.kinds import Batch
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.titan.preparation.config import diffusion
from rnd1lib.titan.preparation.plan import plan_run
from rnd1lib.titan.preparation.prepared import Prepared
from rnd1lib.titan.runner import process_group
from rnd1lib.views.rows import CorruptedRows

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

MEASURED_ROWS = 512
"""Of one stream: some windows long, since a window is packed as a whole however few of its rows are asked for."""


class FirstRows(NamedTuple):
    """The rows to show, and how full MEASURED_ROWS rows are, what their documents count, and the seconds of reading them."""

    shown: CorruptedRows
    filling: Filling
    tally: Tally
    seconds: float

    def totals(self) -> list[str]:
        """What is true of the rows that were measured; padding and what pads an answer are waste."""
        text, places = self.filling
        return [
            f"{MEASURED_ROWS} rows of one stream: {text / MEASURED_ROWS:,.1f} tokens a row, "
            f"{text / places:.2%} of the places hold text",
            str(self.tally),
            f"read at {text / self.seconds:,.0f} tokens/s by one process",
        ]


def first_rows(recipe: Recipe, rows: int) -> FirstRows:
    """At most `rows` rows of the first step, by the code that trains on them. Nothing is left on disk.

    RecipeError, DataError: as `rnd1 train` raises them.
    """
    with TemporaryDirectory() as temporary:
        folder = RunFolder(Path(temporary))
        with process_group(recipe, folder):
            prepared = Prepared(recipe, plan_run(recipe, ranks=1), folder)
            batch = prepared.packed.batch(0, min(rows, prepared.batching.global_rows))
            return FirstRows(_corrupted(recipe, prepared, batch), *_measured(prepared.rows_from_the_start()))


def _measured(packed: PackedRows) -> tuple[Filling, Tally, float]:
    streams, began = packed.streams, time.perf_counter()
    for row in range(MEASURED_ROWS):
        packed.batch(row * streams, 1)
    seconds = time.perf_counter() - began
    return packed.take_filling(), Tally(*packed.counts()[0, :-1].tolist()), seconds


def _corrupted(recipe: Recipe, prepared: Prepared, batch: Batch) -> CorruptedRows:
    batch, noised, targets = diffusion(recipe, prepared).example(batch, step=0, first_row=0)
    tokenizer, config = prepared.tokenizer, prepared.model_config
    return CorruptedRows(
        batch,
        noised,
        targets,
        (lambda ids: " ".join(map(str, ids))) if tokenizer is None else tokenizer.decode,
        frozenset(config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id") if config.get(key) is not None),
        recipe.components.objective.shift,
    )
