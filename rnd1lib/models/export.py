"""`export`: a model as a folder that others open, read back and compared before it is there at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

import rnd1lib
from rnd1lib.errors import ModelError, Rnd1Error
from rnd1lib.kinds import Kind, Model
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.facts import Facts
from rnd1lib.models.folder import CONFIG, INDEX, WHOLE
from rnd1lib.models.loading import MissingNoise, component_for, load_model, model_components
from rnd1lib.models.weights import folder_tensors

SHARD_BYTES = 5 << 30
COMPARED = (2, 32)  # rows and tokens
TOLERANCE = 1e-4


class UnknownLayout(ModelError, ValueError):
    """A layout that no installed model component writes: a wrong argument in Python, the user's mistake in a shell."""


class Exported(NamedTuple):
    """A written folder, how many logits of it were compared with the model's, and how far apart the two furthest are."""

    path: Path
    compared: int
    largest_difference: float


def export(model_or_run: DiffusionLM | str | Path, path: str | Path, *, layout: str) -> Path:
    """Writes a model, or a run's newest checkpoint, as a folder of that layout; returns the folder.

    The folder appears whole, under its own name, only after it was read back and gave the model's logits. Raises ValueError
    for an unknown layout, ModelError for one that does not fit the model, a folder that exists, or logits that differ.
    """
    return export_and_compare(model_or_run, path, layout=layout).path


def export_and_compare(model_or_run: DiffusionLM | str | Path, path: str | Path, *, layout: str) -> Exported:
    """`export`, with what the comparison found."""
    _check_layout(layout)
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ModelError(f"{path}: exists already; name a folder that does not.")
    model = model_or_run if isinstance(model_or_run, DiffusionLM) else load_model(model_or_run)
    component = component_for(model.config)
    if layout not in component.layouts:
        fitting = ", ".join(component.layouts)
        raise ModelError(f"layout: {layout!r} does not fit a {model.config.get('model_type')} model. Fitting: {fitting}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        _write(model, component, unfinished, layout)
        difference = _largest_difference(model, unfinished)
        if not difference <= TOLERANCE:
            raise ModelError(f"{path}: not written, since what was read back gives logits {difference:.1e} from the model's.")
        unfinished.chmod(0o755)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Exported(path, COMPARED[0] * COMPARED[1] * model.vocab_size, difference)


def _check_layout(layout: str) -> None:
    known = {name for component in model_components()[0] for name in component.layouts}
    if layout not in known:
        raise UnknownLayout(f"layout: {layout!r} is unknown. Layouts: {', '.join(sorted(known))}.")


def _write(model: DiffusionLM, component: Model, folder: Path, layout: str) -> None:
    ids = {f"{name}_token_id": getattr(model, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    facts = _facts(model)
    bidirectional = model.attention_mask.pattern(model.step) != "causal"
    config = component.folder_config(
        {**model.config, **ids}, layout=layout, bidirectional=bidirectional, mask_token_id=facts.mask_token_id
    )
    config["dtype"] = str(next(model.network.parameters()).dtype).removeprefix("torch.")
    _write_json(folder / CONFIG, config)
    _write_json(folder / "generation_config.json", {key: value for key, value in ids.items() if value is not None})
    facts.write(folder)
    if model.tokenizer is not None:
        model.tokenizer.save(folder)
    _write_tensors(folder, folder_tensors(model.network, component.tensors(model.config)))


def _facts(model: DiffusionLM) -> Facts:
    return Facts(
        shift=model.shift,
        mask_token_id=model.mask_token_id if model.has_mask_token else None,
        attention_mask=_entry("attention_mask", model.attention_mask),
        noise=None if model.noise is None else _entry("noise", model.noise),
        step=model.step,
    )


def _entry(kind: Kind, component: Any) -> dict[str, Any]:
    """The name under which a component is installed, and its options."""
    if isinstance(component, MissingNoise):
        return dict(component.entry)
    options = asdict(component)
    for name in rnd1lib.components(kind)[kind]:
        try:
            found = rnd1lib.build(kind, name, **options)
        except (ValueError, Rnd1Error):
            continue
        if found == component:
            return {"use": name, **options}
    raise ModelError(f"{type(component).__name__} is no installed {kind}, so that no folder can name it.")


def _write_tensors(folder: Path, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """One file, or numbered shards with an index; no more than a shard is held in memory."""
    shards: list[list[str]] = []
    held: dict[str, Tensor] = {}
    total = 0

    def flush() -> None:
        save_file(held, folder / f"shard-{len(shards)}", metadata={"format": "pt"})
        shards.append(list(held))
        held.clear()

    for name, tensor in tensors:
        if not tensor.isfinite().all():
            raise ModelError(f"{name}: holds numbers that are not finite, so that nothing is exported.")
        if held and sum(each.nbytes for each in held.values()) + tensor.nbytes > SHARD_BYTES:
            flush()
        held[name] = tensor.contiguous().clone()  # its own storage: safetensors refuses views into a stack
        total += tensor.nbytes
    flush()
    if len(shards) == 1:
        (folder / "shard-0").rename(folder / WHOLE)
        return
    names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    for number, name in enumerate(names):
        (folder / f"shard-{number}").rename(folder / name)
    where = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
    _write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": where})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _largest_difference(model: DiffusionLM, folder: Path) -> float:
    """Between the model's logits and those of the folder, on fixed random ids; the mask token's own, never used, aside."""
    dtype = next(model.network.parameters()).dtype
    ids_BL = torch.randint(model.vocab_size, COMPARED, generator=torch.Generator().manual_seed(0))
    written = load_model(folder, device=model.device, dtype=dtype)
    difference_BLV = (model.logits(ids_BL).float() - written.logits(ids_BL).float()).abs()
    if model.has_mask_token:  # a tied head that is still in training has its table's old row there
        difference_BLV[..., model.mask_token_id] = 0
    return float(difference_BLV.max())
