"""From a plan to what the trainer is built of: tokenizer, mask token, groups, rows. Rank 0 writes, the others read."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from rnd1lib.data import PackedRows, held_out
from rnd1lib.diffusion import Times
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Batch, Build, Data
from rnd1lib.models.facts import Facts, read_facts
from rnd1lib.models.folder import CONFIG, read_json
from rnd1lib.models.run_folder import RunFolder
from rnd1lib.models.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from rnd1lib.recipe.arithmetic import Batching, steps, warmup_steps
from rnd1lib.titan.groups import Claim, claim, frozen_parameters
from rnd1lib.titan.plan import Plan, run_tokenizer
from rnd1lib.titan.records import replace_text

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class Prepared:
    """A run that can be built, the same on every rank. The run folder's `model/` exists and says what was decided."""

    def __init__(self, recipe: Recipe, plan: Plan, folder: RunFolder) -> None:
        self.recipe, self.plan = recipe, plan
        if dist.get_rank() == 0 and not (folder.model / CONFIG).is_file():
            _write_model_folder(recipe, plan, folder)
        dist.barrier()
        self.model_config = read_json(folder.model / CONFIG)
        self.facts = read_facts(folder.model, self.model_config)
        self.tokenizer = load_tokenizer(folder.model)

    @property
    def batching(self) -> Batching:
        """How a step's rows are dealt out."""
        return self.plan.batching

    @cached_property
    def build(self) -> Build:
        """What the network has to know beyond its config."""
        train = self.recipe.train
        return Build(
            mask_token_id=self.facts.mask_token_id,
            seed=train.seed,
            sequence_length=max(train.sequence_length, self.model_config.get("max_position_embeddings", 0)),
            compute_dtype={"float32": "float32", "bf16": "bfloat16"}[train.precision],
            frozen=frozen_parameters(self.claims),
        )

    @cached_property
    def claims(self) -> list[Claim]:
        """The learning-rate groups with the parameters that they claim."""
        components = self.recipe.components
        names = [source.parameter for source in components.model.tensors(self.model_config)]
        return claim(components.lr_groups.groups(names), names, mask_row=self.facts.mask_token_id is not None)

    @cached_property
    def times(self) -> Times:
        """How noise levels are drawn."""
        section = self.recipe.train.times
        return Times(draw=section.draw, low=section.low, high=section.high)

    @cached_property
    def steps(self) -> int:
        """The last step of the whole run."""
        train = self.recipe.train
        return steps(train, epoch_rows=self.packed.epoch_rows() if train.epochs is not None else None)

    @cached_property
    def warmup(self) -> int:
        """Steps of linear warm-up."""
        return warmup_steps(self.recipe.train.warmup, self.steps)

    @cached_property
    def is_held_out(self) -> Callable[[Any], bool] | None:
        """Which documents no step trains on: those of an evaluator that has no data of its own; None if there is none."""
        evaluators = self.recipe.components.evaluators.values()
        if all(getattr(evaluator, "data", evaluator) is not None for evaluator in evaluators):
            return None
        return held_out(self.recipe.components.data)

    @cached_property
    def packed(self) -> PackedRows:
        """The rows of the whole run."""
        is_held_out = self.is_held_out
        keep = None if is_held_out is None else lambda content: not is_held_out(content)
        return self._rows(self.recipe.components.data, keep)

    def held_out_batches(self, rows: int, data: Data | None) -> list[tuple[int, Batch]]:
        """This rank's micro-batches of at most `rows` held-out rows; what fills the last ones up is not maskable."""
        packed = self._rows(self.recipe.components.data if data is None else data, self.is_held_out if data is None else None)
        rows, size = min(rows, packed.epoch_rows()), self.batching.micro_batch_rows
        batches = []
        for start in range(0, rows, size * dist.get_world_size()):
            first_row = start + dist.get_rank() * size
            batch = packed.batch(first_row, size)
            batch.maskable_BL[max(0, rows - first_row) :] = False
            batches.append((first_row, batch))
        return batches

    def _rows(self, data: Data, keep: Callable[[Any], bool] | None) -> PackedRows:
        ends = self.model_config["eos_token_id"]
        starts, pads = self.model_config.get("bos_token_id"), self.model_config.get("pad_token_id")
        return PackedRows(
            data,
            _no_tokenizer if self.tokenizer is None else self.tokenizer.encode_document,
            sequence_length=self.recipe.train.sequence_length,
            streams=self.recipe.train.streams,
            seed=self.recipe.train.seed,
            shift=self.recipe.components.objective.shift,
            start_token_id=ends if starts is None else starts,
            end_token_id=ends,
            pad_token_id=ends if pads is None else pads,
            keep=keep,
            vocab_size=self.model_config["vocab_size"],
            mask_token_id=self.facts.mask_token_id,
        )


