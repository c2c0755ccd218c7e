"""What a recipe's parts ask of each other: each pair that does not compose, in a sentence, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rnd1lib.kinds import StructuralMask
from rnd1lib.kinds.model import experts_of
from rnd1lib.recipe.arithmetic import rows_of_batch, steps
from rnd1lib.recipe.structure import Structure
from rnd1lib.recipe.train_section import TrainSection
from rnd1lib.recipe.typed import Key, Misfit
from rnd1lib.registry import did_you_mean


def misfits(made: Mapping[Key, Any], structure: Structure) -> Iterator[Misfit]:
    """Key and sentence for each pair of choices that do not go together.

    made: the components by their key in the recipe; None for one that could not be made. Reads attributes alone.
    """
    names = {key: use for key, (_, use, _) in structure.references.items()}
    objective, model, mask = (made.get((kind,)) for kind in ("objective", "model", "attention_mask"))
    if objective is not None and objective.corrupts and structure.tree.get("noise") is None:
        yield Misfit(("noise",), f"noise: missing. objective {names['objective',]!r} corrupts, so it needs a noise schedule.")
    if model is not None:
        yield from _flavor(model, structure)
        if structure.model and structure.model.flavor in model.flavors:
            for option, sentence in losses_without_routers(objective, model.flavors[structure.model.flavor]):
                yield Misfit(("objective", option), f"objective {names['objective',]!r}: {sentence}")
    if mask is not None and structure.train is not None:
        yield from _blocks(mask, names["attention_mask",], structure.train)
    if mask is not None and objective is not None and not objective.corrupts:
        yield from _clean_text(mask, names)
    if isinstance(mask, StructuralMask):
        yield from _structural(mask, structure, names)
    yield from _length(made.get(("data",)), structure)
    yield from _last_checkpoint(structure.titan.get("checkpoint"))


def losses_without_routers(objective: Any, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Option and sentence for each loss of the routers that `objective` asks of a network without experts (config.json)."""
    if not experts_of(config):
        for name in ("balance", "z"):
            if getattr(objective, name, 0):
                yield name, f"{name}: this model has no experts, so there are no routers to hold to it. Use 0."


def _blocks(mask: Any, name: str, train: TrainSection) -> Iterator[Misfit]:
    if train.times.per == "block" and not hasattr(mask, "block_length"):
        yield Misfit(
            ("train", "times", "per"),
            f"train.times.per: 'block' needs an attention mask with blocks, and {name!r} has none. "
            "Use block_diffusion or block_causal, or times per: row.",
        )
    if getattr(mask, "doubled", False) and mask.sequence_length != train.sequence_length:
        yield Misfit(
            ("attention_mask", "sequence_length"),
            f"attention_mask {name!r}: sequence_length: {mask.sequence_length} is not train.sequence_length, "
            f"{train.sequence_length}. Write ${{train.sequence_length}}.",
        )


def _clean_text(mask: Any, names: Mapping[Key, str]) -> Iterator[Misfit]:
    """An objective that masks nothing: whoever sees what stands after a token sees what it is to predict."""
    objective, name = names["objective",], names["attention_mask",]
    if isinstance(mask, StructuralMask):
        what = f"changes a diffusion model in the middle of its run, and objective {objective!r} trains none."
    elif getattr(mask, "doubled", False):
        what = f"trains on noisy blocks beside clean ones, and objective {objective!r} masks nothing."
    elif getattr(mask, "block_length", 1) > 1 or "full" in (mask.pattern(0), mask.pattern(2**62)):
        what = f"shows a token what stands after it, which objective {objective!r} asks it to predict."
    else:
        return
    yield Misfit(
        ("attention_mask",), f"attention_mask {name!r}: it {what} Use attention_mask: causal, or an objective that corrupts."
    )


def _length(data: Any, structure: Structure) -> Iterator[Misfit]:
    if structure.train and structure.train.epochs is not None and getattr(data, "endless", False):
        use = structure.tree["data"]["use"]
        yield Misfit(
            ("train", "epochs"), f"train.epochs: the documents of {use!r} are not counted beforehand. Give steps or tokens."
        )


def _last_checkpoint(section: Any) -> Iterator[Misfit]:
    if isinstance(section, Mapping) and section.get("last_save_model_only"):
        sentence = "no run could go on from such a checkpoint. Use `rnd1 export` when the run has ended."
        yield Misfit(("titan", "checkpoint", "last_save_model_only"), f"titan.checkpoint.last_save_model_only: {sentence}")


def _flavor(model: Any, structure: Structure) -> Iterator[Misfit]:
    section = structure.model
    if section and section.flavor is not None and section.flavor not in model.flavors:
        known = ", ".join(model.flavors)
        meant = did_you_mean(section.flavor, model.flavors)
        yield Misfit(
            ("model", "flavor"), f"model {section.use!r}: flavor: there is no {section.flavor!r}.{meant} Flavors: {known}."
        )


def nothing_behind(mask: Any, total: int) -> Iterator[str]:
    """A sentence if a mask that changes the model does so, and is fitted, too late in a run of `total` steps."""
    if isinstance(mask, StructuralMask) and mask.after + mask.fit_steps >= total:
        taken = f"{mask.after}{f' and {mask.fit_steps} steps of fit' if mask.fit_steps else ''}"
        yield f"after: {taken} leave nothing of the run's {total} steps to go on with. Lower it, or train longer."


def _structural(mask: StructuralMask, structure: Structure, names: Mapping[Key, str]) -> Iterator[Misfit]:
    """A mask that changes the model in the middle of the run: there are steps on both sides, and whole batches to fit to."""
    who, train = f"attention_mask {names['attention_mask',]!r}", structure.train
    if train is None or train.batch_tokens % train.sequence_length:
        return
    if train.epochs is None:
        yield from (Misfit(("attention_mask", "after"), f"{who}: {what}") for what in nothing_behind(mask, steps(train)))
    rows = rows_of_batch(train.batch_tokens, train.sequence_length)
    if mask.fit_steps and mask.fit_rows % rows:
        nearest = max(1, round(mask.fit_rows / rows)) * rows
        what = f"fit_rows: {mask.fit_rows} is no multiple of the {rows} rows of a step."
        yield Misfit(("attention_mask", "fit_rows"), f"{who}: {what} Nearest: {nearest}.")
