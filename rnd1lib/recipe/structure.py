"""The shape of a merged recipe: known keys, known names, the core's own sections. Imports no component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from rnd1lib.kinds import Kind
from rnd1lib.recipe.merge import KEYS, SLOTS
from rnd1lib.recipe.problems import Problems
from rnd1lib.recipe.sections import CORE_KEYS, DataSection, Entry, ModelSection, RunSection
from rnd1lib.recipe.train_section import TrainSection
from rnd1lib.recipe.typed import Key, convert, unknown
from rnd1lib.registry import Registry, UnknownName

GROUPS: dict[str, Kind] = {"evaluators": "evaluator", "callbacks": "callback"}
REQUIRED = ("model", "attention_mask", "objective", "lr_groups", "data")

OWNED: dict[str, str] = {
    "training.seq_len": "train.sequence_length",
    "training.steps": "train.steps",
    "training.local_batch_size": "train.micro_batch_rows",
    "training.global_batch_size": "train.batch_tokens",
    "training.max_norm": "train.clip",
    "training.dtype": "train.precision",
    "training.mixed_precision_param": "train.precision",
    "optimizer": "lr_groups, train.betas and train.adam_eps",
    "lr_scheduler": "train.warmup, train.schedule and train.stages",
    "activation_checkpoint": "train.recompute",
    "debug.seed": "train.seed",
    "dataloader": "data",
    "validator": "evaluators",
    "loss": "objective and train.loss",
    "dump_folder": "run.folder",
    "model_spec": "model",
    "tokenizer": "model.tokenizer",
    "hf_assets_path": "model.init",
    "checkpoint.initial_load_path": "model.init",
    "checkpoint.initial_load_in_hf": "model.init",
    "checkpoint.folder": "run.folder",
}
"""What rnd1lib sets in torchtitan's config itself, and the key that a recipe uses instead."""


class Structure:
    """A resolved tree taken apart into typed sections and component references; what does not fit goes to `problems`."""

    def __init__(self, tree: Mapping[str, Any], registry: Registry, problems: Problems) -> None:
        self.tree, self.registry, self.problems = tree, registry, problems
        self.references: dict[Key, tuple[Kind, str, dict[str, Any]]] = {}
        self._top_level()
        for slot in SLOTS:
            self._slot(slot)
        self.model = self._section(ModelSection, "model", self._core("model"))
        self.data = self._section(DataSection, "data", self._core("data"))
        self.train = self._section(TrainSection, "train", tree.get("train"))
        self.run = self._section(RunSection, "run", tree.get("run"))
        self.entries = {group: self._entries(group, kind) for group, kind in GROUPS.items()}
        self.titan: dict[str, Any] = self._mapping(("titan",), tree.get("titan") or {})
        for key in owned_keys(self.titan):
            self._owned(key)

    def _top_level(self) -> None:
        for key in self.tree:
            if key not in KEYS:
                self.problems.add((key,), unknown(key, ("extends", *KEYS), "key"))
        if not isinstance(self.tree.get("about", ""), str):
            self.problems.add(("about",), "about: a sentence is expected.")

    def _slot(self, slot: Kind) -> None:
        value = self.tree.get(slot)
        if value is None and slot not in REQUIRED:
            return
        if value is None:
            self.problems.add((slot,), f"{slot}: missing.{self._known(slot)}")
            return
        core = CORE_KEYS.get(slot, ())
        self._reference(
            (slot,), slot, {name: v for name, v in value.items() if name not in core} if isinstance(value, dict) else value
        )

    def _reference(self, key: Key, kind: Kind, value: Any) -> None:
        use = value.get("use") if isinstance(value, Mapping) else None
        if not isinstance(use, str):
            self.problems.add(
                (*key, "use"),
                f"{'.'.join(map(str, key))}: name one {kind} component, alone or as {{use: NAME}}.{self._known(kind)}",
            )
            return
        try:
            self.registry.find(kind, use)
        except UnknownName as error:
            self.problems.add((*key, "use"), str(error))
            return
        self.references[key] = kind, use, {name: v for name, v in value.items() if name != "use"}

    def _entries(self, group: str, kind: Kind) -> dict[str, Entry]:
        entries = {}
        for name, value in self._mapping((group,), self.tree.get(group) or {}).items():
            key = (group, name)
            if not isinstance(value, dict):
                self.problems.add(
                    key, f"{group}.{name}: name one {kind} component, alone or as {{use: NAME}}.{self._known(kind)}"
                )
                continue
            self._reference(key, kind, {option: v for option, v in value.items() if option != "every"})
            options = {option: v for option, v in value.items() if option not in ("use", "every")}
            entry = self._section(Entry, key, {option: v for option, v in value.items() if option not in options})
            if entry:
                entries[name] = Entry(use=entry.use, every=entry.every, options=options)
        return entries

    def _core(self, slot: str) -> Any:
        value = self.tree.get(slot)
        if not isinstance(value, dict):
            return value
        core = {name: v for name, v in value.items() if name in ("use", *CORE_KEYS[slot])}
        return core | {"options": {name: v for name, v in value.items() if name not in core}}

    def _section(self, cls: Any, where: str | Key, value: Any) -> Any:
        key: Key = (where,) if isinstance(where, str) else where
        name = ".".join(map(str, key))
        if not isinstance(value, Mapping):
            self.problems.add(key, f"{name}: a mapping is expected, with the keys {', '.join(cls.__dataclass_fields__)}.")
            return None
        values, misfits = convert(cls, value, "key")
        for at, message in misfits:
            self.problems.add((*key, *at), f"{name}.{message}")
        if any(field not in values for field in _required(cls)):
            return None
        section = cls(**values)  # with the defaults of what did not fit, so that the rest is checked too
        unfit = {at[0] for at, _ in misfits}
        for at, message in _faults(section):
            if at[0] not in unfit:
                self.problems.add((*key, *at), f"{name}.{message}")
        return None if misfits else section

    def _mapping(self, key: Key, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.problems.add(key, f"{key[0]}: a mapping is expected.")
        return {}

    def _owned(self, key: Key) -> None:
        name = ".".join(map(str, key[1:]))
        if name == "override":
            self.problems.add(key, "titan.override: refused, since it imports code. Register a plug-in instead.")
        else:
            self.problems.add(key, f"titan.{name}: rnd1lib sets this itself. Use {OWNED[name]}.")

    def _known(self, kind: Kind) -> str:
        return f" There are: {', '.join(self.registry.names(kind)) or 'none'}."


def owned_keys(titan: Mapping[str, Any]) -> Iterator[Key]:
    """The keys of a `titan:` section that a recipe may not set, spelled from the recipe's root."""
    for name in ("override", *OWNED):
        tree: Any = titan
        for part in name.split("."):
            tree = tree.get(part, _ABSENT) if isinstance(tree, Mapping) else _ABSENT
        if tree is not _ABSENT:
            yield ("titan", *name.split("."))


_ABSENT = object()


def _required(cls: Any) -> list[str]:
    return [field.name for field in fields(cls) if field.default is MISSING and field.default_factory is MISSING]


def _faults(section: Any) -> Iterator[tuple[Key, str]]:
    for name, message in section.faults():
        yield (name,), message
    for name in section.__dataclass_fields__:
        inner = getattr(section, name)
        parts = {(name,): inner} | ({(name, key): part for key, part in inner.items()} if isinstance(inner, dict) else {})
        for key, part in parts.items():
            if hasattr(part, "faults"):
                yield from (((*key, *at), f"{'.'.join(key)}.{message}") for at, message in _faults(part))
