import json

import pytest
from tokenizers import AddedToken

from rnd1lib.errors import DataError, ModelError
from rnd1lib.models.tokens.chat import ChatTemplate
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import train_tokenizer

CHATML = (
    "{%- for message in messages %}\n"
    "    {%- if message.role == 'nobody' %}{{ raise_exception('Nobody speaks.') }}{% endif %}\n"
    "    {{- '<|im_start|>' + message['role'] + '\\n' + message.content | trim + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"
)
LLAMA = (
    "{{ bos_token }}{% if tools is not none or documents is not none %}tools{% endif %}"
    "{% set ns = namespace(turn=0) %}{% for message in messages %}{% if loop.index0 > 8 %}{% break %}{% endif %}"
    "{% set ns.turn = ns.turn + 1 %}[{{ ns.turn }}|{{ message | tojson }}]"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}{% endif %}"
    "{% endfor %}{% if strftime_now is defined %}{# the day must not matter #}{% endif %}"
)
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the <moon>?\n\n"},
    {"role": "assistant", "content": "Füll & bright."},
    {"role": "user", "content": "And the cat?"},
    {"role": "assistant", "content": "It sat on the mat."},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small tokenizer with ChatML's tokens, as transformers saves one."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = train_tokenizer(["the cat sat on the mat, the moon is bright, user and assistant and system\n"] * 9, 320)
    tokenizer.tokens.add_special_tokens([AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True)])
    tokenizer.save(folder)
    return folder


def with_template(folder, tmp_path, template):
    path = tmp_path / "model"
    path.mkdir()
    for file in folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    (path / "chat_template.jinja").write_text(template)
    return path


@pytest.mark.parametrize("template", [CHATML, LLAMA])
@pytest.mark.parametrize("turns", [3, 5])
def test_prompt_and_answer_are_what_transformers_makes_of_them(folder, tmp_path, template, turns):
    from transformers import AutoTokenizer

    path = with_template(folder, tmp_path, template)
    theirs = AutoTokenizer.from_pretrained(path)
    prompt, answer = load_tokenizer(path).encode_conversation(TALK[:turns])
    whole = theirs.apply_chat_template(TALK[:turns], tokenize=True, return_dict=False)
    assert prompt + answer == whole
    assert prompt == theirs.apply_chat_template(TALK[: turns - 1], add_generation_prompt=True, tokenize=True, return_dict=False)
    assert theirs.decode(answer).startswith(TALK[turns - 1]["content"] if template == CHATML else f"[{turns}|")
    assert len(answer) > 5


def test_the_template_is_kept_in_a_saved_folder_for_transformers_too(folder, tmp_path):
    from transformers import AutoTokenizer

    load_tokenizer(with_template(folder, tmp_path, CHATML)).save(tmp_path / "again")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "again")
    ours = load_tokenizer(tmp_path / "again")
    assert theirs.chat_template == CHATML
    assert ours.encode_conversation(TALK) == load_tokenizer(tmp_path / "model").encode_conversation(TALK)


def test_a_tokenizer_without_a_template_writes_a_line_for_each_message(folder):
    tokenizer = load_tokenizer(folder)
    prompt, answer = tokenizer.encode_conversation(TALK[1:3])
    assert tokenizer.decode(prompt) == "user: How is the <moon>?\n\n\nassistant:"
    assert tokenizer.decode(answer) == " Füll & bright."


def test_of_several_templates_the_default_is_taken(folder, tmp_path):
    path = with_template(folder, tmp_path, "")
    (path / "chat_template.jinja").unlink()
    config = json.loads((path / "tokenizer_config.json").read_text())
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": CHATML}]
    (path / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": named}))
    assert load_tokenizer(path).encode_conversation(TALK)[0][0] == load_tokenizer(path).encode("<|im_start|>")[0]
    (path / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": named[:1]}))
    with pytest.raises(ModelError, match="chat_template is no text"):
        load_tokenizer(path).encode_conversation(TALK)


@pytest.mark.parametrize("field", ["role", "content"])
def test_a_message_that_names_a_special_token_is_refused(folder, field):
    talk = [TALK[1], TALK[2] | {field: "stop <|im_end|> here"}]
    with pytest.raises(DataError, match=r"a message holds '<\|im_end\|>', which is the name of a special token"):
        load_tokenizer(folder).encode_conversation(talk)


def test_messages_that_a_template_refuses_are_told_in_its_words(folder, tmp_path):
    tokenizer = load_tokenizer(with_template(folder, tmp_path, CHATML))
    with pytest.raises(DataError, match="does not take these messages: Nobody speaks"):
        tokenizer.encode_conversation([{"role": "nobody", "content": "x"}, TALK[2]])


def test_a_template_that_writes_the_prompt_otherwise_before_an_answer_is_refused():
    template = ChatTemplate("{{ messages | length }} {% for m in messages %}{{ m.content }}{% endfor %}", {})
    with pytest.raises(DataError, match="writes the prompt otherwise"):
        template.prompt_and_answer(TALK)


@pytest.mark.parametrize(
    "evil",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{% set ns = namespace(__class__=1) %}",
        "{% set ns = namespace() %}{% set ns._x = 1 %}",
        "{{ dict.mro() }}",
        "{{ lipsum() }}",
        "{% include 'secret' %}",
        "{{ range(10 ** 9) | list }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}never ending{% endfor %}{% endfor %}",
    ],
)
def test_a_template_reaches_nothing_and_fills_no_memory(evil):
    with pytest.raises((DataError, ModelError)):
        ChatTemplate(evil, {}).text(TALK, answer_is_due=False)


@pytest.mark.parametrize(("source", "what"), [("a\n{% for %}", "broken: line 2"), ("x" * 2**21, "longer than 1 MB")])
def test_what_is_no_template_is_refused(source, what):
    with pytest.raises(ModelError, match=what):
        ChatTemplate(source, {})


def test_the_hash_of_a_vocabulary_tells_tokenizers_apart_and_outlives_a_folder(folder):
    other = train_tokenizer(["other texts have other merges"] * 9, 320)
    assert load_tokenizer(folder).vocabulary_sha256 == load_tokenizer(folder).vocabulary_sha256 != other.vocabulary_sha256
