import io

import torch
from rich.console import Console

from rnd1lib.kinds import Batch, Noised, Targets
from rnd1lib.views.rows import CorruptedRows, print_rows

END, PAD = 90, 91
NAMES = {END: "<end>", PAD: "<pad>", 0: "[red]", 1: "\x1b[31m", 2: "\n", 3: "\t"}
IDS = [END, 0, 1, 2, 4, 5, END, END, 3, 6, PAD, PAD]
MASKED = [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
MASKABLE = [0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0]
DOCUMENTS = [0] * 8 + [1] * 2 + [2] * 2


def corrupted(t, weights):
    """Under shift 1: rows 3 to 6 predict the masked tokens 4 to 7."""
    ids, masked = torch.tensor([IDS]), torch.tensor([MASKED], dtype=torch.bool)
    batch = Batch(ids, torch.tensor([MASKABLE], dtype=torch.bool), torch.tensor([DOCUMENTS]), torch.zeros_like(ids))
    labels = torch.full_like(ids, -100)
    labels[0, 3:7] = ids[0, 4:8]
    noised = Noised(ids.masked_fill(masked, 99), masked, t, t)
    decode = lambda tokens: "".join(NAMES.get(token, chr(96 + token)) for token in tokens)  # noqa: E731
    return CorruptedRows(batch, noised, Targets(labels, weights), decode, frozenset({END, PAD}), 1)


def printed(t=None, weights=None, **terminal):
    t = torch.tensor([0.25]) if t is None else t
    weights = torch.tensor([[0.0] * 3 + [4.0] * 4 + [0.0] * 5]) if weights is None else weights
    file = io.StringIO()
    print_rows(corrupted(t, weights), Console(file=file, width=200, **terminal))
    return file.getvalue()


def test_a_row_shows_its_documents_what_is_masked_what_never_is_and_what_is_scored():
    assert printed().splitlines()[2:] == [
        "row 0: t 0.250, 4 of 6 maskable tokens masked",
        "document 1, places 0 to 7:",
        "⟨<end>⟩⟨[red]\N{REPLACEMENT CHARACTER}[31m⟩↵⟦de⟧⟦<end> * 2⟧",
        "scored logit rows: 3-6 (weight 4)",
        "document 2, places 8 to 9:",
        "⟨→⟩f",
        "document 3, places 10 to 11:",
        "⟨<pad> * 2⟩",
    ]


def test_a_row_of_weight_zero_is_not_scored_and_other_weights_are_told_apart():
    weights = torch.zeros(1, 12)
    weights[0, 3:7] = torch.tensor([1.5, 0.0, 2.5, 1.5])
    assert "scored logit rows: 3, 6 (weight 1.5); 5 (weight 2.5)" in printed(weights=weights)


def test_noise_by_block_is_told_as_a_range():
    assert "row 0: t 0.250 to 0.750 by block, " in printed(torch.tensor([[0.25] * 6 + [0.75] * 6]))


def test_in_a_terminal_there_is_colour_and_yet_nothing_of_the_data_is_a_command():
    text = printed(force_terminal=True, color_system="standard")
    assert "\x1b[30;43m⟦de⟧" in text
    assert "\x1b[31m" not in text
