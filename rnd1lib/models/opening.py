"""What a model's path means, in one place: a run folder, a Hugging Face folder, a GGUF file, or a name on the Hub."""

from __future__ import annotations

from pathlib import Path

from rnd1lib.models.folder import locate, open_folder
from rnd1lib.models.gguf.source import open_gguf
from rnd1lib.models.origin import Origin
from rnd1lib.models.run_folder import is_run_folder
from rnd1lib.models.run_weights import open_run


def open_model(path_or_name: str | Path) -> Origin:
    """Opens what `load_model` and a recipe's `model.init` name: its config, tokenizer and weights. Raises ModelError."""
    if is_run_folder(path_or_name):
        return open_run(Path(path_or_name))
    path = locate(path_or_name)
    return open_gguf(path) if path.is_file() else open_folder(path)
