"""Packed rows as a person reads them: documents, what is masked, what is scored with which weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from rnd1lib.kinds import Batch, Noised, Targets
from rnd1lib.views.pieces import CONTROL

if TYPE_CHECKING:
    from torch import Tensor

STYLES = {"masked": "black on yellow", "prompt": "cyan", "visible": ""}
MARKS = {"masked": ("⟦", "⟧"), "prompt": ("⟨", "⟩"), "visible": ("", "")}
LEGEND = (("masked", "masked"), ("prompt", "never masked"), ("visible", "visible now"))
SHOWN = CONTROL | {9: "→", 10: "↵"}


class CorruptedRows(NamedTuple):
    """Rows of a step as the model and the loss see them.

    decode: ids to text. special: ids of start, end and padding, which are named and counted. shift: of the logit rows.
    """

    batch: Batch
    noised: Noised
    targets: Targets
    decode: Callable[[Sequence[int]], str]
    special: frozenset[int]
    shift: int


def print_rows(rows: CorruptedRows, console: Console) -> None:
    """Prints each row; what the data say is text: neither markup nor control characters of it reach the terminal."""
    legend = Text("legend: ")
    for kind, words in LEGEND:
        legend.append(_marked(kind, words)).append("  ")
    console.print(legend.append(f"logit row i predicts token i{' + 1' * bool(rows.shift)}", "dim"))
    for row in range(len(rows.batch.ids_BL)):
        masked = int(rows.noised.masked_BL[row].sum())
        maskable = int(rows.batch.maskable_BL[row].sum())
        console.print()
        console.print(
            Text(f"row {row}: t {_range(rows.noised.t_B[row])}, {masked} of {maskable} maskable tokens masked", "bold"),
            soft_wrap=True,
        )
        for line in _documents(rows, row):
            console.print(line, soft_wrap=True)


def _documents(rows: CorruptedRows, row: int) -> Iterator[Text]:
    numbers_L = rows.batch.documents_BL[row]
    for count, number in enumerate(dict.fromkeys(numbers_L.tolist()), 1):
        places = (numbers_L == number).nonzero()[:, 0].tolist()
        yield Text(f"document {count}, places {places[0]} to {places[-1]}:", "dim")
        yield _text(rows, row, places)
        scored = [place for place in places if int(rows.targets.labels_BL[row, place]) >= 0]
        weighed = _weighed(rows.targets.weights_BL[row], scored)
        if weighed:
            yield Text(f"scored logit rows: {weighed}", "dim")


def _text(rows: CorruptedRows, row: int, places: Sequence[int]) -> Text:
    """A document's tokens, each run of one kind decoded as a whole, so that a character of two tokens stays whole."""
    ids, masked = rows.batch.ids_BL[row].tolist(), rows.noised.masked_BL[row].tolist()
    maskable = rows.batch.maskable_BL[row].tolist()

    def kind(place: int) -> tuple[str, int | None]:
        name = "masked" if masked[place] else "visible" if maskable[place] else "prompt"
        return name, ids[place] if ids[place] in rows.special else None

    text = Text()
    for (name, special), run in groupby(places, key=kind):
        tokens = [ids[place] for place in run]
        times = f" * {len(tokens)}" if special is not None and len(tokens) > 1 else ""
        decoded = rows.decode(tokens if special is None else tokens[:1]) + times
        text.append(_marked(name, decoded.translate(SHOWN)))
    return text


def _marked(kind: str, words: str) -> Text:
    before, behind = MARKS[kind]
    return Text(f"{before}{words}{behind}", STYLES[kind])


def _weighed(weights_L: Tensor, places: Sequence[int]) -> str:
    """`3-5, 9 (weight 2.31)`: the places by their weight, in the order of their first."""
    by_weight: dict[str, list[int]] = {}
    for place in places:
        weight = float(weights_L[place])
        if weight:
            by_weight.setdefault(f"{weight:.4g}", []).append(place)
    return "; ".join(f"{_ranges(each)} (weight {weight})" for weight, each in by_weight.items())


def _ranges(places: Sequence[int]) -> str:
    runs = [
        [place for _, place in run] for _, run in groupby(enumerate(places), key=lambda numbered: numbered[1] - numbered[0])
    ]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _range(t: Tensor) -> str:
    """A row's noise level; where each block has one, the lowest and the highest."""
    low, high = float(t.min()), float(t.max())
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f} by block"
