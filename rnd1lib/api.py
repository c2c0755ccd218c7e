"""What the registry offers in Python: the list of components, their manual entries, and one of them built."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from rnd1lib.errors import PluginError
from rnd1lib.kinds import KINDS, Kind
from rnd1lib.kinds.component import NestedKind
from rnd1lib.plugins import installed
from rnd1lib.recipe.options import PluginMisfit, make
from rnd1lib.registry import Registration, Registry, did_you_mean

OF_A_FILE = " One of a file of yours: add_plugins(FILE), or rnd1 --plugin FILE before the command."


class OptionInfo(NamedTuple):
    """One option of a component: its type and default as they are written, and its docstring."""

    type: str
    default: str
    doc: str


@dataclass(frozen=True)
class ComponentInfo:
    """One component: where it comes from, at once; its manual entry and options, on use, which imports it."""

    kind: Kind
    name: str
    package: str
    version: str
    error: str | None
    _registry: Registry = field(repr=False, compare=False)

    @cached_property
    def manual(self) -> str:
        """The whole docstring: what for, formula, source. PluginError: the component cannot be imported."""
        return inspect.getdoc(self._registry.load(self.kind, self.name)) or ""

    @property
    def summary(self) -> str:
        """The first line of the manual entry."""
        return self.manual.partition("\n")[0]

    @cached_property
    def options(self) -> dict[str, OptionInfo]:
        """Its options by name."""
        cls = self._registry.load(self.kind, self.name)
        docs = _attribute_docs(cls)
        return {
            option.name: OptionInfo(_type_name(option.type), _default(option), docs.get(option.name, ""))
            for option in fields(cls)
            if option.init
        }


def components(kind: Kind | None = None) -> dict[str, dict[str, ComponentInfo]]:
    """Every installed component, kind -> name -> ComponentInfo; imports none of them. ValueError: no such kind."""
    registry = installed().registry
    return {
        each: {name: _info(registry, registry.find(each, name)) for name in registry.names(each)}
        for each in (KINDS if kind is None else (_checked(kind),))
    }


def build(kind: Kind, name: str, /, **options: Any) -> Any:
    """The component that a recipe would get from this name and these options.

    ValueError: no such kind, name or option, a wrong type or value. PluginError: a plug-in's own fault.
    """
    registry = installed().registry
    component, misfits = make(registry, _checked(kind), name, options)
    if misfits:
        fault = PluginError if any(isinstance(misfit, PluginMisfit) for misfit in misfits) else ValueError
        known = registry.names(kind)
        strange = name not in known and not did_you_mean(name, known)
        raise fault("\n".join(misfit.message for misfit in misfits) + OF_A_FILE * strange)
    return component


def _checked(kind: str) -> Kind:
    if kind not in KINDS:
        raise ValueError(f"no kind is called {kind!r}.{did_you_mean(kind, KINDS)} Kinds: {', '.join(KINDS)}.")
    return kind


def _info(registry: Registry, entry: Registration) -> ComponentInfo:
    return ComponentInfo(entry.kind, entry.name, entry.owner.package, entry.owner.version, entry.error, registry)


def _type_name(hint: Any) -> str:
    """As it would be written in a source file: `A | None` for Optional[A], `a data component` for Component["data"]."""
    if isinstance(hint, str):
        return hint
    if get_origin(hint) is Union or isinstance(hint, UnionType):
        return " | ".join(map(_type_name, get_args(hint)))
    if get_origin(hint) is Annotated:
        return next((f"a {mark.kind} component" for mark in hint.__metadata__ if isinstance(mark, NestedKind)), str(hint))
    if hint is type(None):
        return "None"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def _default(option: Any) -> str:
    if option.default is not MISSING:
        return repr(option.default)
    return "required" if option.default_factory is MISSING else repr(option.default_factory())


def _attribute_docs(cls: type) -> dict[str, str]:
    """The strings below the fields of a class and its bases; Python keeps them in the source alone."""
    docs: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for before, after in itertools.pairwise(statements):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    docs[before.target.id] = inspect.cleandoc(value.value)
    return docs
