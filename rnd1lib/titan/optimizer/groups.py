"""Learning-rate groups as torchtitan's parameter groups: each parameter in exactly one, checked by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torchtitan.components.optimizer import OptimizersContainer, ParamGroupConfig

from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Group
from rnd1lib.models.config.tensor_names import MASK_ROW, TABLE

WRAPPERS = r"(?:(?:_checkpoint_wrapped_module|_orig_mod)\.)*"  # segments that recomputation and compilation put into names


class Claim(NamedTuple):
    """A group and the parameters that it claims."""

    group: Group
    parameters: tuple[str, ...]


def claim(groups: Sequence[Group], names: Sequence[str], *, mask_row: bool) -> list[Claim]:
    """Divides parameter names (freed of wrappers) among the groups: the first that matches wins.

    mask_row: the network has the mask token's row as a parameter of its own. The group with `rows="mask_token"` claims it,
    else the one that claims the embedding table. RecipeError names groups that match nothing and parameters left over.
    """
    claimed: dict[str, list[str]] = {group.name: [] for group in groups}
    left_over: list[str] = []
    for name in names:
        owner = next((g for g in groups if g.rows is None and re.search(g.pattern, name)), None)
        (claimed[owner.name] if owner else left_over).append(name)
    if mask_row:
        owner = next((g for g in groups if g.rows == "mask_token"), None)
        owner = owner or next((g for g in groups if re.search(g.pattern, TABLE)), None)
        (claimed[owner.name] if owner else left_over).append(MASK_ROW)
    problems = [
        f"lr_groups: group '{g.name}' (pattern {g.pattern!r}) matches no parameter of this model."
        for g in groups
        if not claimed[g.name] and (g.rows is None or mask_row)
    ]
    problems += [f"lr_groups: no group claims the parameter {name}." for name in left_over]
    if len(claimed) != len(groups):
        problems.append(f"lr_groups: two groups bear one name: {', '.join(g.name for g in groups)}.")
    if problems:
        raise RecipeError(problems)
    return [Claim(group, tuple(claimed[group.name])) for group in groups if claimed[group.name]]


def frozen_parameters(claims: Sequence[Claim]) -> frozenset[str]:
    """The parameters that get no gradients and no optimizer state."""
    return frozenset(name for group, parameters in claims if group.frozen for name in parameters)


def parameter_groups(claims: Sequence[Claim], *, betas: tuple[float, float], eps: float) -> list[ParamGroupConfig]:
    """torchtitan's configuration of the groups that learn: AdamW with each group's own rate and decay."""
    return [
        ParamGroupConfig(
            pattern=_exactly(parameters),
            optimizer_name="AdamW",
            optimizer_kwargs={"lr": group.lr, "betas": betas, "eps": eps, "weight_decay": group.weight_decay},
        )
        for group, parameters in claims
        if not group.frozen
    ]


def _exactly(parameters: Sequence[str]) -> str:
    """A pattern that finds these parameters under whatever wrappers, and no other."""
    names = (rf"\.{WRAPPERS}".join(map(re.escape, name.split("."))) for name in parameters)
    return f"^{WRAPPERS}(?:{'|'.join(names)})$"


class RecipeOptimizers(OptimizersContainer[Any]):
    """torchtitan's optimizers, whose options are the recipe's after a resume and not the checkpoint's."""

    @dataclass(kw_only=True, slots=True)
    class Config(OptimizersContainer.Config):
        """No options beyond torchtitan's."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the moments, then puts back each group's own options."""
        ours = [[_options(group) for group in optimizer.param_groups] for optimizer in self.optimizers]
        super().load_state_dict(state_dict)
        for optimizer, options in zip(self.optimizers, ours, strict=True):
            for group, own in zip(optimizer.param_groups, options, strict=True):
                group.update(own)


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key not in ("params", "param_names")}
