"""What an attention mask promises that changes the model between two steps (`kinds.StructuralMask`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rnd1lib.kinds import AttentionMask
from rnd1lib.testing.promise import demand, promise_where
from rnd1lib.testing.purity import no_process_rng

Event = tuple[Any, ...]


@dataclass
class Between:
    """A run between two steps that writes down what it is asked for."""

    step: int
    events: list[Event] = field(default_factory=list)
    errors: list[Callable[[Tensor, Tensor], Tensor]] = field(default_factory=list)

    def attention_layers(self) -> Mapping[str, nn.Module]:
        """Two of them."""
        return {f"layers.{number}.attention": nn.Identity() for number in range(2)}

    def save(self) -> None:
        """A checkpoint."""
        self.events.append(("save",))

    def capture(self, rows: int, *, at: int, until: int) -> Any:
        """What was captured has as many rows."""
        self.events.append(("capture", rows, at, until))
        return rows

    def fit(self, captured: Any, error: Callable[[Tensor, Tensor], Tensor]) -> None:
        """The next step."""
        self.events.append(("fit", captured))
        self.errors.append(error)


def before(mask: Any, step: int) -> Between:
    """What the mask does before a step."""
    run = Between(step)
    mask.before_step(run)
    return run


def is_structural(mask: AttentionMask) -> bool:
    """Whether it changes the model."""
    return hasattr(mask, "before_step")


def fits(mask: Any) -> bool:
    """Whether it also fits what it has changed."""
    return is_structural(mask) and mask.fit_steps > 0


@promise_where(is_structural)
def a_change_is_decided_by_the_step_alone(mask: Any) -> None:
    """before_step(run) asks for the same at the same step, whatever came before: so a resumed run does it again."""
    steps = range(mask.after + mask.fit_steps + 3)
    with no_process_rng():
        forwards = [before(mask, step).events for step in steps]
    backwards = [before(mask, step).events for step in reversed(steps)][::-1]
    demand(forwards == backwards, "in another order of the steps it asks for other things.")


@promise_where(is_structural)
def the_change_is_saved_and_fitted_when_the_mask_says_so(mask: Any) -> None:
    """Before step `after` a checkpoint is asked for; steps after to after + fit_steps - 1 are fits on `fit_rows` rows."""
    demand(mask.after >= 1 and mask.fit_steps >= 0, f"after is {mask.after}, fit_steps {mask.fit_steps}.")
    for step in range(mask.after + mask.fit_steps + 3):
        events = before(mask, step).events
        saves, asked = events.count(("save",)), [event for event in events if event[0] == "fit"]
        demand((saves > 0) == (step == mask.after), f"before step {step} {saves} checkpoints are asked for.")
        fitted = mask.after <= step < mask.after + mask.fit_steps
        demand(asked == [("fit", mask.fit_rows)] * fitted, f"step {step}: {asked}, not a fit on {mask.fit_rows} rows.")
        captures = [event for event in events if event[0] == "capture"]
        meant = ("capture", mask.fit_rows, mask.after, mask.after + mask.fit_steps)
        demand(all(event == meant for event in captures), f"before step {step} it captures {captures}, not {meant}.")


@promise_where(fits)
def a_fits_error_is_zero_for_equal_outputs_alone(mask: Any) -> None:
    """error(output, captured) is a 0-d mean: 0 where they are equal, above 0 else, with a gradient that leads there."""
    (error,) = before(mask, mask.after).errors
    teacher_BLD = torch.linspace(-2, 2, 24).reshape(2, 3, 4)
    student_BLD = (teacher_BLD + 0.5).requires_grad_()
    same, off = error(teacher_BLD, teacher_BLD), error(student_BLD, teacher_BLD)
    demand(same.dim() == 0 and float(same) == 0, f"the error of equal outputs is {same}.")
    demand(off.dim() == 0 and float(off.detach()) > 0, f"the error of unequal outputs is {off}.")
    twice = error(torch.cat([student_BLD, student_BLD]), torch.cat([teacher_BLD, teacher_BLD]))
    demand(torch.isclose(twice, off), f"twice the rows make {float(twice.detach()):.4g} of {float(off.detach()):.4g}.")
    (gradient_BLD,) = torch.autograd.grad(off, student_BLD)
    demand((gradient_BLD > 0).all(), "its gradient leads away from what was captured.")
