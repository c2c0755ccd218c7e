"""What an import will write, worked out before anything is: config, facts, mask token, and where each tensor comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import torch
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Model, TensorSource
from rnd1lib.models.config.spelling import SPECIAL_IDS
from rnd1lib.models.config.tensor_names import TABLE
from rnd1lib.models.elsewhere import check_offered
from rnd1lib.models.loading import component_for, facts_of, meta_network
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.folder import GENERATION, read_json
from rnd1lib.models.origins.licence import licence_at
from rnd1lib.models.origins.mask_row import FirstRow, first_row, grown
from rnd1lib.models.origins.mask_rule import row_of_rule
from rnd1lib.models.origins.origin import NamedTensors, Origin
from rnd1lib.models.origins.overrides import checked_dtype
from rnd1lib.models.tokens.mask_token import MaskToken, choose
from rnd1lib.models.tokens.tokenizer import Tokenizer
from rnd1lib.models.weights import check_folder, folder_shapes


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """origin: of the weights, with rows for a new mask token. row: what the mask token's row becomes, None: what it is."""

    origin: Origin
    sources: list[TensorSource]
    shapes: Mapping[str, tuple[int, ...]]
    dtype: torch.dtype
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    facts: Facts
    tokenizer: Tokenizer | None
    row: FirstRow | None
    licence: str

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor as it will be written, one after the other."""
        for source in self.sources:
            for name in source.tensors:
                tensor = torch.empty(self.shapes[name], dtype=self.dtype)
                whole = tuple(slice(0, size) for size in tensor.shape)
                self.origin.fill(tensor, TensorSource(source.parameter, [name]), whole)
                if source.parameter == TABLE and self.row is not None:
                    token = cast(int, self.facts.mask_token_id)
                    tensor[token] = first_row(self.origin, source, tensor.shape[1], token, self.row)
                yield name, tensor

    def in_words(self) -> str:
        """For people: what was found, and what is made of it."""
        count, config = sum(map(prod, self.shapes.values())), self.config
        head = "tied to the table" if config.get("tie_word_embeddings") else "of its own"
        mask = f"\nThe {self.facts.mask_token}" if self.facts.mask_token else ""
        return (
            f"{config['architectures'][0]}, {config['num_hidden_layers']} layers of width {config['hidden_size']}, vocabulary "
            f"{config['vocab_size']}, head {head}; {count / 1e6:.1f} M numbers in {str(self.dtype).removeprefix('torch.')}.\n"
            f"Read as: {self.facts.in_words(self.tokenizer)}.{mask}"
        )


def plan_import(origin: NamedTensors, *, mask_token: int | str | None, mask_row: str, dtype: str | None) -> ImportPlan:
    """Decides everything. Raises ModelError for tensors, a mask token or a row that cannot be, ValueError for a dtype."""
    kind: torch.dtype = getattr(torch, checked_dtype(dtype)) if dtype is not None else origin.dtype
    with origin.whose_config():
        component, tokenizer = component_for(origin.config), origin.tokenizer
    facts = facts_of(origin, tokenizer)
    check_offered("attention_mask", facts.attention_mask["use"], origin.path)
    config, weights, row = dict(origin.config), cast(Origin, origin), None
    if mask_token is None and mask_row != "mean":
        raise ModelError(f"mask row: {mask_row} is for a new mask token, and none is named: --mask-token ID_OR_NAME.")
    if mask_token is not None:
        chosen = _chosen(mask_token, config, tokenizer, facts)
        row = None if chosen.id == facts.mask_token_id else _row(mask_row, chosen.id, tokenizer, int(config["vocab_size"]))
        weights = grown(origin, chosen.vocab_size, chosen.id, row.trained if row else None)
        config["vocab_size"] = chosen.vocab_size
        tokenizer = tokenizer and tokenizer.with_mask_token(chosen.id)
        words = chosen.in_words(tokenizer, _becomes(mask_row if row else None))
        facts = replace(facts.altered(mask_token_id=chosen.id), mask_token=words)
    with origin.whose_config():
        sources = component.tensors(config)
        shapes = _shapes(component, config, facts, weights, sources)
    return ImportPlan(
        origin=weights, sources=sources, shapes=shapes, dtype=kind, facts=facts, tokenizer=tokenizer, row=row,
        config=_config(component, config, facts, tokenizer, kind), generation=_generation(origin, config),
        licence=licence_at(origin.path),
    )  # fmt: skip


def _chosen(mask_token: int | str, config: Mapping[str, Any], tokenizer: Tokenizer | None, facts: Facts) -> MaskToken:
    try:
        return choose(mask_token, config, tokenizer, declared=facts.mask_token_id)
    except ModelError as error:
        raise ModelError(f"mask token: {error}") from error


def _row(rule: str, token: int, tokenizer: Tokenizer | None, rows: int) -> FirstRow:
    if rule == "keep" and token >= rows:
        raise ModelError(f"mask row: keep: the table has {rows} rows and none for {token} to keep. Use mean, zero or token:ID.")
    try:
        return row_of_rule(rule, tokenizer, rows)
    except ModelError as error:
        raise ModelError(f"mask row: {error}") from error


def _becomes(rule: str | None) -> str:
    """The mask token's row, for people: a clause without its subject. None: it masked before."""
    starts = {"mean": "is the mean of the trained ones", "zero": "is zeros", "keep": "is the one that was there"}
    return "is kept as it was trained" if rule is None else starts.get(rule, f"is that of {rule.replace(':', ' ')}")


def _shapes(
    component: Model, config: Mapping[str, Any], facts: Facts, origin: Origin, sources: list[TensorSource]
) -> dict[str, tuple[int, ...]]:
    """Of every tensor, by the network on meta, which the origin's have to fit."""
    network = meta_network(component, config, facts, "float32")
    check_folder(network, origin, sources)
    return folder_shapes(network, sources)


def _config(
    component: Model, config: Mapping[str, Any], facts: Facts, tokenizer: Tokenizer | None, dtype: torch.dtype
) -> dict[str, Any]:
    """config.json in the layout of its family; ids that it leaves out are the tokenizer's."""
    model_type = str(config["model_type"])
    layout = model_type if model_type in component.layouts else component.layouts[0]
    ids = {key: getattr(tokenizer, key, None) if config.get(key) is None else config[key] for key in SPECIAL_IDS}
    written = component.folder_config(
        {**config, **ids},
        layout=layout,
        bidirectional=facts.attention_mask["use"] != "causal",
        mask_token_id=facts.mask_token_id,
    )
    return written | {"dtype": str(dtype).removeprefix("torch.")}


def _generation(origin: NamedTensors, config: Mapping[str, Any]) -> dict[str, Any]:
    """generation_config.json: the origin's own, else the special ids."""
    own = origin.folder / GENERATION
    return read_json(own) if own.is_file() else {key: config[key] for key in SPECIAL_IDS if config.get(key) is not None}
