"""README.md of an exported folder: what is known of the model, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.models.config.tensor_names import MASK_ROW
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.origins.licence import CARD, UNKNOWN
from rnd1lib.models.origins.origin import Origin
from rnd1lib.models.runs.record import RunRecord, hub_name, section
from rnd1lib.models.writing.card_of_run import evaluation, training, versions
from rnd1lib.models.writing.card_of_use import use
from rnd1lib.models.writing.markdown import table, text

SIZES = ("num_hidden_layers", "hidden_size", "vocab_size")


class Described(NamedTuple):
    """What a card is written from. title: the folder's name. config: the written config.json. licence: an id of the Hub's.

    source: what the weights were read from, where no run says what its own began as.
    """

    title: str
    model: DiffusionLM
    config: Mapping[str, Any]
    licence: str = UNKNOWN
    run: RunRecord | None = None
    source: str = ""

    @property
    def diffusion(self) -> bool:
        """Whether it was trained to fill in masks: a causal model without a noise schedule was not, and may name a token."""
        model = self.model
        causal = model.attention_mask.pattern(model.step) == "causal"
        return model.has_mask_token and not (causal and model.noise is None)


def write_card(folder: Path, described: Described) -> None:
    """Writes README.md. OSError: the disk is full."""
    (folder / CARD).write_text(card(described), encoding="utf-8")


def card(described: Described) -> str:
    """YAML front matter and sections; texts from outside are escaped, so that they are neither markup nor front matter."""
    model, run = described.model, described.run
    sections = [
        _what(described),
        use(described.config, diffusion=described.diffusion, pattern=model.attention_mask.pattern(model.step)),
        *((training(run), evaluation(run)) if run else ()),
        _limits(described),
    ]
    sections.append(versions(run.versions if run else {}))
    return front_matter(described) + "\n" + "\n\n".join(filter(None, sections)) + "\n"


def front_matter(described: Described) -> str:
    """What the Hub reads."""
    base = _init(described.run)
    bidirectional = described.config.get("is_causal") is False
    values: dict[str, Any] = {"license": described.licence, "library_name": "transformers"}
    if base and hub_name(base):
        values |= {"base_model": base, "base_model_relation": "finetune"}
    tags = ["rnd1lib", *(("diffusion", "masked-diffusion") if described.diffusion else ())]
    values["tags"] = tags + (["bidirectional"] if bidirectional else [])
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()) + "---\n"


def made_from(name: str, origin: Origin) -> str:
    """What `name` is the name of, with what was dequantised."""
    return f"{name}, tensors of {', '.join(origin.types)}" if origin.types else name


def _what(described: Described) -> str:
    model, run, config = described.model, described.run, described.config
    about = text(run.recipe.get("about") or "") if run else ""
    kind = "A masked diffusion language model." if described.diffusion else _autoregressive(model)
    pattern = {"full": "bidirectional", "causal": "causal", "custom": type(model.attention_mask).__name__}
    rows = {
        "architecture": ", ".join(config.get("architectures") or []),
        "parameters": f"{sum(each.numel() for name, each in model.network.named_parameters() if name != MASK_ROW):,}",
        "layers, width, vocabulary": ", ".join(str(model.config[key]) for key in SIZES),
        "dtype": config.get("dtype"),
        "attention": pattern[model.attention_mask.pattern(model.step)],
        "shift": f"{model.shift}: row i of the logits predicts token {'i + 1' if model.shift else 'i'}",
        "mask token": _mask_token(model),
        "positions": f"{model.context_length:,}",
    }
    if source := _made_from(described):
        rows["made from"] = source
    return "\n\n".join(filter(None, [f"# {text(described.title)}", about, kind, table(rows)]))


def _autoregressive(model: DiffusionLM) -> str:
    if not model.has_mask_token:
        return "An autoregressive language model, without a mask token."
    return "An autoregressive language model. Its mask token is for a training to come: none taught it to fill that in."


def _mask_token(model: DiffusionLM) -> str:
    if not model.has_mask_token:
        return "none"
    known = model.tokenizer and model.tokenizer.with_mask_token(model.mask_token_id).config.get("mask_token")
    return f"{model.mask_token_id}{f' {known}' if isinstance(known, str) else ''}"


def _made_from(described: Described) -> str:
    run = described.run
    if run is None:
        return described.source
    return _init(run) or ("random weights" if section(run.recipe, "model") else "")


def _init(run: RunRecord | None) -> str | None:
    init = section(run.recipe, "model").get("init") if run else None
    return init if isinstance(init, str) else None


def _limits(described: Described) -> str:
    model = described.model
    lines = ["## Limits", ""]
    if described.run is None:
        lines.append("- How this model was trained and evaluated is not recorded in what it was written from.")
    elif not described.run.evaluations:
        lines.append("- It was not evaluated during its training.")
    else:
        lines.append("- Nothing but the figures above was measured; they say nothing about facts, safety or other languages.")
    if model.has_mask_token:
        lines.append(f"- The logit of the mask token, {model.mask_token_id}, means nothing: leave it out when sampling.")
    lines.append(f"- A row has at most {model.context_length:,} tokens.")
    return "\n".join(lines)
