from dataclasses import dataclass
from typing import Any

import pytest

from rnd1lib.errors import PluginError, Rnd1Error
from rnd1lib.kinds import KINDS, Callback, Noise
from rnd1lib.registry import Owner, Register, Registration, Registry, UnknownName

OURS, THEIRS = Owner("ours", "our-package", "1.0"), Owner("theirs", "their-package", "2.0")


@dataclass(frozen=True, kw_only=True)
class Good:
    """Dissolves at a power of time."""

    power: float = 1.0

    def alpha(self, t: Any) -> Any:
        return 1 - t**self.power

    def alpha_prime(self, t: Any) -> Any:
        return -self.power * t ** (self.power - 1)


@dataclass(kw_only=True)
class Thawed:
    alpha = Good.alpha
    alpha_prime = Good.alpha_prime


@dataclass(frozen=True)
class Positional:
    power: float = 1.0
    alpha = Good.alpha
    alpha_prime = Good.alpha_prime


@dataclass(frozen=True, kw_only=True)
class Half:
    def alpha(self, t: Any) -> Any:
        return 1 - t


@dataclass(frozen=True, kw_only=True)
class Promised(Noise):
    def alpha(self, t: Any) -> Any:
        return 1 - t


@dataclass(frozen=True, kw_only=True)
class Unresolved(Good):
    where: "Nowhere" = None  # type: ignore[name-defined]  # noqa: F821


@dataclass(frozen=True, kw_only=True)
class Odd(Good):
    where: Registry | None = None


class Inherits(Good):
    pass


@dataclass(frozen=True, kw_only=True)
class Silent:
    pass


@dataclass(frozen=True, kw_only=True)
class Watching(Callback):
    pass


def registry_with(target: Any, kind: str = "noise") -> Registry:
    registry = Registry()
    registry.add(Registration(kind, "x", target, OURS))
    return registry.freeze()


def test_a_class_and_a_lazy_target_are_loaded_alike():
    assert registry_with(Good).load("noise", "x") is Good
    assert registry_with("rnd1_plugins.noise.linear:Linear").load("noise", "x").__name__ == "Linear"


def test_a_name_taken_twice_names_both_packages():
    registry = registry_with(Good).copy()
    with pytest.raises(
        Rnd1Error, match=r"'x' is registered twice: by our-package 1\.0 .* by their-package 2\.0 .*RND1_PLUGINS"
    ):
        registry.add(Registration("noise", "x", Good, THEIRS))


def test_the_same_name_under_two_kinds_is_no_collision():
    registry = registry_with(Good).copy()
    registry.add(Registration("data", "x", Good, THEIRS))
    assert [entry.kind for entry in registry] == ["noise", "data"]


def test_a_frozen_registry_takes_nothing_and_its_copy_does():
    registry = registry_with(Good)
    with pytest.raises(Rnd1Error, match="frozen"):
        registry.add(Registration("noise", "y", Good, THEIRS))
    other = registry.copy()
    other.add(Registration("noise", "y", Good, THEIRS))
    assert (registry.names("noise"), other.names("noise")) == (["x"], ["x", "y"])


def test_an_unknown_name_says_what_was_meant_and_what_there_is():
    registry = Registry()
    for name in ("linear", "cosine"):
        registry.add(Registration("noise", name, Good, OURS))
    with pytest.raises(UnknownName, match=r"'linaer'\. Did you mean 'linear'\? There are: cosine, linear\."):
        registry.find("noise", "linaer")
    with pytest.raises(UnknownName, match="There are: none"):
        registry.find("sampler", "linear")


@pytest.mark.parametrize(
    ("target", "kind", "complaint"),
    [
        (Thawed, "noise", "frozen=True, kw_only=True"),
        (Inherits, "noise", "a dataclass of its own"),
        (Positional, "noise", "the options power are positional"),
        (Half, "noise", r"lacks alpha_prime\(\)"),
        (Promised, "noise", r"lacks alpha_prime\(\)"),
        (Unresolved, "noise", "Nowhere"),
        (Odd, "noise", "Options are plain values"),
        (Silent, "objective", r"lacks shift, corrupts, .*targets\(\)"),
        (Silent, "callback", "must subclass rnd1lib.kinds.Callback"),
        (print, "noise", "is no class"),
        ("no_such_module:X", "noise", "No module named 'no_such_module'"),
        ("fractions:Nothing", "noise", "Nothing"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_breaks_the_contract_is_the_plug_ins_fault_in_a_sentence(target, kind, complaint):
    with pytest.raises(PluginError, match=complaint) as error:
        registry_with(target, kind).load(kind, "x")
    assert "our-package 1.0" in str(error.value)


def test_a_callback_needs_to_override_nothing():
    assert registry_with(Watching, "callback").load("callback", "x") is Watching


def test_a_component_of_a_plug_in_that_broke_is_refused_with_its_error():
    registry = Registry()
    registry.add(Registration("noise", "x", Good, OURS, "it broke"))
    with pytest.raises(PluginError, match="it broke"):
        registry.load("noise", "x")


def test_every_kind_has_its_method_and_targets_are_looked_at_at_once():
    registry = Registry()
    register = Register(registry, OURS)
    for kind in KINDS:
        getattr(register, kind)("mine", "module:Class")
    assert [(entry.kind, entry.name, entry.owner) for entry in registry] == [(kind, "mine", OURS) for kind in KINDS]
    for wrong in ("module", "a:b:c", 3):
        with pytest.raises(TypeError, match="neither a class nor 'module:Class'"):
            register.noise("other", wrong)  # type: ignore[arg-type]
