"""The one place that silences what torchtitan and torch say on stderr about things that are as we want them."""

from __future__ import annotations

import logging
import warnings

WARNINGS = (
    "In CPU autocast, but the target dtype is not supported",  # the router asks for float32, which on a CPU it has anyway
    "DTensor random operators may not have complete support",  # our initial weights draw nothing from a DTensor
    "DTensor manual_seed\\(\\) may not have complete support",  # nor from its generator
    "torch.distributed is disabled, unavailable or uninitialized",  # one process reads a run's checkpoint
    "`torch.utils._pytree",  # torchtitan registers nodes by a name that torch has since changed
    "Detected call of `lr_scheduler.step",  # a first step that is not finite moves the schedule alone
    "To get the last learning rate computed by the scheduler",  # torchtitan asks for it on a resume
)
RECORDS = (
    "Error running lspci",  # how torchtitan guesses a GPU's peak FLOPs
    "Peak flops undefined for: cpu",
    "initial_load_model_only=True has no effect",  # said of every Trainer.Config that is made
    "torch.distributed is already initialized",
    "ENV[TORCH_NCCL",  # settings of a library that a CPU run does not use
    "ENV[TORCH_FR",
)

LOGGERS = (
    "torchao",  # compiled parts that we do not use
    "torch.utils._pytree",  # torchao registers two enumerations in a way that torch has since deprecated
    "torch.distributed.tensor._redistribute",  # experts are gathered for an export in two steps, seldom enough
)


def install() -> None:
    """Adds the filters; calling it again changes nothing."""
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger().addFilter(_wanted)  # torchtitan logs on the root logger
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def _wanted(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(RECORDS)
