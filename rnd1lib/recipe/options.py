"""From a component's name and options to the component, or to every reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from rnd1lib.errors import PluginError
from rnd1lib.kinds import Kind
from rnd1lib.kinds.component import NestedKind
from rnd1lib.recipe.typed import Key, Misfit, convert
from rnd1lib.registry import Registry, UnknownName

WEIGHTS = "weights"
"""The option of an owner of several components that is filled from the core's key `weight` of each."""


class PluginMisfit(Misfit):
    """A mistake of a plug-in, not of the recipe that names it."""


def make(registry: Registry, kind: Kind, use: str, options: Mapping[str, Any]) -> tuple[Any, list[Misfit]]:
    """The component `use` of a kind with these options, or None and what is wrong; nested components are made first."""
    try:
        cls = registry.load(kind, use)
    except UnknownName as error:
        return None, [Misfit(("use",), str(error))]
    except PluginError as error:
        return None, [PluginMisfit(("use",), str(error))]
    nested, misfits = _nested(registry, cls, options)
    converted, faults = convert(cls, {name: value for name, value in options.items() if name not in nested}, "option")
    misfits += [fault for fault in faults if fault.key[0] not in nested]
    component = None
    if not misfits:
        try:
            component = cls(**converted, **nested)
        except ValueError as error:
            misfits = [Misfit(_key_in(str(error), cls), str(error))]
        except Exception as error:
            misfits = [PluginMisfit((), f"its plug-in failed: {type(error).__name__}: {error}")]
    return component, [fault._replace(message=f"{kind} {use!r}: {fault.message}") for fault in misfits]


def _key_in(message: str, cls: Any) -> Key:
    """The option that a ValueError of `__post_init__` names before its first colon."""
    name = message.partition(":")[0]
    return (name,) if name in {field.name for field in fields(cls)} else ()


def _nested(registry: Registry, cls: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[Misfit]]:
    made: dict[str, Any] = {}
    misfits: list[Misfit] = []
    for name, (kind, many) in nested_kinds(cls).items():
        value = options.get(name)
        if value is None:
            continue
        if not many:
            made[name], faults = _one(registry, kind, value, (name,))
        elif isinstance(value, Mapping):
            entries = value
            if WEIGHTS in {field.name for field in fields(cls)} and WEIGHTS not in options:
                entries, made[WEIGHTS], faults = _weights(value, name)
                misfits += faults
            built = {key: _one(registry, kind, entry, (name, key)) for key, entry in entries.items()}
            made[name] = {key: component for key, (component, _) in built.items()}
            faults = [fault for _, several in built.values() for fault in several]
        else:
            made[name], faults = None, [Misfit((name,), f"{name}: a mapping of names to {kind} components is expected.")]
        misfits += faults
    return made, misfits


def _weights(value: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, float], list[Misfit]]:
    """The entries of `name` without their `weight`, the weights by entry, and those that are no number."""
    entries, weights, misfits = {}, {}, []
    for key, entry in value.items():
        entries[key] = entry
        if isinstance(entry, Mapping) and "weight" in entry:
            entries[key] = {option: given for option, given in entry.items() if option != "weight"}
            try:
                weights[key] = float(entry["weight"])
            except (TypeError, ValueError):
                message = f"{name}.{key}.weight: {entry['weight']!r} is no number."
                misfits.append(Misfit((name, key, "weight"), message))
    return entries, weights, misfits


def _one(registry: Registry, kind: Kind, value: Any, key: Key) -> tuple[Any, list[Misfit]]:
    entry = {"use": value} if isinstance(value, str) else value
    where = ".".join(map(str, key))
    if not isinstance(entry, Mapping) or not isinstance(entry.get("use"), str):
        return None, [Misfit(key, f"{where}: name one {kind} component, alone or as {{use: NAME, its options}}.")]
    component, faults = make(registry, kind, entry["use"], {name: v for name, v in entry.items() if name != "use"})
    return component, [fault._replace(key=(*key, *fault.key), message=f"{where}: {fault.message}") for fault in faults]


def nested_kinds(cls: Any) -> dict[str, tuple[Kind, bool]]:
    """option -> kind, and whether it is a mapping of several, for the fields typed by `Component[kind]`."""
    found: dict[str, tuple[Kind, bool]] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for mark, many in _marks(hint, False):
            found[name] = (cast(Kind, mark.kind), many)
    return found


def _marks(hint: Any, many: bool) -> Iterator[tuple[NestedKind, bool]]:
    if isinstance(hint, NestedKind):
        yield hint, many
    if get_origin(hint) is not Literal:
        for inner in [*get_args(hint), *getattr(hint, "__metadata__", ())]:
            yield from _marks(inner, many or get_origin(hint) is dict)
