"""`rnd1 data show`: the first rows of a run as its first step sees them, without starting it."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from rnd1lib.data import PackedRows
from rnd1lib.kinds import Batch
from rnd1lib.models.run_folder import RunFolder
from rnd1lib.titan.config import diffusion
from rnd1lib.titan.plan import plan_run
from rnd1lib.titan.preparation import Prepared
from rnd1lib.titan.runner import process_group
from rnd1lib.views.rows import CorruptedRows

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

MEASURED_ROWS = 512
"""Of one stream: some windows long, since a window is packed as a whole however few of its rows are asked for."""


class FirstRows(NamedTuple):
    """The rows to show, and of MEASURED_ROWS rows how many of their places hold text, and the seconds of reading them."""

    shown: CorruptedRows
    places: int
    text_places: int
    seconds: float

    def totals(self) -> list[str]:
        """What is true of the rows that were measured; padding and what pads an answer are waste."""
        return [
            f"{MEASURED_ROWS} rows of one stream: {self.text_places / MEASURED_ROWS:,.1f} tokens a row, "
            f"{self.text_places / self.places:.2%} of the places hold text",
            f"read at {self.text_places / self.seconds:,.0f} tokens/s by one process",
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


def _measured(packed: PackedRows) -> tuple[int, int, float]:
    """Places, those that hold text, and seconds."""
    streams, places, text = packed.streams, 0, 0
    began = time.perf_counter()
    for row in range(MEASURED_ROWS):
        places += packed.batch(row * streams, 1).ids_BL.numel()
        text += packed.text_places
    return places, text, time.perf_counter() - began


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
