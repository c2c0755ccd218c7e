"""A job: texts in batches, watched, interrupted, and conversations whose answer alone is said."""

from contextlib import contextmanager

import pytest

from rnd1lib.errors import SamplingError, Stopped
from rnd1lib.kinds import Conversation
from rnd1lib.sampling.gaps import text_with_gaps
from rnd1lib.sampling.generation import generate, infill
from rnd1lib.sampling.job import answers


class Letters:
    """A tokenizer: a letter a token; a template that writes a message after a capital letter."""

    def encode(self, text):
        return [ord(letter) - ord("A") for letter in text]

    def decode(self, ids):
        return "".join(chr(token + ord("A")) for token in ids)

    def encode_messages(self, messages):
        return self.encode("".join(message["role"][0].upper() + message["content"] for message in messages) + "A")


@pytest.fixture
def model(TableModel):
    return TableModel(shift=1)


@pytest.fixture
def talking(model):
    model.tokenizer = Letters()
    return model


def test_batches_change_no_text_and_numbers_are_places(model):
    rows = [[5], [6, 7], [8], [9]]
    whole = list(answers(model, rows, generate, batch=4, max_new_tokens=5, temperature=1.0))
    single = list(answers(model, rows, generate, batch=1, max_new_tokens=5, temperature=1.0))
    assert [(each.number, each.ids, each.text) for each in whole] == [(each.number, each.ids, each.text) for each in single]
    assert [each.number for each in whole] == [0, 1, 2, 3]


def test_every_row_is_checked_before_the_model_is_asked(model):
    with pytest.raises(SamplingError, match="prompt 2 holds the mask id"):
        list(answers(model, [[5], [6], [63]], generate, batch=1, max_new_tokens=5))
    with pytest.raises(SamplingError, match="canvas 1 begins with a gap"):
        list(answers(model, [[5, 63], [63]], infill, batch=1))
    assert model.seen == []


def test_observers_are_entered_once_and_see_the_steps_of_every_batch(model):
    seen = []

    @contextmanager
    def watch(of):
        seen.append(of)
        yield lambda step: seen.append((step.numbers_B.tolist(), step.number))
        seen.append("left")

    list(answers(model, [[5], [6]], generate, batch=1, watches=[watch], max_new_tokens=2, sampler="llada"))
    assert seen == [model, ([0], 0), ([0], 1), ([1], 0), ([1], 1), "left"]


def test_what_is_done_comes_before_the_end_when_it_is_interrupted(model):
    def stop_in_the_second(model, prompts, *, on_step, numbers, **arguments):
        def stop(step):
            on_step(step)
            if numbers == [1] and step.number == 2:
                raise KeyboardInterrupt

        return generate(model, prompts, on_step=stop, numbers=numbers, **arguments)

    came = []
    with pytest.raises(Stopped, match="1 of 3 texts are whole") as caught:
        for answer in answers(model, [[5], [6], [7]], stop_in_the_second, batch=1, max_new_tokens=6, sampler="llada"):
            came.append(answer)
    assert caught.value.exit_code == 130
    assert [answer.ids.count(63) for answer in came] == [0, 3] and "[[" in came[1].text


def test_rows_of_an_interrupted_batch_come_without_what_fills_them_up(model):
    def stop_at_once(model, prompts, *, on_step, **arguments):
        def stop(step):
            on_step(step)
            raise KeyboardInterrupt

        return generate(model, prompts, on_step=stop, **arguments)

    came = []
    with pytest.raises(Stopped, match="0 of 2 texts are whole"):
        for answer in answers(model, [[5], [6, 7, 8]], stop_at_once, batch=2, max_new_tokens=4, sampler="llada"):
            came.append(answer)
    assert [(answer.number, len(answer.ids)) for answer in came] == [(0, 5), (1, 7)]


def test_an_unfinished_text_has_its_gaps_in_the_way_infill_reads_them(talking):
    ids = [1, 2, 63, 63, 63, 4, 63]
    assert text_with_gaps(talking, ids) == "BC[[3]]E[[1]]"
    del talking.tokenizer
    assert text_with_gaps(talking, ids) == "1 2 [[3]] 4 [[1]]"


def test_of_a_conversation_the_answer_alone_is_said_without_the_token_that_ends_it(talking):
    talk = Conversation(({"role": "user", "content": "hi"},))
    prompt = Letters().encode("UhiA")
    ask = {"batch": 1, "max_new_tokens": 6, "sampler": "left_to_right"}
    (open_end,) = answers(talking, [talk], generate, **ask)
    said = open_end.ids[len(prompt) :]
    assert open_end.ids[: len(prompt)] == prompt and open_end.text == Letters().decode(said)
    talking.eos_token_id = said[2]
    (ended,) = answers(talking, [talk], generate, **ask)
    assert ended.ids == prompt + said[: said.index(said[2]) + 1]
    assert ended.text == Letters().decode(said[: said.index(said[2])])


def test_finished_is_what_the_model_ended_and_a_canvas_without_gaps(talking):
    ask = {"batch": 1, "sampler": "left_to_right"}
    (open_end,) = answers(talking, [[5, 6]], generate, max_new_tokens=4, **ask)
    assert not open_end.finished
    talking.eos_token_id = open_end.ids[3]
    (ended,) = answers(talking, [[5, 6]], generate, max_new_tokens=4, **ask)
    assert ended.finished and ended.ids == open_end.ids[:4]
    (given,) = answers(talking, [ended.ids], generate, max_new_tokens=0, **ask)
    assert not given.finished, "the prompt ends so, and the model wrote nothing"
    (canvas,) = answers(talking, [[5, 63, 6]], infill, **ask)
    assert canvas.finished
