"""What a model's path means, in one place: a run folder, a Hugging Face folder, a GGUF file, or a name on the Hub."""

from __future__ import annotations

from pathlib import Path

from rnd1lib.errors import ModelError
from rnd1lib.models.origins.folder import CONFIG, locate, open_folder
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.origins.origin import Origin
from rnd1lib.models.runs.folder import RunFolder, is_run_folder
from rnd1lib.models.runs.weights import open_run
from rnd1lib.plugins import installed
from rnd1lib.recipe.layers import shipped


def open_model(path_or_name: str | Path) -> Origin:
    """Opens what `load_model` and a recipe's `model.init` name: its config, tokenizer and weights. Raises ModelError."""
    if is_run_folder(path_or_name):
        return open_run(Path(path_or_name))
    _refuse_what_is_no_model(path_or_name)
    path = locate(path_or_name)
    return open_gguf(path) if path.is_file() else open_folder(path)


def _refuse_what_is_no_model(path_or_name: str | Path) -> None:
    """Raises ModelError for no name at all, for a part of a run, for a recipe, and for a run that has no model yet."""
    path = Path(path_or_name)
    if path == Path() and not (path / CONFIG).is_file():
        raise ModelError("No model is named: the path is empty, or this folder, which holds none.")
    for run in map(RunFolder, path.parents[:2]):
        part = path in (run.model, run.checkpoints) or path.parent == run.checkpoints or path.is_file()
        if part and path.exists() and is_run_folder(run.path):
            raise ModelError(f"{path}: is a part of a run. Name the run, {run.path}: its newest checkpoint is read.")
    if path.as_posix() in shipped(installed()) and not path.exists():
        raise ModelError(
            f"{path}: is a recipe. A model is the folder of a run of it, which `rnd1 train {path}` names at its end."
        )
    if RunFolder(path).recipe.is_file() and not (path / CONFIG).is_file():
        raise ModelError(f"{path}: is a run that has not begun: it holds a recipe and no model yet.")
