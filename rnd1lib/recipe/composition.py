"""What a recipe's parts ask of each other: each pair that does not compose, in a sentence, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rnd1lib.recipe.sections import TrainSection
from rnd1lib.recipe.structure import Structure
from rnd1lib.recipe.typed import Key
from rnd1lib.registry import did_you_mean

Misfit = tuple[Key, str]


def misfits(made: Mapping[Key, Any], structure: Structure) -> Iterator[Misfit]:
    """Key and sentence for each pair of choices that do not go together.

    made: the components by their key in the recipe; None for one that could not be made. Reads attributes alone.
    """
    names = {key: use for key, (_, use, _) in structure.references.items()}
    objective, model, mask = (made.get((kind,)) for kind in ("objective", "model", "attention_mask"))
    if objective is not None and objective.corrupts and structure.tree.get("noise") is None:
        yield ("noise",), f"noise: missing. objective {names['objective',]!r} corrupts, so it needs a noise schedule."
    if model is not None:
        yield from _flavor(model, structure)
        if structure.model and structure.model.flavor in model.flavors:
            for option, sentence in losses_without_routers(objective, model.flavors[structure.model.flavor]):
                yield ("objective", option), f"objective {names['objective',]!r}: {sentence}"
    if mask is not None and structure.train is not None:
        yield from _blocks(mask, names["attention_mask",], structure.train)
    if getattr(mask, "doubled", False) and objective is not None and not objective.corrupts:
        yield (
            ("objective",),
            f"objective {names['objective',]!r} masks nothing, and attention_mask {names['attention_mask',]!r} trains on noisy "
            "blocks beside clean ones. Use an objective that corrupts, or attention_mask: causal.",
        )
    yield from _compiled_fit(mask, structure)
    yield from _length(made.get(("data",)), structure)


def losses_without_routers(objective: Any, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Option and sentence for each loss of the routers that `objective` asks of a network without experts (config.json)."""
    if not (config.get("num_experts") or config.get("num_local_experts")):
        for name in ("balance", "z"):
            if getattr(objective, name, 0):
                yield name, f"{name}: this model has no experts, so there are no routers to hold to it. Use 0."


def _blocks(mask: Any, name: str, train: TrainSection) -> Iterator[Misfit]:
    if train.times.per == "block" and not hasattr(mask, "block_length"):
        yield (
            ("train", "times", "per"),
            f"train.times.per: 'block' needs an attention mask with blocks, and {name!r} has none. "
            "Use block_diffusion or block_causal, or times per: row.",
        )
    if getattr(mask, "doubled", False) and mask.sequence_length != train.sequence_length:
        yield (
            ("attention_mask", "sequence_length"),
            f"attention_mask {name!r}: sequence_length: {mask.sequence_length} is not train.sequence_length, "
            f"{train.sequence_length}. Write ${{train.sequence_length}}.",
        )


def _compiled_fit(mask: Any, structure: Structure) -> Iterator[Misfit]:
    if getattr(mask, "fit_steps", 0) and structure.titan.get("compile", {}).get("enable"):
        yield (
            ("titan", "compile", "enable"),
            "titan.compile.enable: a compiled network passes over the hooks by which attention is fitted: nothing would "
            "be. Do not compile, or use attention_mask.fit_steps=0.",
        )


def _length(data: Any, structure: Structure) -> Iterator[Misfit]:
    if structure.train and structure.train.epochs is not None and getattr(data, "endless", False):
        use = structure.tree["data"]["use"]
        yield ("train", "epochs"), f"train.epochs: the documents of {use!r} are not counted beforehand. Give steps or tokens."


def _flavor(model: Any, structure: Structure) -> Iterator[Misfit]:
    section = structure.model
    if section and section.flavor is not None and section.flavor not in model.flavors:
        known = ", ".join(model.flavors)
        meant = did_you_mean(section.flavor, model.flavors)
        yield ("model", "flavor"), f"model {section.use!r}: flavor: there is no {section.flavor!r}.{meant} Flavors: {known}."
