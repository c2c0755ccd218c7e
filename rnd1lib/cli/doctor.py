"""`rnd1 doctor`: whether this machine can train and sample, each line saying ok or what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Any

import typer

from rnd1lib.plugins import installed

PACKAGES = ("rnd1lib", "torch", "torchtitan", "omegaconf", "transformers", "tokenizers", "safetensors", "datasets")
EXTRAS = {
    "matplotlib": ("plots", "the curves of rnd1 demo"),
    "gguf": ("gguf", "GGUF files"),
    "torchao": ("float8", "train.precision=float8 and mxfp8"),
    "liger-kernel": ("liger", "train.loss=liger"),
}
"""Optional packages: the extra that brings each, and what needs it."""
GIB = 2**30


def doctor() -> None:
    """See whether this machine can train and sample.

    Looks at versions, devices, plug-ins, cores and memory; leaves with 2 if something must be done.

    Example: rnd1 doctor
    """
    complaints = 0
    for name, finding, advice in _findings():
        complaints += bool(advice)
        print(f"{name:<12} {finding:<60} {advice or 'ok'}")
    if complaints:
        raise typer.Exit(2)


def _findings() -> Iterator[tuple[str, str, str]]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield "python", version, "" if sys.version_info >= (3, 11) else "rnd1lib needs Python 3.11 or later."
    for package in PACKAGES:
        try:
            yield package, metadata.version(package), ""
        except metadata.PackageNotFoundError:
            yield package, "missing", f"pip install {package}"
    for package, (extra, use) in EXTRAS.items():
        try:
            yield package, f"{metadata.version(package)} (for {use})", ""
        except metadata.PackageNotFoundError:
            yield package, f"none; for {use}: pip install 'rnd1lib[{extra}]'", ""
    try:
        yield from _torch_findings(import_module("torch"))
    except ImportError as error:
        yield "torch", "cannot be imported", str(error)
    plugins = installed()
    for plugin in plugins.recipe_dirs:
        yield "plug-in", plugin, ""
    for broken in plugins.broken:
        yield (
            "plug-in",
            f"{broken.owner.plugin} ({broken.owner}): {broken.error}",
            "Repair, uninstall, or leave it out of RND1_PLUGINS.",
        )
    yield "cores", str(os.cpu_count()), ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield "memory", f"{memory:.1f} GiB", "" if memory >= 4 else "The demo wants 4 GiB."


def _torch_findings(torch: Any) -> Iterator[tuple[str, str, str]]:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    yield "torch build", build, ""
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            size, capability = properties.total_memory / GIB, f"{properties.major}.{properties.minor}"
            yield "device", f"cuda:{index} {properties.name}, {size:.0f} GiB, capability {capability}", ""
    else:
        yield "device", "cpu alone", "No GPU driver answers this CUDA build." if torch.version.cuda else ""
    gloo = torch.distributed.is_available() and torch.distributed.is_gloo_available()
    yield "gloo", "available" if gloo else "missing", "" if gloo else "Several CPU ranks need a torch built with gloo."
