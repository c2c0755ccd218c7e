"""A recipe's `titan:` section against torchtitan's dataclasses, by OmegaConf: misspelt keys and wrong types, all at once."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torchtitan.trainer import Trainer

from rnd1lib.titan.checkpoint.checkpoints import CHECKPOINT_DEFAULTS

Problem = tuple[tuple[str, ...], str]

DEFAULTS: dict[str, Any] = {
    "parallelism": {"spmd_backend": "partial_dtensor"},  # the default backend refuses parameters that are no DTensors
    "checkpoint": CHECKPOINT_DEFAULTS,
    "training": {"disable_cuda_graphs": True},  # the number of scored rows varies from step to step
    "debug": {"enable_structured_logging": False},
}


def check(section: Mapping[str, Any]) -> list[Problem]:
    """Every mistake of the section as (keys below `titan`, sentence): unknown keys, wrong types, what torchtitan refuses."""
    config = copy.deepcopy(_defaults())
    problems = [(keys, message) for keys, value in _leaves(section) if (message := _complaint(config, keys, value)) is not None]
    if not problems:
        try:
            OmegaConf.to_object(config)
        except Exception as error:  # torchtitan's own __post_init__, which raises what it likes
            problems.append(((), f"torchtitan refuses it: {_first_line(error)}"))
    return problems


def titan_config(section: Mapping[str, Any]) -> Trainer.Config:
    """torchtitan's own configuration: the section over our defaults over torchtitan's."""
    config: Trainer.Config = OmegaConf.to_object(OmegaConf.merge(_defaults(), dict(section)))  # type: ignore[assignment]
    return config


@cache
def _defaults() -> DictConfig:
    """Never changed: torchtitan's dataclasses take OmegaConf a while."""
    config = OmegaConf.merge(OmegaConf.structured(Trainer.Config), DEFAULTS)
    assert isinstance(config, DictConfig)
    return config


def _leaves(section: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def _complaint(config: DictConfig, keys: tuple[str, ...], value: Any) -> str | None:
    """What is wrong with one value; a right one is put in, so that the last check sees the whole section."""
    node: Any = config
    for depth, key in enumerate(keys):
        if not isinstance(node, DictConfig) or key not in node:
            known = sorted(map(str, node)) if isinstance(node, DictConfig) else []
            near = difflib.get_close_matches(key, known, n=1)
            where = ".".join(("titan", *keys[:depth]))
            meant = f" Did you mean '{near[0]}'?" if near else ""
            return f"{where} has no key '{key}'.{meant} Keys: {', '.join(known)}."
        node = node[key]
    try:
        OmegaConf.update(copy.deepcopy(config), ".".join(keys), value)
        OmegaConf.update(config, ".".join(keys), value)
    except (OmegaConfBaseException, ValueError) as error:
        return f"titan.{'.'.join(keys)}: {_first_line(error)}"
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
