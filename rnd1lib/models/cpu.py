"""The CPU platform: what torchtitan 0.3.0 asks of torch and does not find there. Must run before torchtitan is imported.

Where there is an accelerator only what every device lacks is filled in. Each line says what breaks without it.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.fsdp as fsdp

TRITON_KERNELS = "torchtitan.distributed.minimal_async_ep.kernels"


def install() -> None:
    """Fills the gaps; calling it again changes nothing."""
    if not hasattr(dist, "set_timeout"):  # torchtitan/distributed/utils.py calls it after step 1 on every device
        vars(dist)["set_timeout"] = dist.distributed_c10d._set_pg_timeout
    if not hasattr(fsdp, "DataParallelMeshDims"):  # torch 2.11: imported by name, unused by `partial_dtensor`
        vars(fsdp)["DataParallelMeshDims"] = type("DataParallelMeshDims", (), {})
    if not torch.accelerator.is_available():
        _stand_in_for_an_accelerator()


def _stand_in_for_an_accelerator() -> None:
    if torch._utils._get_available_device_type is _cpu:
        return
    assert "torchtitan.tools.utils" not in sys.modules, "import rnd1lib.models before torchtitan"
    torch._utils._get_available_device_type = _cpu  # torchtitan falls back to "cuda" at its import
    vars(torch.cpu).update(
        current_device=lambda: 0,  # the real one says "cpu"; a barrier after step 1 wants a number
        get_device_name=lambda device=None: "cpu",  # this and the rest: asked by torchtitan's metrics
        get_device_properties=lambda device=None: SimpleNamespace(name="cpu", total_memory=_physical_memory()),
        memory_stats=_memory_stats,
        reset_peak_memory_stats=lambda device=None: None,
        empty_cache=lambda: None,
    )
    if importlib.util.find_spec("triton") is None:  # torchtitan imports kernels that only a GPU runs
        sys.modules[TRITON_KERNELS] = _NoKernels(TRITON_KERNELS)


def _cpu() -> str:
    return "cpu"


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory_stats(device: Any = None) -> dict[str, int]:
    """torch.cuda's statistics for a process: its peak resident bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"active_bytes.all.peak": peak, "reserved_bytes.all.peak": peak, "num_alloc_retries": 0, "num_ooms": 0}


class _NoKernels(ModuleType):
    """Gives every name that is imported from it, and refuses when one is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{self.__name__}.{name} needs triton, which is not installed.")

        return refuse
