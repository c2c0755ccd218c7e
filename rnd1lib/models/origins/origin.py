"""Where the weights of a network come from: one interface over Hugging Face folders, runs and what else holds tensors."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnd1lib.errors import ModelError, Rnd1Error
from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.tensor_names import TABLE
from rnd1lib.models.origins.listing import folded
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import Tokenizer

CONFIGS = re.compile("^config.json: ", re.MULTILINE)

Box = tuple[slice, ...]
"""A part of a tensor: where it begins and ends along each dimension; dimensions that are left out are whole."""

TIED = "lm_head.weight"
"""The head, which a tied folder may hold once more."""
ROWS = 4096
"""Of a table, compared at a time."""


@dataclass(frozen=True)
class Origin(ABC):
    """Weights that a network can be filled with. path: what its errors call it. config: in transformers' words."""

    path: Path
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where `rnd1_config.json` lies, if there is one."""
        return self.path

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Its own, if it has one. Raises ModelError."""
        return load_tokenizer(self.folder)

    @property
    def dtype(self) -> torch.dtype:
        """The narrowest in which none of its weights is rounded."""
        return torch.float32

    @property
    def types(self) -> list[str]:
        """Of what its tensors are dequantised, the most common first; empty where nothing is."""
        return []

    @abstractmethod
    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """Raises ModelError (CheckpointError for a run) unless it has what parameters of these shapes are made of."""

    @abstractmethod
    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """Copies `box` of a parameter into `out`, on any device and in its dtype, reading little more than that."""

    @contextmanager
    def whose_config(self) -> Iterator[None]:
        """What is wrong with a config.json is raised with the place where it lies."""
        try:
            yield
        except ModelError as error:
            place = f"{self.folder}/config.json: " if self.folder.is_dir() else f"{self.path}: "
            raise ModelError(CONFIGS.sub(place, str(error))) from error

    def not_finite(self, parameter: str, tensor: str) -> Rnd1Error:
        """What is raised for weights that are no numbers, under their name in the network and in a folder."""
        return ModelError(f"{self.path}: the weights {tensor} are not finite, so the model computes nothing.")


@dataclass(frozen=True)
class NamedTensors(Origin):
    """An origin that holds tensors under Hugging Face names, whichever file format that is."""

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of every tensor."""

    @abstractmethod
    def tensor(self, name: str, box: Box = ()) -> Tensor:
        """A tensor or a part of it, on the CPU, in the dtype in which it is stored; it may be lent, and is not written to."""

    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """Raises ModelError with a line for each tensor that is missing, unexpected, or of another shape or kind."""
        sources = list(sources)
        expected = {
            name: shapes[source.parameter][1:] if source.stacked else shapes[source.parameter]
            for source in sources
            for name in source.tensors
        }
        if problems := self.problems(expected) or self._another_head(sources):
            raise ModelError("\n".join(f"{self.path}: {problem}" for problem in problems))

    def problems(self, expected: Mapping[str, tuple[int, ...]]) -> list[str]:
        """A sentence for each, long lists of one kind folded."""
        found = self.shapes
        tied = bool(self.config.get("tie_word_embeddings", False))
        unexpected = [name for name in found if name not in expected and not (tied and name == TIED)]
        return [
            *folded([f"{name}: missing." for name in expected if name not in found], "missing"),
            *folded([f"{name}: unexpected." for name in unexpected], "unexpected"),
            *folded(
                [
                    f"{name}: has shape {list(found[name])}, config.json asks for {list(shape)}."
                    for name, shape in expected.items()
                    if name in found and found[name] != shape
                ],
                "of another shape",
            ),
        ]

    def _another_head(self, sources: Sequence[TensorSource]) -> list[str]:
        """A tied network has no head of its own: transformers 5 leaves one that is stored and differs untied."""
        if not self.config.get("tie_word_embeddings") or TIED not in self.shapes:
            return []
        (table,) = next(source.tensors for source in sources if source.parameter == TABLE)
        parts = [(slice(start, start + ROWS),) for start in range(0, self.shapes[table][0], ROWS)]
        if self.shapes[TIED] == self.shapes[table] and all(self.tensor(TIED, p).equal(self.tensor(table, p)) for p in parts):
            return []
        return [f"{TIED}: differs from {table}, to which config.json ties it. Say tie_word_embeddings: false there."]

    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """Of a stacked parameter only the tensors that lie in the box, and of these only their part of it."""
        if not source.stacked:
            (name,) = source.tensors
            out.copy_(self.tensor(name, box))
            return
        for slot, name in zip(out, source.tensors[box[0]], strict=True):
            slot.copy_(self.tensor(name, box[1:]))
