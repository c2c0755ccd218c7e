"""Packed rows as torchtitan's data loader: clean tokens, and labels that count what may be masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchtitan.components.dataloader import BaseDataLoader
from torchtitan.components.loss import IGNORE_INDEX
from torchtitan.components.tokenizer import BaseTokenizer

from rnd1lib.data import PackedRows, Tally, merge_states


class RowLoader(BaseDataLoader):
    """Gives a rank its micro-batches: micro-batch m of rank r starts at row (m * world + r) * rows of the global batch."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        """packed: the rows of the whole run. global_rows: rows of a step's global batch."""

        packed: PackedRows
        global_rows: int

        def to_dict(self) -> dict[str, Any]:
            """What torchtitan shows of it: plain data."""
            return {"global_rows": self.global_rows}

    def __init__(self, config: Config, *, dp_world_size: int, dp_rank: int, local_batch_size: int, **_: Any) -> None:
        self.packed, self.global_rows = config.packed, config.global_rows
        self.world, self.rank, self.rows = dp_world_size, dp_rank, local_batch_size
        self.next_row = 0  # counted over the whole run; the first row of the next micro-batch of rank 0

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Tensor]]:
        """Endless: (input, positions, documents, first_row in its step, row_of_run) and the labels, each [rows, L] int64."""
        while True:
            first_row = self.next_row + self.rank * self.rows
            batch = self.packed.batch(first_row, self.rows)
            self.next_row += self.world * self.rows
            inputs = {
                "input": batch.ids_BL,
                "positions": batch.positions_BL,
                "documents": batch.documents_BL,
                "first_row": first_row % self.global_rows,
                "row_of_run": first_row,
            }
            yield inputs, torch.where(batch.maskable_BL, batch.ids_BL, IGNORE_INDEX)

    def figures(self, device: torch.device) -> dict[str, Any]:
        """For metrics.jsonl, over all ranks: the documents of the first pass so far; of the rows since the last call the share
        of places that hold text, and the tokens by source.

        Every rank calls it. DataError, on every rank: more documents are broken than may be.
        """
        counts_SN = self.packed.counts().to(device)
        dist.all_reduce(counts_SN, op=dist.ReduceOp.MAX)
        *counted, through = counts_SN.sum(0).tolist()
        tally = Tally(*counted)
        self.packed.faults.weigh(tally, through=through == self.packed.streams)
        given_out = torch.tensor([*self.packed.take_filling(), *self.packed.take_tokens_by_source()], device=device)
        dist.all_reduce(given_out)
        text, places, *by_source = given_out.tolist()
        figures = {"packed": round(text / places, 4), "documents": asdict(tally)}
        if by_source:
            figures["sources"] = dict(zip(self.packed.source_names, by_source, strict=True))
        return figures

    def state_dict(self) -> dict[str, Any]:
        """The next row, and as one JSON text where every stream stands that any rank reads; every rank calls it."""
        states: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(states, self.packed.state_dict())
        return {"next_row": self.next_row, "streams": json.dumps(merge_states(states))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on behind the rows that were trained on, with as many ranks as there are now."""
        self.next_row = state_dict["next_row"]
        self.packed.load_state_dict(json.loads(state_dict["streams"]))


class NoTokenizer(BaseTokenizer):
    """torchtitan asks for a tokenizer; ours has done its work in `rnd1lib.data` before."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseTokenizer.Config):
        """No options."""

    def __init__(self, config: Config, **_: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.eos_id = 0

    def encode(self, *_: Any, **__: Any) -> list[int]:
        """Never called."""
        return []

    def decode(self, *_: Any, **__: Any) -> str:
        """Never called."""
        return ""

    def get_vocab_size(self) -> int:
        """Never called."""
        return 0
