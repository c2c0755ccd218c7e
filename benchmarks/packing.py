"""The share of places that hold text: our rows against padding a batch and against packing documents as they come.

Lengths like those of instruction data (log-normal, cut at a row) through a source of ids, and the embedded corpus with a
tokenizer of 4096. Rows are those of a run, over one pass: windows of each stream, packed by first-fit decreasing; the last
window of a pass, which is not filled up, included. `python benchmarks/packing.py`.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnd1_plugins.data.python_docs import corpus

from rnd1lib.data import PackedRows
from rnd1lib.kinds import Document
from rnd1lib.models.tokens.tokenizer import train_tokenizer

ROW, BATCH, STREAMS, DOCUMENTS = 2048, 8, 64, 8000
FRAME = 2  # a start token before each document, an end-of-text behind it


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Documents of token ids."""

    ids: tuple[Sequence[int], ...]

    def documents(self, stream: int, streams: int, cursor: int | None = None) -> Iterator[Document]:
        """Document i belongs to stream i mod `streams`."""
        for number in range(stream if cursor is None else cursor + streams, len(self.ids), streams):
            yield Document(self.ids[number], number)


def packed(data: Encoded, row: int) -> float:
    """The share of our rows that is no padding, over one pass."""
    rows = PackedRows(
        data,
        lambda text: [],
        sequence_length=row,
        streams=STREAMS,
        seed=0,
        shift=1,
        start_token_id=0,
        end_token_id=0,
        pad_token_id=0,
    )
    return sum(len(ids) + FRAME for ids in data.ids) / (row * rows.epoch_rows())


def padded(lengths: Sequence[int], row: int | None) -> float:
    """A document a row; rows of `row` places, or (None) of the longest of a batch of 8."""
    batches = [lengths[start : start + BATCH] for start in range(0, len(lengths), BATCH)]
    return sum(lengths) / sum((row or max(batch)) * len(batch) for batch in batches)


def as_they_come(lengths: Sequence[int], row: int) -> float:
    """Each document into the row at hand if it fits, else into a new one; none is split."""
    rows, left = 1, row
    for length in lengths:
        if length > left:
            rows, left = rows + 1, row
        left -= length
    return sum(lengths) / (rows * row)


def drawn(median: float, spread: float) -> Encoded:
    """Documents with log-normal lengths, at most a row."""
    chance = random.Random(0)
    lengths = (min(ROW - FRAME, 1 + int(median * chance.lognormvariate(0, spread))) for _ in range(DOCUMENTS))
    return Encoded(ids=tuple(range(length) for length in lengths))


def main() -> None:
    """Prints a table and a JSON line; fails below 98 %."""
    tokenizer = train_tokenizer(corpus(), 4096)
    docs = Encoded(ids=tuple(tokenizer.encode_document(text) for text in corpus()))
    sets = {"instructions": (drawn(290, 1.0), ROW), "short instructions": (drawn(148, 0.8), ROW)}
    sets |= {f"python_docs, rows of {row}": (docs, row) for row in (256, 2048)}
    print("| documents | mean length | padded to 2048 | padded in batches of 8 | as they come | ours |")
    print("| --- | --- | --- | --- | --- | --- |")
    shares = {}
    for name, (data, row) in sets.items():
        lengths = [len(ids) + FRAME for ids in data.ids]
        peers = [padded(lengths, row), padded(lengths, None), as_they_come(lengths, row)] if max(lengths) <= row else []
        shares[name] = [*peers, packed(data, row)]
        cells = [f"{share:.3f}" for share in peers] or ["-"] * 3
        print(f"| {name} | {sum(lengths) / len(lengths):.0f} | {' | '.join(cells)} | {shares[name][-1]:.4f} |")
    rounded = {name: [round(share, 4) for share in each] for name, each in shares.items()}
    print("\n" + json.dumps({"benchmark": "packing", "streams": STREAMS, "shares": rounded}))
    assert all(each[-1] >= 0.98 for each in shares.values()), "packing fills less than 98 %"


if __name__ == "__main__":
    main()
