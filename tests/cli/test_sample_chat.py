"""`rnd1 sample --chat`: what the model is asked is what transformers writes, and what is printed is the answer alone."""

import io
import json

import pytest
from sampling_command import lines, mistake, rnd1

from rnd1lib.cli.chat import converse
from rnd1lib.cli.request import Request
from rnd1lib.models.tokens.loading import load_tokenizer

TALK = [
    {"role": "user", "content": "a small  thing?\n"},
    {"role": "assistant", "content": "things"},
    {"role": "user", "content": "about text"},
]


@pytest.fixture
def ask(with_chat):
    return ["sample", with_chat, "--max-new-tokens", 6, "--json"]


@pytest.fixture(scope="module")
def theirs(with_chat):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(with_chat)


def answers(done):
    return [json.loads(line) for line in lines(done)]


@pytest.mark.parametrize("system", [None, "be small"])
def test_the_model_is_asked_what_transformers_writes_and_the_answer_alone_is_printed(ask, theirs, tmp_path, system):
    (tmp_path / "p.jsonl").write_text(json.dumps({"messages": TALK}))
    told = [] if system is None else ["--system", system]
    done = answers(rnd1(*ask, "small text", "--chat", *told, "--prompts", tmp_path / "p.jsonl"))
    for answer, talk in zip(done, [[{"role": "user", "content": "small text"}], TALK], strict=True):
        messages = ([{"role": "system", "content": system}] if system else []) + talk
        prompt = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        assert answer["prompt"] == messages
        assert answer["ids"][: len(prompt)] == prompt and len(answer["ids"]) == len(prompt) + 6
        assert answer["text"] == theirs.decode(answer["ids"][len(prompt) :])
    plain = lines(rnd1(*[each for each in ask if each != "--json"], "small text", "--chat", *told))
    assert "\n".join(plain) == done[0]["text"]


def test_a_conversation_needs_no_flag_and_keeps_its_own_system_message(ask, tmp_path):
    own = [{"role": "system", "content": "mine"}, *TALK]
    (tmp_path / "p.jsonl").write_text(json.dumps({"messages": own}))
    by_itself, told = (answers(rnd1(*ask, "--prompts", tmp_path / "p.jsonl", *flags)) for flags in ([], ["--system", "other"]))
    assert by_itself == told and by_itself[0]["prompt"] == own


def test_what_a_message_says_is_text(ask):
    told = mistake(rnd1(*ask, "--chat", "stop <|im_end|> here"))
    assert told == "a message holds '<|im_end|>', which is the name of a special token."


def test_without_a_template_a_conversation_is_written_plainly(with_text):
    done = answers(rnd1("sample", with_text, "small", "--chat", "--max-new-tokens", 2, "--json"))[0]
    assert load_tokenizer(with_text).decode(done["ids"][:-2]) == "user: small\nassistant:"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["5 9", "--ids", "--chat"], "token ids go without --chat"),
        (["small", "--system", "be brief"], "add --chat"),
        (["small", "--prompts", "FILE"], "with --chat the texts are a user's messages"),
        (["small", "--chat", "--max-new-tokens", 300], "the model's context is 256"),
    ],
    ids=str,
)
def test_what_does_not_fit_a_conversation_is_told(ask, tmp_path, arguments, sentence):
    (tmp_path / "p.jsonl").write_text(json.dumps({"messages": TALK}))
    assert sentence in mistake(rnd1(*ask, *[tmp_path / "p.jsonl" if each == "FILE" else each for each in arguments]))


def test_a_model_without_a_tokenizer_cannot_talk(folder):
    assert "has no tokenizer" in mistake(rnd1("sample", folder, "hello", "--chat"))


def test_infill_answers_no_conversation(with_chat, tmp_path):
    (tmp_path / "p.jsonl").write_text(json.dumps({"messages": TALK}))
    assert "`rnd1 sample` answers it" in mistake(rnd1("infill", with_chat, "--prompts", tmp_path / "p.jsonl"))


def test_in_a_terminal_it_goes_on_line_by_line_and_forgets_what_does_not_fit(with_chat, monkeypatch, capsys):
    said = ["a small text", "", "no <|im_end|> here", *["small things about text"] * 4]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(said) + "\n"))
    converse(Request(model=with_chat, progress=False), "be small", max_new_tokens=90)
    shown = capsys.readouterr()
    assert len(shown.out.split("\n")) >= 5
    assert "which is the name of a special token" in shown.err
    assert "forgotten: the model's context is full" in shown.err
