import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rnd1_plugins.data.chat import Chat

from rnd1lib import build
from rnd1lib.data import Faults, PackedRows, held_out
from rnd1lib.diffusion import IGNORE, Draws, corrupt
from rnd1lib.kinds import Conversation, Document, Skipped
from rnd1lib.models.tokens.tokenizer import train_tokenizer


def said(role, content):
    return {"role": role, "content": content}


def talk(*contents):
    return [said("user" if number % 2 == 0 else "assistant", content) for number, content in enumerate(contents)]


def write(path, *talks):
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in talks))
    return Chat(path=str(path))


def contents(items):
    return [[message["content"] for message in item.content.messages] for item in items]


def test_each_answer_is_a_document_with_all_before_it(tmp_path):
    data = write(tmp_path / "a.jsonl", talk("a", "b", "c", "d"), [said("system", "s"), *talk("e", "f")])
    documents = list(data.documents(0, 1))
    assert contents(documents) == [["a", "b"], ["a", "b", "c", "d"], ["s", "e", "f"]]
    assert {document.pad_to for document in documents} == {64}
    last = Chat(path=data.path, answers="last", pad_to="row")
    assert contents(last.documents(0, 1)) == [["a", "b", "c", "d"], ["s", "e", "f"]]
    assert {document.pad_to for document in last.documents(0, 1)} == {"row"}


def test_an_answer_with_nothing_before_it_is_prompt_alone(tmp_path):
    data = write(tmp_path / "a.jsonl", [said("assistant", "Hello?"), *talk("a", "b")])
    assert contents(data.documents(0, 1)) == [["Hello?", "a", "b"]]


def test_what_the_template_may_read_besides_is_kept(tmp_path):
    message = said("assistant", "b") | {"tool_calls": [{"name": "look"}]}
    (document,) = write(tmp_path / "a.jsonl", [said("user", "a"), message]).documents(0, 1)
    assert document.content.messages[1] == message


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(turns=st.lists(st.integers(1, 4), min_size=1, max_size=8), streams=st.integers(1, 4), broken=st.integers(0, 8))
def test_streams_are_disjoint_complete_and_go_on_behind_any_answer(tmp_path, turns, streams, broken):
    talks = [talk(*(f"{number}.{turn}" for turn in range(2 * count))) for number, count in enumerate(turns)]
    talks.insert(broken, [said("user", "no answer")])
    data = write(tmp_path / "a.jsonl", *talks)
    seen = []
    for stream in range(streams):
        items = list(data.documents(stream, streams))
        seen += [item for item in items if isinstance(item, Document)]
        for place, item in enumerate(items):
            assert list(data.documents(stream, streams, json.loads(json.dumps(item.cursor)))) == items[place + 1 :]
    assert sorted(found[-1] for found in contents(seen)) == sorted(
        f"{number}.{2 * turn + 1}" for number, count in enumerate(turns) for turn in range(count)
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"messages": []}', "no message has the role 'assistant'"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "and another one before it"),
        ('{"messages": {"role": "user"}}', "'messages' holds no list of messages, but dict"),
        ('{"messages": ["a"]}', "message 1 is no JSON object, but str"),
        ('{"messages": [{"role": "user"}]}', "'content' of message 1 holds no text, but NoneType"),
        ('{"messages": [{"role": 3, "content": "a"}]}', "'role' of message 1 holds no text, but int"),
        ('{"messages": [{"role": "user", "content": "a\\u0000"}]}', "'content' of message 1 holds what is no character"),
        ('{"text": "a"}', "there is no key 'messages'. Keys: 'text'"),
        ("[1", "the line is not JSON"),
    ],
)
def test_a_broken_line_is_skipped_with_its_file_and_number(tmp_path, line, what):
    data = write(tmp_path / "a.jsonl", talk("a", "b"))
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write(line + "\n" + json.dumps({"messages": talk("c", "d")}) + "\n")
    first, skipped, last = data.documents(0, 1)
    assert contents([first, last]) == [["a", "b"], ["c", "d"]]
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith(f"{tmp_path / 'a.jsonl'}:2: ")
    assert what in skipped.reason


@pytest.mark.parametrize("pad_to", [0, -1, "line", True])
def test_other_paddings_are_refused(pad_to):
    with pytest.raises(ValueError, match=r"pad_to: .* is neither a number of tokens from 1 nor 'row'"):
        Chat(path="a", pad_to=pad_to)


