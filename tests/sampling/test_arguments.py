"""What makes no sense is refused in a sentence, before the model is asked; edges give empty results."""

from pathlib import Path

import numpy
import pytest
import torch
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy

from rnd1lib.diffusion.likelihood import log_likelihood
from rnd1lib.errors import SamplingError
from rnd1lib.sampling.generation import generate, infill


class Letters:
    """A tokenizer: a letter a token."""

    def encode(self, text):
        return [ord(letter) - ord("a") for letter in text]

    def decode(self, ids):
        return "".join(chr(token + ord("a")) for token in ids)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"steps": 0},
        {"top_p": 2.0},
        {"top_p": 0.0},
        {"top_k": 0},
        {"block_length": 0},
        {"eb_gamma": -1.0},
        {"seed": -1},
        {"seed": 1.5},
        {"max_new_tokens": -1},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"eb_gama": 1.0},
        {"sampler": "rnd1_entropi"},
        {"sampler": 5},
        {"guidance": float("nan")},
        {"guidance": -1.0},
        {"guidance": "much"},
        {"cache": "prefix"},
        {"numbers": [1, 2]},
        {"max_new_tokens": 1 << 40},
        {"steps": 2, "block_length": 2},
    ],
    ids=str,
)
def test_bad_arguments_are_refused_in_a_sentence(TableModel, change):
    model = TableModel(shift=1)
    with pytest.raises(SamplingError, match=r".{15}"):
        generate(model, [[1, 2]], **{"max_new_tokens": 8, "sampler": "rnd1_entropy", **change})
    assert model.seen == []


@pytest.mark.parametrize(
    "prompts", [[[4, 63, 5]], [[-1]], ["text"], [["a"]], "text", [[4, 64]], [[1.5]], [[1, 2], [1 << 80]], [None]], ids=str
)
def test_bad_prompts_are_refused_in_a_sentence(TableModel, prompts):
    model = TableModel(shift=1)
    model.vocab_size = 64
    with pytest.raises(SamplingError, match=r".{15}"):
        generate(model, prompts, max_new_tokens=4)
    assert model.seen == []


@pytest.mark.parametrize(("prompt", "new"), [([1] * 17, 0), ([1] * 10, 7), ([1], 10**15)], ids=["prompt", "both", "new"])
def test_what_is_longer_than_the_context_is_refused_with_the_numbers(TableModel, prompt, new):
    model = TableModel(shift=1)
    model.context_length = 16
    with pytest.raises(SamplingError, match=r"prompt \d is too long: .* and the model's context is 16") as caught:
        generate(model, [[1], prompt], max_new_tokens=new)
    assert model.seen == [] and (not new or f"{len(prompt) + new}, and" in str(caught.value))
    with pytest.raises(SamplingError, match="canvas 0 is too long: its 17 tokens"):
        infill(model, [[1] * 17])
    assert len(generate(model, [[1] * 10], max_new_tokens=6, sampler="llada").steps) == 6


def test_ids_beyond_any_vocabulary_are_refused_where_the_model_does_not_say_how_many_it_has(TableModel):
    with pytest.raises(SamplingError, match="outside the vocabulary"):
        generate(TableModel(), [[1 << 70]], max_new_tokens=2)


def test_mistakes_name_a_row_by_its_own_number(TableModel):
    with pytest.raises(SamplingError, match="prompt 7 holds the mask id"):
        generate(TableModel(), [[1], [63]], max_new_tokens=2, numbers=[5, 7])


def test_more_steps_than_masks_make_no_empty_forwards(TableModel):
    model = TableModel()
    assert generate(model, [[1]], max_new_tokens=4, sampler="llada", steps=100).forward_calls <= 4
    assert len(model.seen) <= 4


@pytest.mark.parametrize("text", ["a\udcff", "\ud800"])
def test_a_text_that_utf_8_cannot_write_is_refused(TableModel, text):
    model = TableModel()
    model.tokenizer = Letters()
    with pytest.raises(SamplingError, match="UTF-8"):
        generate(model, [text], max_new_tokens=2)


