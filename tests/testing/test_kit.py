"""The kit itself: what it says of a broken promise, without pytest and in it."""

import random
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from rnd1lib.kinds import KINDS
from rnd1lib.testing import BrokenPromise, broken_promises, check, conformance, promises
from rnd1lib.testing.chance import chi_square_bound, demand_law
from rnd1lib.testing.promise import Unlike
from rnd1lib.testing.purity import no_process_rng, twice, unchanged

pytest_plugins = ["pytester"]


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    power: float = 2.0

    def alpha(self, t):
        return 1 - t**self.power

    def alpha_prime(self, t):
        return -self.power * t ** (self.power - 1)


@dataclass(frozen=True, kw_only=True)
class Rising(Quadratic):
    def alpha(self, t):
        return t**self.power


@dataclass(frozen=True, kw_only=True)
class Everything:
    def pattern(self, step):
        return "full"

    def mask_mod(self, step):
        raise NotImplementedError


test_a_strangers_schedule_in_one_line = conformance("noise", Quadratic())
test_two_of_them = conformance("noise", Quadratic(), Quadratic(power=1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_promises_that_are_sentences_with_a_formula(kind):
    found = promises(kind)
    assert len(found) >= 4
    for sentence, each in found.items():
        assert each.sentence == sentence == each.__name__.replace("_", " ")
        assert len(sentence.split()) >= 4
        assert len(each.formula) > 20


def test_a_kind_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="no kind is called 'noises'"):
        promises("noises")


def test_a_broken_promise_names_component_sentence_formula_and_what_was_seen():
    with pytest.raises(BrokenPromise) as caught:
        promises("noise")["alpha falls from one to zero"](Rising())
    error = caught.value
    assert error.sentence == "alpha falls from one to zero"
    assert "Rising(power=2.0)" in str(error)
    assert "alpha(0) = 1 and alpha(1) = 0" in error.formula
    assert error.found == "alpha(0) = 0.0000, alpha(1) = 1.0000."


def test_check_says_all_that_is_broken_at_once():
    with pytest.raises(AssertionError) as caught:
        check(Rising(), "noise")
    broken = [each.sentence for each in broken_promises(Rising(), "noise")]
    assert len(broken) >= 3
    assert all(sentence in str(caught.value) for sentence in broken)


def test_a_component_that_fails_in_the_middle_breaks_the_promise():
    class Unfinished(Quadratic):
        def alpha(self, t):
            raise ZeroDivisionError("by hand")

    broken = broken_promises(Unfinished(), "noise")
    assert {each.found for each in broken} == {"ZeroDivisionError: by hand"}


def test_in_pytest_the_ids_are_the_sentences_and_the_failure_is_the_promise(pytester):
    pytester.makepyfile(
        """
        from rnd1lib.testing import conformance

        class Rising:
            def alpha(self, t):
                return t

            def alpha_prime(self, t):
                return t**0

        test_conformance = conformance("noise", Rising())
        """
    )
    said = pytester.runpytest_inprocess("-v", "-p", "no:cacheprovider").stdout.str()
    assert "test_conformance[alpha falls from one to zero] FAILED" in said
    assert "test_conformance[both functions keep the dtype and shape of t] PASSED" in said
    assert "breaks a promise of its kind: alpha falls from one to zero." in said
    assert "_hold" not in said


def test_a_promise_that_is_not_a_components_to_keep_is_no_test_of_it():
    doubled = {name for name, each in promises("attention_mask").items() if not each.applies(Everything())}
    assert {"the clean half never sees the noisy one", "a change is decided by the step alone"} <= doubled
    (marked,) = conformance("attention_mask", Everything()).pytestmark
    assert {case.id for case in marked.args[1]} == set(promises("attention_mask")) - doubled
    assert broken_promises(Everything(), "attention_mask") == []


def test_the_plugin_of_pytest_holds_every_component_of_a_package_without_a_test_file(pytester):
    done = pytester.runpytest_inprocess("-v", "-p", "rnd1lib.testing.pytest_plugin", "--conformance", "rnd1lib", "-k", "groups")
    said = done.stdout.str()
    assert "lr_groups attention_first: every parameter is in exactly one group PASSED" in said
    assert "lr_groups uniform: no group is empty PASSED" in said
    done.assert_outcomes(passed=2 * len(promises("lr_groups")), deselected=done.parseoutcomes()["deselected"])


def test_a_component_that_needs_options_is_passed_over_and_says_which(pytester):
    arguments = ["--conformance", "rnd1lib", "-rs", "-k", "jsonl"]
    done = pytester.runpytest_inprocess("-p", "rnd1lib.testing.pytest_plugin", *arguments)
    assert done.parseoutcomes()["skipped"] == len(promises("data"))
    assert "path: missing" in done.stdout.str()


def test_a_plugin_that_there_is_not_is_told(pytester):
    done = pytester.runpytest_inprocess("-p", "rnd1lib.testing.pytest_plugin", "--conformance", "exampel")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "--conformance exampel: no plug-in of rnd1lib has that name" in done.stderr.str() + done.stdout.str()


def test_rnd1lib_does_not_import_the_kit_and_the_kit_alone_imports_neither_torch_nor_pytest():
    code = """import sys, rnd1lib
assert "rnd1lib.testing" not in sys.modules
import rnd1lib.testing
assert not {"torch", "pytest"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), lambda: random.random()])
def test_a_draw_from_the_process_is_noticed(draw):
    with pytest.raises(Unlike, match="was used"), no_process_rng():
        draw()


def test_a_tensor_that_is_written_into_is_noticed():
    given = torch.zeros(3)
    with pytest.raises(Unlike, match="tensor 0"), unchanged([given]):
        given[1] = 1


def test_twice_has_two_seeds_and_leaves_the_process_alone():
    before = torch.get_rng_state(), random.getstate()
    one, two = twice(lambda: (torch.rand(3).tolist(), random.random()))
    assert one[0] != two[0] and one[1] != two[1]
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 31])
def test_chance_goes_beyond_the_bound_once_in_a_million_times_or_less(freedom):
    half = torch.tensor([freedom / 2, chi_square_bound(freedom) / 2], dtype=torch.float64)
    assert 1e-7 < float(torch.special.gammaincc(half[0], half[1])) < 1.2e-6


def test_counts_that_follow_the_law_pass_and_others_do_not():
    expected = torch.tensor([400.0, 600.0])
    demand_law(torch.tensor([420, 580]), expected, "coins")
    with pytest.raises(Unlike, match="coins: chi-square"):
        demand_law(torch.tensor([500, 500]), expected, "coins")
    with pytest.raises(Unlike, match="seen where its probability is 0"):
        demand_law(torch.tensor([400, 599, 1]), torch.tensor([400.0, 600.0, 0.0]), "coins")
