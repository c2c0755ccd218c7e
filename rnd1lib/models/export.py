"""`export`: a model as a folder that others open, read back and compared before it is there at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch

import rnd1lib
from rnd1lib.errors import ModelError, Rnd1Error
from rnd1lib.kinds import Kind, Model
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.elsewhere import advice, check_offered
from rnd1lib.models.loading import MissingNoise, component_for, facts_of, model_components
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.folder import CONFIG, GENERATION, write_json
from rnd1lib.models.origins.licence import UNKNOWN, licence_at
from rnd1lib.models.origins.origin import Origin
from rnd1lib.models.origins.overrides import checked_dtype
from rnd1lib.models.runs.manifest import facts_of as facts_of_file
from rnd1lib.models.runs.record import read_run
from rnd1lib.models.runs.weights import RunWeights
from rnd1lib.models.weights import folder_shapes
from rnd1lib.models.writing.card import Described, made_from, write_card
from rnd1lib.models.writing.comparison import Comparison, compare, named_tensors
from rnd1lib.models.writing.new_folder import new_folder, refuse_existing
from rnd1lib.models.writing.shipped_code import shipped_code
from rnd1lib.models.writing.streaming import NetworkWeights, stream_model
from rnd1lib.models.writing.tensor_files import SHARD_SIZE, shard_bytes, write_tensors
from rnd1lib.registry import did_you_mean

CHECKSUMS = "SHA256SUMS"


class UnknownLayout(ModelError, ValueError):
    """A layout that no installed model component writes: a wrong argument in Python, the user's mistake in a shell."""


class Exported(NamedTuple):
    """A written folder, the dtype of its tensors, what comparing it with the model found, and how that was read."""

    path: Path
    dtype: str
    comparison: Comparison
    reading: str


class Source(NamedTuple):
    """Where tensors come from, and a model of them, whose network may hold a layer at a time."""

    origin: Origin
    model: DiffusionLM


def export(
    model_or_run: DiffusionLM | str | Path,
    path: str | Path,
    *,
    layout: str,
    dtype: str | torch.dtype | None = None,
    shard_size: str | int = SHARD_SIZE,
) -> Path:
    """Writes a model, or a run's newest checkpoint, as a folder of that layout; returns the folder.

    dtype: of the written tensors, float32 or bfloat16; by default the one in which nothing is rounded. shard_size: the most
    bytes of tensors in a file, such as "5GB", unless a single tensor has more.
    The folder appears whole, under its own name, only after it was read back and every tensor and the logits were found to
    be the model's; of a run or a folder never more than a parameter is in memory. Raises ValueError for an unknown layout,
    dtype or size, ModelError for a layout that does not fit the model, a folder that exists, or what was read back wrong.
    """
    return export_and_compare(model_or_run, path, layout=layout, dtype=dtype, shard_size=shard_size).path


def export_and_compare(
    model_or_run: DiffusionLM | str | Path,
    path: str | Path,
    *,
    layout: str,
    dtype: str | torch.dtype | None = None,
    shard_size: str | int = SHARD_SIZE,
) -> Exported:
    """`export`, with what the comparison found."""
    _check_layout(layout)
    asked, most, path = dtype and checked_dtype(dtype), shard_bytes(shard_size), Path(path)
    refuse_existing(path)
    source = open_source(model_or_run)
    component = component_for(source.model.config)
    if layout not in component.layouts:
        fitting = ", ".join(component.layouts)
        raise ModelError(
            f"layout: {layout!r} does not fit a {source.model.config.get('model_type')} model. Fitting: {fitting}."
        )
    written = getattr(torch, asked) if asked else source.origin.dtype
    sources = component.tensors(source.model.config)
    shapes = folder_shapes(source.model.network, sources)
    with new_folder(path, needs=sum(map(prod, shapes.values())) * written.itemsize) as folder:
        tensors = named_tensors(source.origin, source.model, sources)
        write_tensors(folder, shapes, tensors, dtype=written, most=most)
        config = _describe(source.model, component, folder, layout, written)
        found = compare(source.origin, source.model, sources, folder, written)
        write_card(folder, _described(path.resolve().name, source, config))
        _write_checksums(folder)
    return Exported(path, str(written).removeprefix("torch."), found, f"{source.model.name}: {source.model.reading}")


def open_source(model_or_run: DiffusionLM | str | Path) -> Source:
    """A model's own weights, or those of a path as a model that holds a layer at a time. Raises what `load_model` raises."""
    if isinstance(model_or_run, DiffusionLM):
        model = model_or_run
        return Source(NetworkWeights(Path(model.name), model.config, model.network), model)
    origin = open_model(model_or_run)
    tokenizer = origin.tokenizer
    facts = facts_of(origin, tokenizer)
    check_offered("attention_mask", facts.attention_mask["use"], model_or_run)
    with origin.whose_config():
        component_for(origin.config, or_else=advice(model_or_run))
    model = stream_model(origin, facts, tokenizer)
    model.name = Path(model_or_run).resolve().name if Path(model_or_run).exists() else str(model_or_run)
    return Source(origin, model)


def _check_layout(layout: str) -> None:
    known = {name for component in model_components()[0] for name in component.layouts}
    if layout not in known:
        raise UnknownLayout(f"layout: {layout!r} is unknown.{did_you_mean(layout, known)} Layouts: {', '.join(sorted(known))}.")


def _describe(model: DiffusionLM, component: Model, folder: Path, layout: str, dtype: torch.dtype) -> dict[str, Any]:
    """Writes all that a folder has beside its tensors and its card; returns its config.json."""
    ids = {f"{name}_token_id": getattr(model, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    if model.end_token_ids:
        ids["eos_token_id"] = [*model.end_token_ids]
    facts = _facts(model)
    bidirectional = model.attention_mask.pattern(model.step) != "causal"
    config = component.folder_config(
        {**model.config, **ids}, layout=layout, bidirectional=bidirectional, mask_token_id=facts.mask_token_id
    )
    config["dtype"] = str(dtype).removeprefix("torch.")
    facts.write(folder)
    if model.tokenizer is not None:
        named = model.tokenizer if facts.mask_token_id is None else model.tokenizer.with_mask_token(facts.mask_token_id)
        named.save(folder)
    write_json(folder / GENERATION, _generation(config))
    for code in shipped_code(config):
        (folder / code.name).write_bytes(code.read_bytes())
    write_json(folder / CONFIG, config)
    return config


def _described(title: str, source: Source, config: Mapping[str, Any]) -> Described:
    origin, step = source.origin, source.model.step
    run = read_run(origin.path, step) if isinstance(origin, RunWeights) else None
    licence = run.licence if run else UNKNOWN if isinstance(origin, NetworkWeights) else licence_at(origin.path)
    return Described(title, source.model, config, licence, run, made_from(source.model.name, origin))


def _generation(config: Mapping[str, Any]) -> dict[str, Any]:
    """What transformers and RND1 look up here; the latter two only where the layout has a word for them."""
    keys = ["bos_token_id", "eos_token_id", "pad_token_id"]
    if "num_diffusion_steps" in config:
        keys += ["mask_token_id", "num_diffusion_steps", "use_cache"]
    return {key: config[key] for key in keys if config.get(key) is not None}


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


def _write_checksums(folder: Path) -> None:
    """As `sha256sum --check` reads them; of every other file."""
    sums = [f"{facts_of_file(file).sha256}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")
