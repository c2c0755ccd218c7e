"""Which id is the mask token's, over vocabularies with room and without."""

import json

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.mask_token import BLOCK, choose, known_ids, token_id
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer

TEMPLATE = "{% for message in messages %}<|turn|>{{ message.content }}<|end|>{% endfor %}{# <tool> #}"
SPECIAL = ["<|turn|>", "<|end|>", "<|eot|>", "<|empty|>", "<tool>"]


@pytest.fixture(scope="module")
def chat():
    """A tokenizer as a chat model has it: 300 ids, five of them special, none to mask by."""
    tokens = tokenizers.Tokenizer.from_str(train_tokenizer(["the word of the text " * 50], 298).tokens.to_str())
    written = json.loads(tokens.to_str())
    written["added_tokens"] = []
    for name in ("<|endoftext|>", "<|pad|>", "<|mask|>"):
        written["model"]["vocab"].pop(name, None)
    tokens = tokenizers.Tokenizer.from_str(json.dumps(written))
    tokens.add_special_tokens(SPECIAL)
    eot = tokens.token_to_id("<|eot|>")
    return Tokenizer(tokens=tokens, eos_token_id=eot, config={"chat_template": TEMPLATE, "eos_token": "<|eot|>"})


def config(size, **others):
    return {"vocab_size": size, **others}


@given(spare=st.integers(0, 200))
def test_the_first_spare_row_is_taken_and_only_where_there_is_none_the_table_grows(chat, spare):
    free = chat.vocab_size
    token = choose(None, config(free + spare), chat)
    assert token.id == free
    if spare:
        assert (token.vocab_size, token.why) == (free + spare, f"the first of {spare} spare rows")
    else:
        assert free < token.vocab_size <= free + BLOCK
        assert token.vocab_size % BLOCK == 0


def test_a_table_that_is_whole_blocks_grows_by_one_of_them(chat):
    tokens = tokenizers.Tokenizer.from_str(chat.tokens.to_str())
    tokens.add_tokens([f"word{number}" for number in range(-chat.vocab_size % BLOCK)])
    token = choose(None, config(320), Tokenizer(tokens=tokens))
    assert token == (320, 384, "new: no row was spare, so the table grows from 320 to 384 rows", "")


def test_ids_that_config_json_gives_a_use_are_not_spare(chat):
    free = chat.vocab_size
    used = config(free + 20, bos_token_id=free + 3, eos_token_id=[5, free + 7], pad_token_id=None)
    assert choose(None, used, chat).id == free + 8


def test_what_is_asked_goes_before_what_the_folder_declares_and_that_before_the_tokenizers(chat):
    room, empty = config(chat.vocab_size + 9), chat.tokens.token_to_id("<|empty|>")
    has_mask = chat.with_mask_token(empty)
    assert choose("<|empty|>", room, chat)[:3] == (empty, room["vocab_size"], "as asked")
    assert choose(empty, room, chat, declared=7).why == "as asked; the model declares 7"
    assert choose(None, room, has_mask, declared=7)[::3] == (7, "")
    assert choose(None, room, has_mask)[:3] == (empty, room["vocab_size"], "the tokenizer's")


def test_an_id_behind_the_table_is_the_one_that_growing_gives_or_none(chat):
    full = config(chat.vocab_size)
    assert choose(chat.vocab_size, full, chat) == choose(None, full, chat)
    for asked, size, instead in ((chat.vocab_size + 1, 0, "new: no row"), (chat.vocab_size + 40, 2, "the first of 2 spare")):
        sentence = rf"^{asked} is outside the vocabulary of {chat.vocab_size + size} tokens\. Possible is .*{instead}"
        with pytest.raises(ModelError, match=sentence):
            choose(asked, config(chat.vocab_size + size), chat)
    with pytest.raises(ModelError, match=r"^512 is outside the vocabulary of 512 tokens\.$"):
        choose(512, config(512), None)
    with pytest.raises(ModelError, match=r"^-1 is outside"):
        choose(-1, full, chat)


def test_without_a_tokenizer_no_row_is_known_to_be_spare(chat):
    with pytest.raises(ModelError, match="without a tokenizer it is not known which ids texts use"):
        choose(None, config(512), None)
    assert choose(500, config(512), None).warning == ""


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(chat):
    with pytest.raises(ModelError, match=rf"the tokenizer's {chat.vocab_size} tokens do not fit the model's vocabulary of 64"):
        choose(None, config(64), chat)


@pytest.mark.parametrize(
    ("name", "use"),
    [("<|eot|>", "what ends a text"), ("<|end|>", "what ends a turn"), ("<|turn|>", "a part of the chat template")],
)
def test_a_token_that_every_text_needs_is_refused(chat, name, use):
    with pytest.raises(ModelError, match=rf"is {use}, which the model has to see"):
        choose(name, config(chat.vocab_size), chat)


def test_roles_that_config_json_alone_gives_are_seen(chat):
    for key, use in (("pad_token_id", "what fills rows up"), ("bos_token_id", "what starts a text")):
        with pytest.raises(ModelError, match=use):
            choose(299, config(512, **{key: 299}), None)


def test_a_token_that_texts_may_hold_is_told_and_one_that_they_cannot_is_not(chat):
    word = chat.tokens.token_to_id("the")
    assert f"texts may hold {word} ('the')" in choose(word, config(512), chat).warning
    assert choose("<|empty|>", config(512), chat).warning == ""
    assert choose(word, config(512), chat, declared=word).warning == ""


def test_a_name_is_looked_up_and_a_wrong_one_gets_what_was_meant(chat):
    assert token_id("<|empty|>", chat) == chat.tokens.token_to_id("<|empty|>")
    with pytest.raises(ModelError, match=r"'<\|emty\|>' is no token of the tokenizer\. Did you mean '<\|empty\|>'\?"):
        token_id("<|emty|>", chat)
    with pytest.raises(ModelError, match=r"Its special tokens: <\|turn\|>, <\|end\|>"):
        token_id("nothing like it", chat)
    with pytest.raises(ModelError, match=r"'<\|empty\|>' is a name, and there is no tokenizer: give an id"):
        token_id("<|empty|>", None)


def test_the_ids_that_texts_use_are_the_same_once_the_mask_token_has_a_name(chat):
    assert known_ids(chat) == known_ids(chat.with_mask_token(chat.vocab_size + 5)) == chat.vocab_size