def test_a_huge_seed_is_a_seed(TableModel):
    assert len(generate(TableModel(), [[1]], max_new_tokens=3, temperature=1.0, seed=1 << 90).sequences[0]) > 1


def test_an_unknown_option_names_what_was_probably_meant(TableModel):
    with pytest.raises(SamplingError, match="eb_gamma"):
        generate(TableModel(), [[1]], max_new_tokens=4, eb_gama=1.0)


def test_options_are_put_over_those_of_a_component(TableModel):
    sampler = Llada(steps=4)
    assert generate(TableModel(), [[1]], sampler=sampler, max_new_tokens=8, steps=2).forward_calls == 2
    with pytest.raises(SamplingError, match="stepz"):
        generate(TableModel(), [[1]], sampler=sampler, max_new_tokens=8, stepz=2)


def test_a_top_k_above_the_vocabulary_is_noted_and_keeps_all(TableModel):
    model = TableModel()
    model.vocab_size = 64
    with pytest.warns(UserWarning, match="top_k"):
        capped = generate(model, [[1]], sampler=Rnd1Entropy(top_k=1000), max_new_tokens=6)
    assert capped.sequences == generate(TableModel(), [[1]], sampler=Rnd1Entropy(), max_new_tokens=6).sequences


def outcome(done):
    return done.sequences, done.texts, done.steps, done.forward_calls


def test_nothing_to_do_gives_empty_results_without_a_call(TableModel):
    model = TableModel(shift=1)
    assert outcome(generate(model, [], max_new_tokens=4)) == ([], [], [], 0)
    assert outcome(generate(model, [[], [1, 2]], max_new_tokens=0)) == ([[], [1, 2]], ["", "1 2"], [], 0)
    assert outcome(infill(model, [[], [1, 2]])) == ([[], [1, 2]], ["", "1 2"], [], 0)
    assert model.seen == []


def test_an_empty_prompt_gets_a_start_token_under_shift_1_only(TableModel):
    assert generate(TableModel(shift=1), [[]], max_new_tokens=4).sequences[0][0] == 60
    assert len(generate(TableModel(shift=0), [[]], max_new_tokens=4).sequences[0]) <= 4
    model = TableModel(shift=1)
    model.bos_token_id = None
    assert generate(model, [[]], max_new_tokens=4).sequences[0][0] == 62
    model.eos_token_id = None
    with pytest.raises(SamplingError, match="neither a bos nor an eos"):
        generate(model, [[]], max_new_tokens=4)


def test_a_canvas_that_begins_with_a_gap_has_no_row_for_it_under_shift_1(TableModel):
    with pytest.raises(SamplingError, match="put a token before it"):
        infill(TableModel(shift=1), [[63, 5]])
    assert 63 not in infill(TableModel(shift=0), [[63, 5]]).sequences[0]


def test_a_model_without_a_mask_token_is_told_so(TableModel):
    model = TableModel()
    model.mask_token_id = None
    with pytest.raises(SamplingError, match="no mask token"):
        generate(model, [[5]], max_new_tokens=2)


def test_texts_go_in_and_come_out_where_there_is_a_tokenizer(TableModel):
    model = TableModel()
    model.tokenizer = Letters()
    done = generate(model, ["abc"], max_new_tokens=3)
    kept = done.sequences[0][:-1] if done.sequences[0][-1] == 62 else done.sequences[0]
    assert done.texts == [Letters().decode(kept)] and done.texts[0].startswith("abc")
    filled = infill(model, ["ab[[3]]cd"])
    assert len(filled.sequences[0]) == 7 and filled.texts[0].startswith("ab") and filled.texts[0].endswith("cd")


