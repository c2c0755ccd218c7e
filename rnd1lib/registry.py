"""kind -> name -> component: where a name in a recipe is looked up. Filled once by the plug-ins, then frozen."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any, NamedTuple, get_type_hints

from omegaconf import OmegaConf

from rnd1lib import kinds
from rnd1lib.errors import PluginError, Rnd1Error
from rnd1lib.kinds import KINDS, Kind

CONTRACTS: dict[Kind, type] = {
    "attention_mask": kinds.AttentionMask,
    "noise": kinds.Noise,
    "objective": kinds.Objective,
    "lr_groups": kinds.LrGroups,
    "sampler": kinds.Sampler,
    "model": kinds.Model,
    "data": kinds.Data,
    "evaluator": kinds.Evaluator,
    "callback": kinds.Callback,
}


class Owner(NamedTuple):
    """Who delivered a component: the plug-in's entry-point name, its package and that package's version."""

    plugin: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}".strip()


class Registration(NamedTuple):
    """One component: its class, or where to import it from; `error` says that its plug-in broke while registering."""

    kind: Kind
    name: str
    target: type | str
    owner: Owner
    error: str | None = None


class UnknownName(Rnd1Error):
    """No component of that kind has this name; the sentence says which ones there are and which was probably meant."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The clause ` Did you mean 'x'?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


class Registry:
    """The components by kind and name. `freeze` ends the filling; `copy` gives an open one for a recipe's own plug-ins."""

    def __init__(self) -> None:
        self._registrations: dict[tuple[Kind, str], Registration] = {}
        self._sound: dict[tuple[Kind, str], type] = {}
        self._frozen = False

    def add(self, new: Registration) -> None:
        """Enter one component. Rnd1Error: the name is taken, by whom; the registry is frozen."""
        if self._frozen:
            raise Rnd1Error(f"{new.kind} {new.name!r} of {new.owner} comes too late: the registry is frozen.")
        old = self._registrations.setdefault((new.kind, new.name), new)
        if old is not new:
            raise Rnd1Error(
                f"{new.kind} {new.name!r} is registered twice: by {old.owner} (plug-in {old.owner.plugin!r}) and by "
                f"{new.owner} (plug-in {new.owner.plugin!r}). Uninstall one, or choose by RND1_PLUGINS."
            )

    def freeze(self) -> Registry:
        """Refuse every later `add`."""
        self._frozen = True
        return self

    def copy(self) -> Registry:
        """An open registry with the same components."""
        other = Registry()
        other._registrations = dict(self._registrations)
        return other

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._registrations.values())

    def names(self, kind: Kind) -> list[str]:
        """The names of a kind, in order."""
        return sorted(name for of_kind, name in self._registrations if of_kind == kind)

    def find(self, kind: Kind, name: str) -> Registration:
        """The entry of a component, which is not imported. UnknownName: with the names that exist."""
        if (kind, name) not in self._registrations:
            known = self.names(kind)
            raise UnknownName(
                f"no {kind} is called {name!r}.{did_you_mean(name, known)} There are: {', '.join(known) or 'none'}."
            )
        return self._registrations[kind, name]

    def load(self, kind: Kind, name: str) -> type:
        """The component's class, imported and held against its contract. PluginError: what is wrong, and whose it is."""
        if (kind, name) in self._sound:
            return self._sound[kind, name]
        entry = self.find(kind, name)
        who = f"{kind} {name!r} of {entry.owner}"
        if entry.error:
            raise PluginError(f"{who}: {entry.error}")
        cls = _imported(entry.target, who)
        complaint = complaint_about(cls, kind)
        if complaint:
            raise PluginError(f"{who}: {complaint}")
        return self._sound.setdefault((kind, name), cls)


def _imported(target: type | str, who: str) -> Any:
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise PluginError(f"{who}: {target!r} cannot be imported: {type(error).__name__}: {error}") from error


