"""The pytest plug-in: `pytest -p rnd1lib.testing.pytest_plugin --conformance example` is a test for every promise of every
component that the installed plug-in `example` registers, with its default options. No test file is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import rnd1lib
from rnd1lib.kinds import KINDS, Kind
from rnd1lib.plugins import installed
from rnd1lib.testing.kit import promises
from rnd1lib.testing.promise import BrokenPromise, Promise

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    text = "hold every component of this plug-in of rnd1lib (the name of its entry point) to the promises of its kind"
    parser.getgroup("rnd1lib").addoption("--conformance", metavar="PLUGIN", action="append", default=[], help=text)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds the promises to what was collected."""
    for plugin in config.getoption("--conformance"):
        found = list(_components(plugin))
        if not found:
            raise pytest.UsageError(f"--conformance {plugin}: no plug-in of rnd1lib has that name, or it registers nothing.")
        for kind, name in found:
            for sentence, each in promises(kind).items():
                label = f"{kind} {name}: {sentence}"
                items.append(PromiseItem.from_parent(session, name=label, kind=kind, component=name, promise=each))


def _components(plugin: str) -> Iterator[tuple[Kind, str]]:
    registry = installed().registry
    for kind in KINDS:
        for name in registry.names(kind):
            if registry.find(kind, name).owner.plugin == plugin:
                yield kind, name


class PromiseItem(pytest.Item):
    """One promise of one component; passed over where the component cannot be made without options."""

    def __init__(self, *, kind: Kind, component: str, promise: Promise, **rest: Any) -> None:
        super().__init__(**rest)
        self._kind, self._component, self._promise = kind, component, promise

    def runtest(self) -> None:
        """Makes the component and holds it to the promise."""
        try:
            component = rnd1lib.build(self._kind, self._component)
        except ValueError as error:
            pytest.skip(str(error))
        if not self._promise.applies(component):
            pytest.skip("it has nothing to do with this promise")
        self._promise(component)

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The promise alone; of any other failure the traceback."""
        if isinstance(excinfo.value, BrokenPromise):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands in pytest's list."""
        return self.path, None, self.name
