import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer

TEXTS = [
    "the cat sat on the mat; a dog barked at the moon while rivers ran slowly through quiet valleys. " * 20,
    "def the(cat):\n    return cat + 1\n\nclass Dog:\n    bark = print\n" * 20,
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 300)


@pytest.fixture
def folder(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    return tmp_path


def edit(path, **changes):
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({key: value for key, value in (known | changes).items() if value != "drop"}))


def test_the_special_tokens_are_the_last_three_ids(tokenizer):
    assert tokenizer.vocab_size == 300
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id) == (297, 298, 299)
    assert tokenizer.bos_token_id is None
    assert tokenizer.decode([297, 298, 299]) == "<|endoftext|><|pad|><|mask|>"


def test_they_are_the_last_three_too_where_the_texts_give_fewer_merges():
    tokenizer = train_tokenizer(["ab"], 4096)
    assert tokenizer.vocab_size < 262
    assert tokenizer.mask_token_id == tokenizer.vocab_size - 1


def test_the_same_texts_give_the_same_tokenizer(tokenizer):
    again = train_tokenizer(iter(TEXTS), 300)
    assert again.tokens.to_str() == tokenizer.tokens.to_str()
    assert len(tokenizer.encode("the cat")) < len("the cat")


def test_a_vocabulary_without_room_for_all_bytes_is_refused():
    assert train_tokenizer(TEXTS, 259).vocab_size == 259
    with pytest.raises(ValueError, match=r"vocab_size: 258 is too small; .* at least 259"):
        train_tokenizer(TEXTS, 258)


@settings(deadline=None)
@given(st.text())
def test_any_text_comes_back_unchanged(tokenizer, text):
    for ids in (tokenizer.encode(text), tokenizer.encode_document(text)):
        assert tokenizer.decode(ids) == text
    assert all(0 <= token < 297 for token in tokenizer.encode_document(text))


def test_a_prompt_may_name_special_tokens_and_a_document_only_speaks_of_them(tokenizer):
    text = "a<|endoftext|>b<|mask|>"
    assert [token for token in tokenizer.encode(text) if token >= 297] == [297, 299]
    assert all(token < 297 for token in tokenizer.encode_document(text))
    assert tokenizer.decode(tokenizer.encode_document(text)) == text
    assert tokenizer.encode("<|pad|>") == [298]  # whatever was encoded before


def test_transformers_opens_the_saved_folder_and_agrees(tokenizer, folder):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    assert (theirs.eos_token_id, theirs.pad_token_id, theirs.mask_token_id, theirs.bos_token_id) == (297, 298, 299, None)
    assert len(theirs) == tokenizer.vocab_size
    for text in (*TEXTS, "naïve 🙂\x00 \n\n  ,. don't", "<|endoftext|> x<|mask|>"):
        ids = tokenizer.encode(text)
        assert theirs.encode(text) == ids
        assert theirs.decode(ids) == tokenizer.decode(ids) == text


def test_a_saved_folder_is_read_as_it_was(tokenizer, folder):
    read = load_tokenizer(folder)
    assert read is not None
    assert read.tokens.to_str() == tokenizer.tokens.to_str()
    assert read.config == tokenizer.config
    assert (read.eos_token_id, read.pad_token_id, read.mask_token_id, read.bos_token_id) == (297, 298, 299, None)


def test_a_folder_that_transformers_saved_is_read_alike(tokenizer, folder, tmp_path):
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    read = load_tokenizer(tmp_path / "theirs")
    assert read is not None
    assert read.encode(TEXTS[1]) == tokenizer.encode(TEXTS[1])
    assert (read.eos_token_id, read.pad_token_id, read.mask_token_id, read.bos_token_id) == (297, 298, 299, None)


def test_a_folder_without_a_tokenizer_has_none(tmp_path):
    assert load_tokenizer(tmp_path) is None
    assert load_tokenizer(tmp_path / "not there") is None


def test_a_token_may_be_written_out_as_an_object(folder):
    edit(folder / "tokenizer_config.json", eos_token={"content": "<|pad|>", "lstrip": False})
    assert load_tokenizer(folder).eos_token_id == 298


def test_the_special_tokens_map_fills_in_what_the_config_does_not_name(folder):
    edit(folder / "tokenizer_config.json", mask_token="drop")
    edit(folder / "special_tokens_map.json", mask_token="<|pad|>", eos_token="<|pad|>")
    read = load_tokenizer(folder)
    assert (read.mask_token_id, read.eos_token_id) == (298, 297)


def test_the_models_config_comes_last_and_a_null_name_means_none(folder):
    edit(folder / "tokenizer_config.json", mask_token="drop", eos_token="drop", bos_token=None, pad_token="not in it")
    edit(folder / "config.json", mask_token_id=310, eos_token_id=[7, 8], bos_token_id=5, pad_token_id=6)
    read = load_tokenizer(folder)
    assert (read.mask_token_id, read.eos_token_id, read.bos_token_id, read.pad_token_id) == (310, 7, None, 6)


def test_what_a_file_would_cut_off_or_pad_is_kept_whole(tokenizer, folder):
    tokenizer = load_tokenizer(folder)
    tokenizer.tokens.enable_truncation(4)
    tokenizer.tokens.enable_padding(length=64)
    tokenizer.save(folder)
    assert len(load_tokenizer(folder).encode("a b c d e f g h")) == 15


def test_code_is_not_kept_and_the_chat_template_is(folder, tmp_path):
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    load_tokenizer(folder).save(tmp_path / "again")
    config = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert "auto_map" not in config
    assert config["chat_template"] == "{{ messages }}"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_broken_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load_tokenizer(folder)


def test_a_file_larger_than_any_tokenizer_is_not_read(folder):
    with (folder / "tokenizer.json").open("wb") as file:
        file.truncate(256 * 2**20 + 1)
    with pytest.raises(ModelError, match="larger than 256 MB"):
        load_tokenizer(folder)