def test_all_answers_of_a_conversation_are_held_out_or_none(tmp_path):
    data = write(tmp_path / "a.jsonl", *[talk(f"a{number}", "b", "c", "d", "e", "f") for number in range(60)])
    held = held_out(data)
    kept = [held(document.content) for document in data.documents(0, 1)]
    assert sum(kept) == 3 * 16
    assert all(kept[at] == kept[at + 1] == kept[at + 2] for at in range(0, 180, 3))


def packed(tokenizer, data, shift, **options):
    end = tokenizer.eos_token_id
    return PackedRows(
        data,
        tokenizer.encode_document,
        encode_conversation=tokenizer.encode_conversation,
        sequence_length=64,
        streams=1,
        seed=0,
        shift=shift,
        start_token_id=end,
        end_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
        vocab_size=tokenizer.vocab_size,
        mask_token_id=tokenizer.mask_token_id,
        **options,
    )


def test_what_does_not_fit_a_row_or_names_a_special_token_is_skipped_and_named(tmp_path, capsys):
    tokenizer = train_tokenizer(["user: cat\nassistant: dog"], 262)
    data = write(tmp_path / "a.jsonl", talk("a", "b"), talk("a " * 99, "b"), talk("c", "<|mask|>"), talk("d", "e"))
    rows = packed(tokenizer, data, 1, faults=Faults(0.5))
    assert rows.epoch_rows() == 2
    first, second = capsys.readouterr().err.splitlines()
    assert '"line": 2' in first and "and a row has 64 places; an answer is not parted from its prompt" in first
    assert '"line": 3' in second and "a message holds '<|mask|>', which is the name of a special token" in second


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("pad_to", [8, "row"])
def test_the_prompt_is_never_masked_nor_scored_and_the_answer_with_its_padding_is(tmp_path, shift, pad_to):
    tokenizer = train_tokenizer(["user: cat\nassistant: dog"], 262)
    write(tmp_path / "a.jsonl", *[talk(f"q{number}", "an answer " * (number % 3)) for number in range(40)])
    data = Chat(path=str(tmp_path / "a.jsonl"), pad_to=pad_to)
    end = tokenizer.eos_token_id
    rows = packed(tokenizer, data, shift)
    batch = rows.batch(0, rows.epoch_rows())
    known = dict(documents_of(tokenizer, data, shift))
    found, text = 0, 0
    for ids, maskable, numbers in zip(batch.ids_BL, batch.maskable_BL, batch.documents_BL, strict=True):
        for number in numbers.unique():
            mine, may = ids[numbers == number].tolist(), maskable[numbers == number].tolist()
            if mine[0] == tokenizer.pad_token_id:
                assert not any(may)
                continue
            places = len(mine) - next(count for count, token in enumerate(reversed(mine)) if token != end) + 1
            prompt = known.pop(tuple(mine[:places]))
            assert may == [False] * prompt + [True] * (len(mine) - prompt)
            assert set(mine[places:]) <= {end}
            assert len(mine) == 64 if pad_to == "row" else len(mine) % 8 == 0
            found, text = found + 1, text + places
    assert (found, known) == (40, {})
    assert rows.take_filling() == (text, batch.ids_BL.numel())
    assert rows.take_filling() == (0, 0)
    noised = corrupt(batch, build("noise", "linear"), Draws(seed=0, step=0), tokenizer.mask_token_id)
    targets = build("objective", "a2d_shift" if shift else "mdlm").targets(batch, noised)
    scored = (targets.labels_BL != IGNORE) & (targets.weights_BL != 0)
    predicted = torch.roll(scored, shift, 1)
    assert torch.equal(predicted, noised.masked_BL)
    assert not (predicted & ~batch.maskable_BL).any()
    assert (batch.ids_BL[predicted] == end).any()


def documents_of(tokenizer, data, shift):
    """The framed ids of each document, and how many of them are prompt."""
    for document in data.documents(0, 1):
        assert isinstance(document.content, Conversation)
        prompt, answer = tokenizer.encode_conversation(document.content.messages)
        start = [tokenizer.eos_token_id] * shift
        yield (*start, *prompt, *answer, tokenizer.eos_token_id), len(start) + len(prompt)
