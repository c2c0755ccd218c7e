"""What learning-rate groups promise: a partition of the parameters, in which the mask token's row learns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from rnd1lib.kinds import Group, LrGroups
from rnd1lib.testing.examples import parameter_names
from rnd1lib.testing.promise import demand, promise

TABLE = "tok_embeddings.weight"


def networks(lr_groups: LrGroups) -> Iterator[tuple[list[str], list[Group]]]:
    """The parameter names of a dense network and of one with experts, each with the groups for it."""
    for experts in (False, True):
        names = parameter_names(experts=experts)
        yield names, lr_groups.groups(names)


def owner(groups: Sequence[Group], name: str) -> Group | None:
    """The group that claims a parameter: the first whose pattern is found in its name; groups of rows lie beside them."""
    return next((group for group in groups if group.rows is None and re.search(group.pattern, name)), None)


def of_mask_row(groups: Sequence[Group]) -> list[Group]:
    """Who claims the mask token's row: the groups that name it, else the one that claims its table."""
    named = [group for group in groups if group.rows == "mask_token"]
    table = owner(groups, TABLE)
    return named or ([table] if table else [])


@promise
def every_parameter_is_in_exactly_one_group(lr_groups: LrGroups) -> None:
    """The first group that matches wins, and one does: no parameter of a dense network or of one with experts is left over."""
    for names, groups in networks(lr_groups):
        left_over = [name for name in names if owner(groups, name) is None]
        demand(not left_over, f"no group claims {', '.join(left_over[:4])}.")


@promise
def no_group_is_empty(lr_groups: LrGroups) -> None:
    """Each group claims a parameter of the dense network or of the one with experts: a pattern that finds nothing is a slip."""
    made = list(networks(lr_groups))
    claimed = {each.name for names, groups in made for name in names if (each := owner(groups, name))}
    empty = {group.name for _, groups in made for group in groups if group.rows is None} - claimed
    demand(not empty, f"{', '.join(sorted(empty))}: the pattern finds no parameter, or an earlier group has them all.")


@promise
def groups_have_names_of_their_own(lr_groups: LrGroups) -> None:
    """Metrics and logs name a group: no two have one name, and none is without."""
    for _, groups in networks(lr_groups):
        told = [group.name for group in groups]
        demand(len(set(told)) == len(told) and all(told), f"the names are {told}.")


@promise
def the_mask_tokens_row_is_in_one_group(lr_groups: LrGroups) -> None:
    """At most one group has rows = mask_token, with the pattern of the table; without one the row goes with its table."""
    for _, groups in networks(lr_groups):
        claimants = [group.name for group in of_mask_row(groups)]
        demand(len(claimants) == 1, f"the mask token's row is claimed by {claimants or 'nobody'}.")
        wrong = [group.pattern for group in groups if group.rows and not re.search(group.pattern, TABLE)]
        demand(not wrong, f"a group of rows has the pattern {wrong}, which does not find {TABLE}.")


@promise
def the_mask_tokens_row_learns(lr_groups: LrGroups) -> None:
    """No autoregressive model has trained it: it is not frozen, and learns at 1e-7 at least, or as fast as anything does."""
    for _, groups in networks(lr_groups):
        fastest = max(group.lr for group in groups)
        for group in of_mask_row(groups):
            demand(not group.frozen, f"the row is frozen with the group {group.name}.")
            demand(group.lr >= min(1e-7, fastest), f"the row learns at {group.lr:g}, others at {fastest:g}.")


@promise
def a_group_that_does_not_learn_is_frozen(lr_groups: LrGroups) -> None:
    """lr = 0 if and only if frozen: `frozen` alone spares gradients and optimizer state, and a frozen group has no rate."""
    for _, groups in networks(lr_groups):
        for group in groups:
            demand(group.frozen == (group.lr == 0), f"the group {group.name} has lr {group.lr:g} and frozen {group.frozen}.")


@promise
def rates_and_decays_are_numbers_from_zero_up(lr_groups: LrGroups) -> None:
    """lr and weight_decay are finite and not negative."""
    for _, groups in networks(lr_groups):
        for group in groups:
            told = group.lr, group.weight_decay
            demand(all(math.isfinite(x) and x >= 0 for x in told), f"the group {group.name} has lr and decay {told}.")


@promise
def the_partition_depends_on_names_alone(lr_groups: LrGroups) -> None:
    """The same owner for each parameter in whatever order the names come, and at every call."""
    for names, groups in networks(lr_groups):
        backwards = lr_groups.groups(names[::-1])
        moved = [name for name in names if owner(groups, name) != owner(backwards, name)]
        demand(not moved, f"in another order of the names {', '.join(moved[:3])} are in other groups.")
        demand(lr_groups.groups(names) == groups, "a second call gave other groups.")
