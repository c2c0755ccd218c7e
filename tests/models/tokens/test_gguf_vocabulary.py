"""Tokenizers of GGUF files against those that the models were trained with."""

import pytest
import tokenizers
from gguf_files import MERGES, SPECIAL, vocabulary, write
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from rnd1lib.errors import ModelError
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.tokens.loading import load_tokenizer

TEXTS = [
    "In 2024,  12 cats", "a  12\n  3", "the thé cafe\u0301", "½ and Ⅷ   9", "<|im_start|>user\nthe <|im_end|>", "", " \n\n the",
    "I'll don't WE'VE",
]  # fmt: skip
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def true_tokenizer(pre):
    """As the model's own tokenizer.json has it."""
    tokens, _ = vocabulary()
    vocab = {token: index for index, token in enumerate(tokens)}
    merges = [tuple(merge.split()) for merge in MERGES]
    true = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre == "llama-bpe"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pre == "smollm")
    first = {
        "smollm": pre_tokenizers.Digits(individual_digits=True),
        "qwen2": pre_tokenizers.Split(Regex(QWEN), "isolated"),
        "llama-bpe": pre_tokenizers.Split(Regex(LLAMA), "isolated"),
    }[pre]
    true.pre_tokenizer = pre_tokenizers.Sequence([first, byte_level])
    true.normalizer = normalizers.NFC() if pre == "qwen2" else None
    true.decoder = decoders.ByteLevel()
    true.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return true


@pytest.mark.parametrize("pre", ["smollm", "qwen2", "llama-bpe"])
def test_ids_are_those_of_the_tokenizer_that_the_model_was_trained_with(pre, tmp_path):
    write(tmp_path / "x.gguf", pre=pre)
    ours, true = load_tokenizer(tmp_path / "x.gguf"), true_tokenizer(pre)
    for text in TEXTS:
        ids = true.encode(text, add_special_tokens=False).ids
        assert ours.encode(text) == ids
        assert ours.decode(ids) == true.decode(ids, skip_special_tokens=False)


def test_transformers_own_conversion_takes_digits_otherwise(tmp_path):
    """If it does no more, what is set right here can go."""
    write(tmp_path / "x.gguf", pre="smollm")
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file="x.gguf")
    assert theirs("a  12", add_special_tokens=False).input_ids != true_tokenizer("smollm").encode("a  12").ids


def test_a_pre_tokenizer_that_is_not_known_here_is_what_transformers_makes_of_it(tmp_path):
    write(tmp_path / "x.gguf", pre="default")
    ours, theirs = load_tokenizer(tmp_path / "x.gguf"), AutoTokenizer.from_pretrained(tmp_path, gguf_file="x.gguf")
    assert all(ours.encode(text) == theirs(text, add_special_tokens=False).input_ids for text in TEXTS)


def test_special_ids_the_chat_template_and_spare_rows_are_known(tmp_path):
    write(tmp_path / "x.gguf", spare=3)
    opened = open_gguf(tmp_path / "x.gguf")
    ours = opened.tokenizer
    assert (ours.bos_token_id, ours.eos_token_id, ours.pad_token_id, ours.mask_token_id) == (1, 2, 2, None)
    assert ours.vocab_size == opened.config["vocab_size"] - 3
    assert ours.encode("[PAD0]") != [opened.config["vocab_size"] - 3]
    prompt, answer = ours.encode_conversation([{"role": "user", "content": "the"}, {"role": "assistant", "content": "12"}])
    assert ours.decode(prompt + answer) == "user:the<|im_end|>assistant:12<|im_end|>"
    assert ours.turn_end_id == 2


def test_what_is_saved_is_what_transformers_opens(tmp_path):
    write(tmp_path / "x.gguf")
    ours = load_tokenizer(tmp_path / "x.gguf")
    ours.save(tmp_path / "saved")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert all(theirs(text).input_ids == ours.encode(text) for text in TEXTS)
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id, theirs.unk_token) == (1, 2, 2, None)
    assert theirs.chat_template == ours.config["chat_template"]
    assert load_tokenizer(tmp_path / "saved").vocabulary_sha256 == ours.vocabulary_sha256


def test_a_file_without_a_tokenizer_has_none_and_one_of_another_kind_is_a_sentence(tmp_path):
    write(tmp_path / "x.gguf", tokenizer=None)
    assert load_tokenizer(tmp_path / "x.gguf") is None
    write(tmp_path / "x.gguf", tokenizer="rwkv")
    with pytest.raises(ModelError, match=r"x\.gguf: holds no tokenizer that can be made: .*'rwkv'"):
        load_tokenizer(tmp_path / "x.gguf")


def test_a_sentencepiece_vocabulary_is_what_transformers_makes_of_it(tmp_path):
    write(tmp_path / "x.gguf", tokenizer="llama")
    ours, theirs = load_tokenizer(tmp_path / "x.gguf"), AutoTokenizer.from_pretrained(tmp_path, gguf_file="x.gguf")
    for text in ("the cat", "  the  the", "café"):
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids
    assert ours.decode(ours.encode("the cat")) == "the cat"
    ours.save(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("the").input_ids[0] == ours.bos_token_id == 1
