"""Whether the documents that a run goes on with are those that it began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rnd1lib.disk import replace_text
from rnd1lib.errors import DataError

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

DATA = "data.json"
TOLD = 5


def refuse_changed_data(recipe: Recipe, folder: Path) -> None:
    """DataError if a source's files are others than when the run was started last: its cursors would mean other documents."""
    path = folder / DATA
    if not path.is_file():
        return
    before, now = json.loads(path.read_text(encoding="utf-8")), _fingerprint(recipe)
    changed = sorted(name for name in before | now if before.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - TOLD} more" if len(changed) > TOLD else ""
        raise DataError(
            f"{folder}: the data have changed since the run was started: {', '.join(changed[:TOLD])}{more}. Put them back as "
            "they were, or go on with what is there now by --accept-changed-data: documents may then be lost or read twice."
        )


def record_data(recipe: Recipe, folder: Path) -> None:
    """Writes data.json, by which the next start sees a change."""
    replace_text(folder / DATA, json.dumps(_fingerprint(recipe), indent=2) + "\n")


def _fingerprint(recipe: Recipe) -> dict[str, str]:
    fingerprint = getattr(recipe.components.data, "fingerprint", dict)
    return dict(fingerprint())
