"""From a plan to what the trainer is built of: tokenizer, mask token, groups, rows. Rank 0 writes, the others read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from rnd1lib.data import Faults, PackedRows, held_out, whole_documents
from rnd1lib.diffusion import Times, VariableLength
from rnd1lib.errors import DataError, RecipeError
from rnd1lib.kinds import Batch, Build, Data
from rnd1lib.models.origins.facts import read_facts
from rnd1lib.models.origins.folder import CONFIG, read_config
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.recipe.arithmetic import Batching, Stage, share, span_steps, stages, steps
from rnd1lib.recipe.composition import nothing_behind
from rnd1lib.titan.optimizer.groups import Claim, frozen_parameters
from rnd1lib.titan.preparation.mask_choice import choose_row
from rnd1lib.titan.preparation.model_folder import write_model_folder
from rnd1lib.titan.preparation.plan import Plan, claims
from rnd1lib.titan.preparation.precision import COMPUTE_DTYPE
from rnd1lib.titan.ranks import on_every_rank

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe


class Prepared:
    """A run that can be built, the same on every rank. The run folder's `model/` exists and says what was decided."""

    def __init__(self, recipe: Recipe, plan: Plan, folder: RunFolder) -> None:
        self.recipe, self.plan = recipe, plan
        self._held_out: dict[tuple[int, str], list[tuple[int, Batch]]] = {}
        on_every_rank(lambda: self._write_model(folder) if dist.get_rank() == 0 else None)
        self.model_config = read_config(folder.model)
        self.facts = read_facts(folder.model, self.model_config)
        self.tokenizer = load_tokenizer(folder.model)

    def _write_model(self, folder: RunFolder) -> None:
        if not folder.begun:
            shutil.rmtree(folder.model, ignore_errors=True)  # of a first start that failed, with another recipe perhaps
        if not (folder.model / CONFIG).is_file():
            write_model_folder(self.recipe, self.plan.start, folder.model)

    @property
    def settled_recipe(self) -> Recipe:
        """The recipe as the run folder records it: lengths given as shares are settled at the first start."""
        return self.recipe.settle(self.steps)

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
            compute_dtype=COMPUTE_DTYPE[train.precision],
            frozen=frozen_parameters(self.claims),
            loss=train.loss,
        )

    @cached_property
    def mask_row(self) -> FirstRow | None:
        """What the mask token's row starts from, if there is one."""
        token = self.facts.mask_token_id
        return None if token is None else choose_row(self.recipe, self.plan.start, token, self.tokenizer)

    @cached_property
    def claims(self) -> list[Claim]:
        """The learning-rate groups with the parameters that they claim."""
        return claims(self.recipe, self.model_config)

    @cached_property
    def times(self) -> Times:
        """How noise levels are drawn."""
        return Times(**asdict(self.recipe.train.times))

    @cached_property
    def variable_length(self) -> VariableLength | None:
        """Which rows are cut short; None: none."""
        section = self.recipe.train.variable_length
        return None if section is None else VariableLength(share=share(section.share), shortest=section.shortest)

    @property
    def end_token_id(self) -> int:
        """The end-of-text token."""
        token: int = self.model_config["eos_token_id"]
        return token

    @property
    def pad_token_id(self) -> int:
        """What fills rows up: the model's padding token, else its end-of-text."""
        token: int | None = self.model_config.get("pad_token_id")
        return self.end_token_id if token is None else token

    @cached_property
    def steps(self) -> int:
        """The last step of the whole run. RecipeError: its epochs end before the attention mask has changed the model."""
        train = self.recipe.train
        total = steps(train, epoch_rows=self.packed.epoch_rows() if train.epochs is not None else None)
        if late := list(nothing_behind(self.recipe.components.attention_mask, total)):
            raise RecipeError([f"attention_mask '{self.recipe.tree['attention_mask']['use']}': {what}" for what in late])
        return total

    @property
    def warmup(self) -> int:
        """Steps of linear warm-up."""
        return span_steps(self.recipe.train.warmup, self.recipe.train, self.steps)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What follows the warm-up."""
        return tuple(stages(self.recipe.train, self.steps))

    @cached_property
    def faults(self) -> Faults:
        """What becomes of broken documents of the run's data."""
        return Faults(self.recipe.data.most_broken, speaks=dist.get_rank() == 0)

    @cached_property
    def is_held_out(self) -> Callable[[Any], bool] | None:
        """Which documents no step trains on: those of an evaluator that has no data of its own; None if there is none."""
        evaluators = self.recipe.components.evaluators.values()
        if all(getattr(evaluator, "data", evaluator) is not None for evaluator in evaluators):
            return None
        data = self.recipe.components.data
        is_held_out = held_out(data, self.faults)
        if not any(is_held_out(document.content) for document in whole_documents(data)):
            raise DataError(
                f"nll: {data!r} has too few different documents, so that none is held out. "
                "Give the evaluator data of its own (evaluators.nll.data), or do without it (evaluators.nll=null)."
            )
        return is_held_out

    @cached_property
    def packed(self) -> PackedRows:
        """The rows of the whole run, as the trainer reads them."""
        return self.rows_from_the_start()

    def rows_from_the_start(self) -> PackedRows:
        """The rows of the whole run, from row 0, wherever another reader of them stands."""
        is_held_out = self.is_held_out
        keep = None if is_held_out is None else lambda content: not is_held_out(content)
        return self._rows(self.recipe.components.data, keep, self.recipe.train.streams, self.faults)

    def held_out_batches(self, rows: int, data: Data | None) -> list[tuple[int, Batch]]:
        """This rank's micro-batches of at most `rows` held-out rows; what fills the last ones up is not maskable."""
        key = (rows, repr(data))
        if key not in self._held_out:
            self._held_out[key] = self._pack_held_out(rows, data)
        return self._held_out[key]

    def _pack_held_out(self, rows: int, data: Data | None) -> list[tuple[int, Batch]]:
        source, keep = (data, None) if data else (self.recipe.components.data, self.is_held_out)
        faults = Faults(self.faults.limit, speaks=self.faults.speaks) if data else self.faults
        packed, size = self._rows(source, keep, 1, faults), self.batching.micro_batch_rows
        if not getattr(source, "endless", False):
            rows = min(rows, packed.epoch_rows())
        batches = []
        for start in range(0, rows, size * dist.get_world_size()):
            first_row = start + dist.get_rank() * size
            batch = packed.batch(first_row, size)
            batch.maskable_BL[max(0, rows - first_row) :] = False
            batches.append((first_row, batch))
        return batches

    def _rows(self, data: Data, keep: Callable[[Any], bool] | None, streams: int, faults: Faults) -> PackedRows:
        starts = self.model_config.get("bos_token_id")
        return PackedRows(
            data,
            _no_tokenizer if self.tokenizer is None else self.tokenizer.encode_document,
            encode_conversation=_no_tokenizer if self.tokenizer is None else self.tokenizer.encode_conversation,
            sequence_length=self.recipe.train.sequence_length,
            streams=streams,
            seed=self.recipe.train.seed,
            shift=self.recipe.components.objective.shift,
            start_token_id=self.end_token_id if starts is None else starts,
            end_token_id=self.end_token_id,
            pad_token_id=self.pad_token_id,
            keep=keep,
            vocab_size=self.model_config["vocab_size"],
            mask_token_id=self.facts.mask_token_id,
            faults=faults,
        )


def _no_tokenizer(_: Any) -> Any:
    raise RecipeError("model.tokenizer: missing. The data are texts, and there is no tokenizer beside model.init.")
