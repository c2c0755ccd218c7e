"""Values held against a dataclass, key by key, so that every mistake is found and not the first alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnd1lib.registry import did_you_mean

Key = tuple[str | int, ...]
PLAIN = (bool, int, float, type(None))
"""Types whose values are what they are: a text may be a reference, and a list is taken apart."""


class Misfit(NamedTuple):
    """One mistake: the key that it is found at, and a sentence (with the key's name in front) that stands alone."""

    key: Key
    message: str


def unknown(name: Any, known: Collection[str], word: str) -> str:
    """The sentence for a key that does not exist."""
    return f"{name}: no such {word}.{did_you_mean(str(name), known)} {word.capitalize()}s: {', '.join(known) or 'none'}."


def convert(cls: Any, values: Mapping[str, Any], word: str) -> tuple[dict[str, Any], list[Misfit]]:
    """The values in the types of the fields of `cls`, and what does not fit. word: what a field is called, `option` or `key`.

    Strings that read as numbers are taken for numbers where the field is one; "???" counts as missing.
    """
    options = [field for field in fields(cls) if field.init]
    names = [field.name for field in options]
    hints = get_type_hints(cls)
    schema = _schema(cls)
    converted: dict[str, Any] = {}
    misfits = [Misfit((name,), unknown(name, names, word)) for name in values if name not in names]
    for field in options:
        name = field.name
        if name not in values or values[name] == "???":
            if field.default is MISSING and field.default_factory is MISSING:
                misfits.append(Misfit((name,), f"{name}: missing."))
        elif (section := _dataclass(hints[name])) and isinstance(values[name], Mapping):
            inner, faults = convert(section, values[name], word)
            misfits += [_below(name, fault) for fault in faults]
            if not faults:
                converted[name] = section(**inner)
        elif (section := _dataclass_of_values(hints[name])) and isinstance(values[name], Mapping):
            converted[name], faults = _several(section, values[name], word)
            misfits += [_below(name, fault) for fault in faults]
        else:
            try:
                converted[name] = _typed(schema, name, values[name], hints[name])
            except (OmegaConfBaseException, ValueError, TypeError, OverflowError):
                misfits.append(Misfit((name,), f"{name}: {unfit(values[name], hints[name])}"))
    return converted, misfits


@lru_cache(maxsize=256)
def _schema(cls: Any) -> DictConfig:
    """The dataclass as OmegaConf takes it, which takes it a while; never changed."""
    schema = OmegaConf.structured(cls)
    assert isinstance(schema, DictConfig)
    return schema


def unfit(value: Any, hint: Any) -> str:
    """The sentence for a value of another type: what it is, what is expected, and what was probably meant."""
    choices = [choice for each in _members(hint) if get_origin(each) is Literal for choice in get_args(each)]
    meant = did_you_mean(value, [choice for choice in choices if isinstance(choice, str)]) if isinstance(value, str) else ""
    if int in _members(hint) and isinstance(value, float) and value.is_integer():
        meant = f" Write {int(value)}."
    return f"{_as_yaml(value)} is not {' or '.join(map(_expected, _members(hint)))}.{meant}"


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _expected(hint: Any) -> str:
    """A type in a reader's words."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) is tuple and ... not in get_args(hint):
        return f"a list of {len(get_args(hint))}, each {_expected(get_args(hint)[0])}"
    if is_dataclass(hint):
        return f"a mapping with the keys {', '.join(field.name for field in fields(hint))}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
    words |= {dict: "a mapping", list: "a list", tuple: "a list"}
    return words.get(get_origin(hint) or hint, "what it may be")


def _as_yaml(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def _widened(value: Any, hint: Any) -> Any:
    """A whole number where the field is a number or something else than a whole one: 1 is 1.0 there too."""
    members = _members(hint)
    return float(value) if type(value) is int and float in members and int not in members else value


def _dataclass(hint: Any) -> Any:
    """The dataclass that a hint is, alone or beside None; else None."""
    return None if get_origin(hint) is dict else next((each for each in (hint, *get_args(hint)) if is_dataclass(each)), None)


def _dataclass_of_values(hint: Any) -> Any:
    """The dataclass of a mapping's values; else None."""
    return _dataclass(get_args(hint)[1]) if get_origin(hint) is dict else None


def _several(cls: Any, values: Mapping[str, Any], word: str) -> tuple[dict[str, Any], list[Misfit]]:
    """Each value as a `cls`; those that do not fit are left out."""
    made: dict[str, Any] = {}
    misfits: list[Misfit] = []
    for name, value in values.items():
        if not isinstance(value, Mapping):
            known = ", ".join(field.name for field in fields(cls))
            misfits.append(Misfit((name,), f"{name}: a mapping is expected, with the keys {known}."))
            continue
        inner, faults = convert(cls, value, word)
        misfits += [_below(name, fault) for fault in faults]
        if not faults:
            made[name] = cls(**inner)
    return made, misfits


def _below(name: str, fault: Misfit) -> Misfit:
    return Misfit((name, *fault.key), f"{name}.{fault.message}")


def _typed(schema: DictConfig, name: str, value: Any, hint: Any) -> Any:
    """The value in the type of that field; OmegaConf's own errors if it does not fit."""
    if hint is Any or (type(value) in PLAIN and type(value) in _members(hint)):
        return value
    typed = OmegaConf.select(OmegaConf.merge(OmegaConf.masked_copy(schema, name), {name: _widened(value, hint)}), name)
    return OmegaConf.to_object(typed) if OmegaConf.is_config(typed) else typed
