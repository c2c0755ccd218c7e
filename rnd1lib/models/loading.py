"""`load_model`: a Hugging Face folder, an exported folder or a run folder as a DiffusionLM, on one device.

The network is the one of training; there is no process group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import rnd1lib
from rnd1lib.errors import ModelError, PluginError
from rnd1lib.kinds import Build, Kind, Model, Noise
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.elsewhere import ANYWHERE, advice, check_offered
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import Facts, read_facts
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.origins.origin import Origin
from rnd1lib.models.origins.overrides import checked_device, checked_dtype, checked_shift, mask_entry, mask_token, with_row
from rnd1lib.models.runs.weights import RunWeights
from rnd1lib.models.tokens.mask_token import known_ids
from rnd1lib.models.tokens.tokenizer import Tokenizer
from rnd1lib.models.weights import load_folder


def load_model(
    path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    attention_mask: str | Mapping[str, Any] | None = None,
    shift: int | None = None,
    mask_token_id: int | str | None = None,
) -> DiffusionLM:
    """Loads a model for sampling and evaluation: from a folder, a hub name, or a run's newest whole checkpoint.

    attention_mask: a component's name or {"use": name, its options}. mask_token_id: an id, or a token's name; the first
    id behind a table without a spare row makes it grow. What is left out is what the folder says (its rnd1_config.json,
    else config.json); a plain autoregressive folder is causal with shift 1 and has no mask token.
    Raises ModelError for a foreign folder, CheckpointError for a run of ours, ValueError for a wrong argument.
    """
    dtype, device, shift, mask = checked_dtype(dtype), checked_device(device), checked_shift(shift), mask_entry(attention_mask)
    origin = open_model(path)
    config, tokenizer = origin.config, origin.tokenizer
    said = facts_of(origin, tokenizer)
    token = mask_token(mask_token_id, tokenizer)
    config, tokenizer = with_row(token, config, tokenizer)
    facts = said.altered(attention_mask=mask, shift=shift, mask_token_id=token)
    if mask is None:
        check_offered("attention_mask", facts.attention_mask["use"], path)
    with origin.whose_config():
        component = component_for(config, or_else=advice(path))
        network = _empty_network(component, config, facts, device, dtype)
    load_folder(network, origin, component.tensors(config), mask_row=FirstRow(trained=known_ids(tokenizer)))
    model = denoiser(network, config, facts, tokenizer)
    model.name = Path(path).resolve().name if Path(path).exists() else str(path)
    return model


def facts_of(origin: Origin, tokenizer: Tokenizer | None) -> Facts:
    """What the place that a model's weights come from says of it, its tokenizer included. Raises ModelError."""
    facts = read_facts(origin.folder, origin.config, tokenizer.mask_token_id if tokenizer else None)
    return replace(facts, step=origin.step) if isinstance(origin, RunWeights) else facts


def denoiser(network: nn.Module, config: Mapping[str, Any], facts: Facts, tokenizer: Tokenizer | None) -> DiffusionLM:
    """A network and what is known of it, put together; ids that config.json leaves out are the tokenizer's."""
    return DiffusionLM(
        network,
        config=config,
        shift=facts.shift,
        mask_token_id=facts.mask_token_id,
        reading=facts.in_words(tokenizer),
        attention_mask=_component("attention_mask", facts.attention_mask),
        step=facts.step,
        tokenizer=tokenizer,
        noise=None if facts.noise is None else _noise(facts.noise),
        eos_token_id=_token_id("eos_token_id", config, tokenizer),
        pad_token_id=_token_id("pad_token_id", config, tokenizer),
        bos_token_id=_token_id("bos_token_id", config, tokenizer),
    )


@dataclass(frozen=True)
class MissingNoise:
    """Stands for a schedule of a plug-in that is not installed here: only samplers that ask for times need it."""

    entry: Mapping[str, Any]

    def alpha(self, t: Tensor) -> Tensor:
        """Raises ModelError."""
        raise ModelError(
            f"This model was trained with the noise '{self.entry['use']}' of a plug-in that is not installed here, and this "
            f"sampler asks for it. {ANYWHERE} Or use a sampler that does not, such as rnd1_entropy."
        )

    def alpha_prime(self, t: Tensor) -> Tensor:
        """Raises ModelError."""
        return self.alpha(t)


def component_for(config: Mapping[str, Any], *, or_else: str = ANYWHERE) -> Model:
    """The `model` component that reads a config.json, by its model_type. Raises ModelError that says what is supported.

    or_else: what it says to do.
    """
    wanted = config.get("model_type")
    components, broken = model_components()
    readers = {model_type: component for component in components for model_type in component.model_types}
    if not isinstance(wanted, str) or wanted not in readers:
        supported = ", ".join(sorted(readers)) or "none"
        what = "names no model_type" if wanted is None else f"model_type {wanted!r} is not supported"
        sentence = f"config.json: {what}. Supported: {supported}. {or_else}"
        raise ModelError("\n".join([sentence, *(f"What is broken here: {error}" for error in broken)]))
    return readers[wanted]


def model_components() -> tuple[list[Model], list[PluginError]]:
    """Every installed model component, and what the broken ones raised: that concerns only who asks for one of them."""
    whole: list[Model] = []
    broken: list[PluginError] = []
    for name in rnd1lib.components("model")["model"]:
        try:
            whole.append(rnd1lib.build("model", name))
        except PluginError as error:
            broken.append(error)
    return whole, broken


def meta_network(component: Model, config: Mapping[str, Any], facts: Facts, dtype: str) -> Any:
    """The network that a config describes, without memory: no weights, no buffers."""
    build = Build(
        mask_token_id=facts.mask_token_id,
        sequence_length=config.get("max_position_embeddings", Build().sequence_length),
        compute_dtype=dtype,
    )
    with torch.device("meta"):
        network: Any = component.spec(config, build).model.build()
    return network.to(getattr(torch, dtype))


def _empty_network(
    component: Model, config: Mapping[str, Any], facts: Facts, device: str | torch.device, dtype: str
) -> nn.Module:
    network = meta_network(component, config, facts, dtype).to_empty(device=device)
    network.prepare()
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def _noise(entry: Mapping[str, Any]) -> Noise:
    installed = entry["use"] in rnd1lib.components("noise")["noise"]
    return cast(Noise, _component("noise", entry)) if installed else MissingNoise(entry)


def _component(kind: Kind, entry: Mapping[str, Any]) -> Any:
    options = {key: value for key, value in entry.items() if key != "use"}
    return rnd1lib.build(kind, entry["use"], **options)


def _token_id(key: str, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> int | None:
    """Chat models list several ends: the first here, and all of them in `DiffusionLM.end_token_ids`."""
    value = config.get(key)
    if isinstance(value, list):
        value = value[0] if value else None
    return getattr(tokenizer, key, None) if value is None else value
