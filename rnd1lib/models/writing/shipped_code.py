"""Classes that a config.json names in `auto_map` and whose code is ours: it is put beside them and never run here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

CLASSES = files("rnd1lib.models.writing") / "resources"


def shipped_code(config: Mapping[str, Any]) -> list[Traversable]:
    """The files that hold these classes; none where they are another family's own."""
    modules = sorted({name.partition(".")[0] for name in config.get("auto_map", {}).values()})
    return [code for module in modules if (code := CLASSES / f"{module}.py").is_file()]
