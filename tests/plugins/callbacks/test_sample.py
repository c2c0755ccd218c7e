from types import SimpleNamespace

import pytest
import torch
from rnd1_plugins.callbacks.sample import Sample

from rnd1lib.testing.callback import METRICS

MASK, END = 126, 127


class Alphabet:
    """Says of every place the letter behind the one before it; ids are characters."""

    shift, mask_token_id, eos_token_id, pad_token_id = 1, MASK, END, 0
    vocab_size = 128
    tokenizer = SimpleNamespace(encode=lambda text: [ord(each) for each in text], decode=lambda ids: "".join(map(chr, ids)))

    def __init__(self):
        self.calls = 0

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        self.calls += 1
        start = ids_BL[:, :1]
        letters_BL = (start + torch.arange(1, ids_BL.shape[1] + 1)).clamp(max=MASK - 1)
        logits_BLV = 20 * torch.nn.functional.one_hot(letters_BL, 128).float()
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]


def test_a_text_that_begins_with_the_prompt_is_printed_by_rank_0(watched, capsys):
    model = Alphabet()
    Sample(prompt="ab", max_new_tokens=4, steps=2).on_step(watched(network=model), METRICS)
    said = capsys.readouterr()
    assert said.err == "step      3  sample: 'abcdef'\n" and said.out == "" and 1 <= model.calls <= 2


def test_every_rank_asks_the_model_since_each_holds_a_part_of_it(watched, capsys):
    model = Alphabet()
    Sample(prompt="ab", max_new_tokens=4, steps=2).on_step(watched(network=model, rank=1), METRICS)
    assert model.calls and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("option", ["max_new_tokens", "steps"])
def test_none_at_all_is_refused(option):
    with pytest.raises(ValueError, match=f"^{option}: 0 is below 1"):
        Sample(**{option: 0})