def _write_model_folder(recipe: Recipe, plan: Plan, folder: RunFolder) -> None:
    """`model/`: the tokenizer (trained now if the recipe says so), rnd1_config.json, and last of all config.json."""
    folder.model.mkdir(parents=True, exist_ok=True)
    tokenizer = _trained(recipe) if isinstance(recipe.model.tokenizer, dict) else run_tokenizer(recipe, plan.start)
    config = dict(plan.start.config)
    if tokenizer is not None:
        if tokenizer.vocab_size > config["vocab_size"]:
            count, room = tokenizer.vocab_size, config["vocab_size"]
            raise RecipeError(f"model.tokenizer: its {count} tokens do not fit the model's vocabulary of {room}.")
        tokenizer.save(folder.model)
        if isinstance(recipe.model.tokenizer, dict):
            config |= {key: getattr(tokenizer, key) for key in SPECIAL_IDS}
        config |= {key: getattr(tokenizer, key) for key in SPECIAL_IDS if config.get(key) is None}
    if config.get("eos_token_id") is None:
        raise RecipeError("model: neither config.json nor the tokenizer names an end-of-text token (eos_token_id).")
    if isinstance(config["eos_token_id"], list):
        config["eos_token_id"] = config["eos_token_id"][0]
    _facts(recipe, plan, tokenizer, config).write(folder.model)
    replace_text(folder.model / CONFIG, json.dumps(config, indent=2) + "\n")


def _facts(recipe: Recipe, plan: Plan, tokenizer: Tokenizer | None, config: dict[str, Any]) -> Facts:
    """What the run's models will say of themselves; an autoregressive one has no mask token."""
    objective = recipe.components.objective
    return Facts(
        shift=objective.shift,
        mask_token_id=_mask_token_id(recipe, plan, tokenizer, config) if objective.corrupts else None,
        attention_mask=recipe.tree["attention_mask"],
        noise=recipe.tree.get("noise") if objective.corrupts else None,
    )


def _mask_token_id(recipe: Recipe, plan: Plan, tokenizer: Tokenizer | None, config: dict[str, Any]) -> int:
    candidates = (recipe.model.mask_token_id, plan.start.mask_token_id, tokenizer.mask_token_id if tokenizer else None)
    chosen = next((token for token in candidates if token is not None), None)
    if chosen is None:
        raise RecipeError(
            "model.mask_token_id: missing. This objective masks tokens, and neither model.init nor the tokenizer names a mask "
            "token. Name an id that no text uses, such as a spare row of the embedding table."
        )
    if chosen >= config["vocab_size"]:
        raise RecipeError(f"model.mask_token_id: {chosen} is outside the vocabulary of {config['vocab_size']} tokens.")
    return chosen


def _trained(recipe: Recipe) -> Tokenizer:
    documents = recipe.components.data.documents(0, 1)
    texts = (document.content for document in documents if isinstance(document.content, str))
    return train_tokenizer(texts, recipe.model.tokenizer["train"])


def _no_tokenizer(text: str) -> list[int]:
    raise RecipeError("model.tokenizer: missing. The data are texts, and there is no tokenizer beside model.init.")