def complaint_about(cls: Any, kind: Kind) -> str | None:
    """What keeps a class from being a component of this kind, as a sentence; None where nothing does."""
    if not isinstance(cls, type):
        return f"{cls!r} is no class."
    if not is_dataclass(cls) or "__dataclass_params__" not in vars(cls) or not vars(cls)["__dataclass_params__"].frozen:
        return f"{cls.__name__} must be a dataclass of its own, decorated with @dataclass(frozen=True, kw_only=True)."
    positional = [field.name for field in fields(cls) if field.init and not field.kw_only]
    if positional:
        return f"{cls.__name__}: the options {', '.join(positional)} are positional. Decorate it with kw_only=True."
    try:
        get_type_hints(cls)
        OmegaConf.structured(cls)
    except Exception as error:
        return (
            f"{cls.__name__}: the type of an option cannot be read: {str(error).splitlines()[0]}. "
            "Options are plain values, and their types are imported for real, not under TYPE_CHECKING."
        )
    if kind == "callback":
        return None if issubclass(cls, kinds.Callback) else f"{cls.__name__} must subclass rnd1lib.kinds.Callback."
    missing = _missing_members(cls, CONTRACTS[kind])
    return f"{cls.__name__} lacks {', '.join(missing)}, which rnd1lib.kinds asks of every {kind}." if missing else None


def _missing_members(cls: Any, contract: type) -> list[str]:
    options = {field.name: field for field in fields(cls)}
    missing = []
    for name in [*contract.__annotations__, *vars(contract)]:
        promised = vars(contract).get(name)
        if name.startswith("_") or name in missing:
            continue
        if inspect.isfunction(promised):
            own = getattr(cls, name, None)
            if not callable(own) or own is promised:
                missing.append(f"{name}()")
        elif name not in options and getattr(cls, name, MISSING) in (MISSING, promised):
            missing.append(name)
    return missing


class Register:
    """What `rnd1_register` is given: a method a kind. `target` is a class, or "module:Class", imported when it is used."""

    def __init__(self, registry: Registry, owner: Owner) -> None:
        self._registry = registry
        self._owner = owner

    def attention_mask(self, name: str, target: type[kinds.AttentionMask] | str) -> None:
        """Offer a rule for who sees whom."""
        self._add("attention_mask", name, target)

    def noise(self, name: str, target: type[kinds.Noise] | str) -> None:
        """Offer a noise schedule."""
        self._add("noise", name, target)

    def objective(self, name: str, target: type[kinds.Objective] | str) -> None:
        """Offer an objective."""
        self._add("objective", name, target)

    def lr_groups(self, name: str, target: type[kinds.LrGroups] | str) -> None:
        """Offer a division of the parameters into learning-rate groups."""
        self._add("lr_groups", name, target)

    def sampler(self, name: str, target: type[kinds.Sampler] | str) -> None:
        """Offer a sampler."""
        self._add("sampler", name, target)

    def model(self, name: str, target: type[kinds.Model] | str) -> None:
        """Offer a family of networks."""
        self._add("model", name, target)

    def data(self, name: str, target: type[kinds.Data] | str) -> None:
        """Offer a source of documents."""
        self._add("data", name, target)

    def evaluator(self, name: str, target: type[kinds.Evaluator] | str) -> None:
        """Offer a measurement of the model."""
        self._add("evaluator", name, target)

    def callback(self, name: str, target: type[kinds.Callback] | str) -> None:
        """Offer an observer of the run."""
        self._add("callback", name, target)

    def _add(self, kind: Kind, name: str, target: type | str) -> None:
        if not isinstance(target, type) and not (isinstance(target, str) and target.count(":") == 1):
            raise TypeError(f"{kind} {name!r}: {target!r} is neither a class nor 'module:Class'.")
        self._registry.add(Registration(kind, name, target, self._owner))


assert tuple(CONTRACTS) == KINDS