@pytest.mark.parametrize("gap", ["[[9999999]]", "[[99999999999999999999]]"])
def test_a_gap_that_would_take_all_memory_is_refused(TableModel, gap):
    model = TableModel()
    model.tokenizer = Letters()
    with pytest.raises(SamplingError, match="gap of more than"):
        infill(model, [f"a{gap}"])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (None, "model: None is no model: load_model(PATH) gives one."),
        ("runs/tiny", "model: 'runs/tiny' is a path: load the model first, load_model('runs/tiny')."),
        (Path("runs/tiny"), "load_model('runs/tiny')."),
        (torch.nn.Linear(1, 1), "model: a Linear is no model to sample from: it has no logits."),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("call", [lambda model: generate(model, [[1]], max_new_tokens=2), lambda model: infill(model, [[1]])])
def test_what_is_no_model_is_told_what_gives_one(model, sentence, call):
    with pytest.raises(SamplingError) as told:
        call(model)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ("text", "A single text was given where a list of them is expected: ['text']."),
        ([1, 2], "A single list of ids was given where a list of them is expected: [[1, 2]]."),
        (torch.tensor([1, 2]), "A single list of ids was given"),
        (numpy.array([1, 2]), "A single list of ids was given"),
        (None, "prompts: None is no list of texts or of lists of ids."),
        (5, "prompts: 5 is no list of texts"),
        ([None], "prompt 0: None is no list of token ids."),
        ([[1], {1: 2}], "prompt 1: {1: 2} is no list of token ids."),
        ([b"ab"], "prompt 0: b'ab' is no list of token ids."),
        ([["x"]], "prompt 0: 'x' is no token id: ids are integers."),
        ([[1, 2.0]], "prompt 0: 2.0 is no token id"),
        ([[True]], "prompt 0: True is no token id"),
        ([torch.tensor([1.0, 2.0])], "prompt 0: 1.0 is no token id"),
        ([torch.tensor([True])], "prompt 0: True is no token id"),
        ([numpy.array([1.5])], "prompt 0: 1.5 is no token id"),
        (torch.ones(2, 2), "prompt 0: 1.0 is no token id"),
        (torch.ones(2, 2, 2, dtype=torch.int64), "prompt 0: [1, 1] is no token id"),
    ],
    ids=str,
)
def test_prompts_that_are_no_lists_of_ids_are_told_what_is_expected(TableModel, prompts, sentence):
    with pytest.raises(SamplingError) as told:
        generate(TableModel(), prompts, max_new_tokens=2)
    assert sentence in str(told.value)


def test_tensors_arrays_and_anything_that_gives_integers_are_prompts(TableModel):
    rows = [[1, 2], [3, 4]]
    wanted = generate(TableModel(), rows, max_new_tokens=3).sequences
    for same in (
        torch.tensor(rows),
        numpy.array(rows),
        numpy.array(rows, dtype=numpy.uint8),
        [torch.tensor([1, 2]), numpy.array([3, 4])],
        [[numpy.int64(1), torch.tensor(2)], (3, 4)],
        [range(1, 3), range(3, 5)],
        (row for row in rows),
    ):
        assert generate(TableModel(), same, max_new_tokens=3).sequences == wanted
    assert infill(TableModel(), torch.tensor([[1, 63, 2]])).sequences[0][::2] == [1, 2]
    assert generate(TableModel(), [torch.tensor([5])], max_new_tokens=0).sequences == [[5]]


@pytest.mark.parametrize("numbers", [["x"], [1.0], [True], [-1], 5], ids=str)
def test_numbers_of_rows_are_integers_of_0_or_more(TableModel, numbers):
    with pytest.raises(SamplingError, match="numbers: "):
        generate(TableModel(), [[1]], max_new_tokens=2, numbers=numbers)


def test_a_likelihood_takes_what_sampling_takes(TableModel):
    model = TableModel()
    plain = log_likelihood(model, [[1, 2]], [[3, 4]], method="chain")
    assert log_likelihood(model, torch.tensor([[1, 2]]), [numpy.array([3, 4])], method="chain") == plain
    with pytest.raises(SamplingError, match="True is no token id"):
        log_likelihood(model, [[1]], [[True]], method="chain")
