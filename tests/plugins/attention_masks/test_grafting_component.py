"""Grafting as a component: which mask at which step, what it asks of the run, and what it does not go with."""

import pytest
import torch
from rnd1_plugins.attention_masks.grafting import ERRORS, Grafting

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import StructuralMask


class Asked:
    """A run that notes what it is asked for."""

    def __init__(self, step):
        self.step, self.calls = step, []

    def attention_layers(self):
        return {}

    def save(self):
        self.calls.append("save")

    def capture(self, rows, *, at, until):
        self.calls.append(("capture", rows, at, until))
        return "captured"

    def fit(self, captured, error):
        self.calls.append(("fit", captured, error))


def calls(mask, step):
    run = Asked(step)
    mask.before_step(run)
    return run.calls


def test_it_is_causal_before_the_swap_and_bidirectional_from_it_on():
    mask, zero = Grafting(after=3), torch.tensor(0)
    assert isinstance(mask, StructuralMask)
    assert [mask.pattern(step) for step in range(5)] == ["causal"] * 3 + ["full"] * 2
    q, kv = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
    assert torch.equal(mask.mask_mod(torch.tensor(2))(zero, zero, q, kv), kv <= q)
    assert mask.mask_mod(torch.tensor(3))(zero, zero, q, kv).all()


def test_the_swap_is_saved_and_the_steps_behind_it_are_fits_decided_by_the_step_alone():
    mask = Grafting(after=3, fit_steps=2, fit_rows=64, fit_loss="l1")
    fit = [("capture", 64, 3, 5), ("fit", "captured", ERRORS["l1"])]
    assert [calls(mask, step) for step in range(7)] == [[], [], [], ["save", *fit], fit, [], []]
    assert [calls(Grafting(after=3), step) for step in (2, 3, 4)] == [[], ["save"], []]


def test_the_errors_are_means_over_all_elements():
    ours, theirs = torch.tensor([[0.0, 3.0], [0.5, 1.0]]), torch.zeros(2, 2)
    expected = {"l2": (9 + 0.25 + 1) / 4, "l1": 4.5 / 4, "huber": (2.5 + 0.125 + 0.5) / 4}
    assert {name: error(ours, theirs).item() for name, error in ERRORS.items()} == pytest.approx(expected)


@pytest.mark.parametrize("options", [{"after": 0}, {"after": 1, "fit_steps": -1}, {"after": 1, "fit_rows": 0}])
def test_numbers_below_what_makes_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"(after|fit_steps|fit_rows): -?\d+ is below [01]"):
        Grafting(**options)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["objective=autoregressive"], "objective 'autoregressive' trains none"),
        (["train.steps=5"], "after: 3 and 2 steps of fit leave nothing of the run's 5 steps to go on with"),
        (["train.steps=null", "train.tokens=10240"], "after: 3 and 2 steps of fit leave nothing of the run's 5 steps"),
        (["attention_mask.fit_rows=21"], "fit_rows: 21 is no multiple of the 8 rows of a step. Nearest: 24."),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_starts(overrides, sentence):
    grafting = "attention_mask={use: grafting, after: 3, fit_steps: 2, fit_rows: 16}"
    with pytest.raises(RecipeError, match="attention_mask 'grafting'") as error:
        rnd1lib.load_recipe("tiny/dense", [grafting, *overrides])
    assert [sentence in problem for problem in error.value.problems] == [True]


def test_rows_are_asked_after_only_if_there_is_a_fit():
    rnd1lib.load_recipe("tiny/dense", ["attention_mask={use: grafting, after: 3, fit_rows: 21}"])
