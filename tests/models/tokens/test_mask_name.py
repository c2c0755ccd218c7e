"""A mask token's name, at exactly the id that the model was trained with, for transformers too."""

import json

import pytest
import tokenizers
from tokenizers.models import BPE, Unigram
from transformers import AutoTokenizer

from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer

TEXT = "the cat sat on the mat"


def published(**config):
    """Like Qwen3's: an end-of-text of its own, no mask token."""
    tokens = tokenizers.Tokenizer.from_str(train_tokenizer([TEXT] * 9, 290).tokens.to_str())
    written = json.loads(tokens.to_str())
    written["added_tokens"] = written["added_tokens"][:1]
    tokens = tokenizers.Tokenizer.from_str(json.dumps(written))
    return Tokenizer(
        tokens=tokens, eos_token_id=tokens.token_to_id("<|endoftext|>"), config={"eos_token": "<|endoftext|>"} | config
    )


@pytest.mark.parametrize("distance", [0, 1, 40])
@pytest.mark.parametrize("kind", ["PreTrainedTokenizerFast", "Qwen2Tokenizer"])
def test_transformers_finds_the_mask_token_at_its_id_and_every_other_where_it_was(distance, kind, tmp_path):
    before = published(tokenizer_class=kind)
    mask = before.vocab_size + distance
    named = before.with_mask_token(mask)
    named.save(tmp_path)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(tmp_path)
    assert (theirs.mask_token, theirs.mask_token_id, ours.mask_token_id) == ("<|mask|>", mask, mask)
    assert len(theirs) == mask + 1
    for name, token in before.tokens.get_vocab(with_added_tokens=True).items():
        assert theirs.convert_tokens_to_ids(name) == ours.tokens.token_to_id(name) == token
    assert theirs(f"{TEXT}<|mask|>").input_ids == [*before.encode(TEXT), mask] == ours.encode(f"{TEXT}<|mask|>")
    assert theirs.decode([mask], skip_special_tokens=True) == ""
    theirs.save_pretrained(tmp_path / "again")
    assert AutoTokenizer.from_pretrained(tmp_path / "again").mask_token_id == mask


def test_a_tokenizer_that_is_named_is_a_copy_and_texts_that_speak_of_the_name_hold_no_token():
    before = published()
    named = before.with_mask_token(before.vocab_size)
    assert before.mask_token_id is None
    assert before.tokens.token_to_id("<|mask|>") is None
    assert named.mask_token_id not in named.encode_document("<|mask|>")
    assert named.encode_document(TEXT) == before.encode_document(TEXT)


def test_a_tokenizer_with_holes_gives_no_name_to_two_ids():
    """tokenizers counts its tokens for the next id, which may be another one's where a vocabulary was cut."""
    cut = Tokenizer(tokens=tokenizers.Tokenizer(BPE(vocab={"a": 0, "b": 1, "c": 5}, merges=[])), config={})
    for mask_token_id in (6, 7):
        with pytest.raises(ModelError, match=rf"leaves out id {mask_token_id}, and a name"):
            cut.with_mask_token(mask_token_id)


def test_data_that_was_encoded_before_the_mask_had_a_name_still_fit(tmp_path):
    before = published()
    named = before.with_mask_token(before.vocab_size + 3)
    named.save(tmp_path)
    assert load_tokenizer(tmp_path).vocabulary_sha256 == before.vocabulary_sha256
    assert named.with_mask_token(before.vocab_size + 9).vocabulary_sha256 == before.vocabulary_sha256
    assert published().vocabulary_sha256 != train_tokenizer([TEXT], 290).vocabulary_sha256


def test_an_id_that_has_a_special_name_keeps_it():
    named = published().with_mask_token(published().eos_token_id)
    assert named.config["mask_token"] == "<|endoftext|>"
    assert named.tokens.get_vocab() == published().tokens.get_vocab()


def test_a_piece_of_ordinary_text_gets_no_name_as_a_mask(tmp_path):
    trained = train_tokenizer([TEXT] * 9, 280)
    piece = trained.encode("a")[0]
    named = trained.with_mask_token(piece)
    assert named.mask_token_id == piece
    assert "mask_token" in trained.config
    assert "mask_token" not in named.config
    named.save(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("a cat").input_ids == trained.encode("a cat")


def test_a_name_that_is_another_token_already_is_not_taken():
    trained = train_tokenizer([TEXT] * 9, 280)
    mask = trained.vocab_size + 2
    named = trained.with_mask_token(mask)
    assert named.config["mask_token"] == f"<|mask_{mask}|>"
    assert named.tokens.token_to_id("<|mask|>") == trained.mask_token_id
    assert named.tokens.token_to_id(f"<|mask_{mask}|>") == mask


def test_a_tokenizer_whose_pieces_are_a_list_can_be_named_too(tmp_path):
    pieces = tokenizers.Tokenizer(Unigram([("<unk>", 0.0), ("a", -1.0), ("b", -2.0)], unk_id=0))
    named = Tokenizer(tokens=pieces).with_mask_token(5)
    named.save(tmp_path)
    assert load_tokenizer(tmp_path).encode("ab<|mask|>") == [1, 2, 5]


def test_where_a_published_folder_lists_its_added_tokens_ours_is_among_them(tmp_path):
    before = published(added_tokens_decoder={"7": {"content": "x"}})
    mask = before.vocab_size + 1
    listed = before.with_mask_token(mask).config["added_tokens_decoder"]
    assert list(listed) == ["7", str(mask - 1), str(mask)]
    assert listed[str(mask)]["content"] == "<|mask|>"
    assert listed[str(mask)]["special"] is True


def test_an_id_that_is_left_out_below_the_last_one_is_refused():
    holed = tokenizers.Tokenizer(BPE({"a": 0, "b": 2}, []))
    with pytest.raises(ModelError, match=r"leaves out id 1, and a name can only be given behind its last one"):
        Tokenizer(tokens=holed).with_mask_token(1)
