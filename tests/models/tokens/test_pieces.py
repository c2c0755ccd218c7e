"""One token as it is shown: its text with its space, or the bytes of what is no whole character."""

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer
from rnd1lib.views.pieces import joined


@pytest.fixture(scope="module")
def of_bytes():
    """A byte-level vocabulary in which most characters beyond ASCII are two tokens or more."""
    return train_tokenizer(["the cat the cat the cat"] * 3, 290)


def sentencepiece():
    """Words that begin with a space mark, and bytes as a fallback, as Llama's has."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"▁the": 256, "cat": 257, "a": 258, "▁": 259, "<s>": 260}
    tokens = tokenizers.Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    tokens.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokens.decoder = decoders.Sequence(steps)
    tokens.add_special_tokens(["<s>"])
    return Tokenizer(tokens=tokens)


def test_a_word_keeps_the_space_before_it(of_bytes):
    words = {of_bytes.piece(token) for token in of_bytes.encode("the cat the cat")}
    assert {"the", " cat"} <= words
    assert sentencepiece().piece(256) == " the" and sentencepiece().piece(257) == "cat"


def test_special_tokens_show_their_names_and_unknown_ids_their_number(of_bytes):
    assert of_bytes.piece(of_bytes.mask_token_id) == "<|mask|>"
    assert sentencepiece().piece(260) == "<s>"
    assert of_bytes.piece(9999) == "⟨id 9999⟩"


def test_half_a_character_shows_its_bytes(of_bytes):
    assert [of_bytes.piece(token) for token in of_bytes.encode("中")] == ["⟨E4⟩", "⟨B8⟩", "⟨AD⟩"]
    assert sentencepiece().piece(0xE4) == "⟨E4⟩"
    assert sentencepiece().piece(0x41) == "A"


def test_the_replacement_character_itself_is_text(of_bytes):
    assert "".join(joined([of_bytes.piece(token) for token in of_bytes.encode("\N{REPLACEMENT CHARACTER}")])) == "\ufffd"


@given(text=st.text(max_size=20))
def test_the_pieces_of_any_text_join_to_that_text(of_bytes, text):
    pieces = [of_bytes.piece(token) for token in of_bytes.encode_document(text)]
    assert "".join(joined(pieces)) == text
    assert len(joined(pieces)) == len(pieces)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["⟨E4 B8⟩", "⟨AD⟩", "x"], ["中", "", "x"]),
        (["x⟨C3⟩", "⟨A9⟩y"], ["xéy", ""]),
        (["⟨E4⟩", "░", "⟨AD⟩"], ["⟨E4⟩", "░", "⟨AD⟩"]),
        (["⟨AD⟩"], ["⟨AD⟩"]),
        (["⟨C3⟩", "⟨C3⟩", "⟨A9⟩"], ["⟨C3⟩", "é", ""]),
        (["⟨no bytes⟩", "⟩"], ["⟨no bytes⟩", "⟩"]),
        ([], []),
    ],
)
def test_only_neighbours_that_make_a_character_are_joined(pieces, shown):
    assert joined(pieces) == shown
