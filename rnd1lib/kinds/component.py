"""The nine kinds by name, and `Component`, the field type that holds a nested component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

Kind = Literal["attention_mask", "noise", "objective", "lr_groups", "sampler", "model", "data", "evaluator", "callback"]
KINDS: tuple[Kind, ...] = (
    "attention_mask", "noise", "objective", "lr_groups", "sampler", "model", "data", "evaluator", "callback",
)  # fmt: skip


class NestedKind(NamedTuple):
    """The mark that `Component[kind]` leaves on a field's type."""

    kind: str


if TYPE_CHECKING:
    Component = Any
else:

    class Component:
        """`Component["data"]` as a field's type says that the option names a component of that kind."""

        def __class_getitem__(cls, kind: str) -> Any:
            """Anything, marked with the kind: the recipe finds the mark and builds the component before its owner."""
            if kind not in KINDS:
                raise TypeError(f"Component[{kind!r}]: no such kind. Kinds: {', '.join(KINDS)}.")
            return Annotated[Any, NestedKind(kind)]
