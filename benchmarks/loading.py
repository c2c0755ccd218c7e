"""How much memory it takes to load a model: on one device, and of each of two ranks that share it.

`python benchmarks/loading.py [--mib 2048] [--quick]`

Folders of bfloat16 zeros in several files, dense and a mixture of experts, and a run's checkpoint, are loaded by fresh
processes. Peak is the memory of a process that is its own (RssAnon; pages that a file lends can be dropped) at the highest,
above what it held before the network was there. Bound is what it keeps and the two largest tensors. Linear is the CPU time of
18 867 tensors over that of a quarter of the layers: 4 if it takes no more for each.
"""

import argparse
import ctypes
import gc
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from pairs import machine
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor
from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
from torchtitan.distributed import ParallelDims
from torchtitan.distributed.utils import set_spmd_backend

import rnd1lib
from rnd1lib.kinds import Build
from rnd1lib.models.loading import component_for
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.models.weights import load_folder
from rnd1lib.titan.checkpoint.commit import CommittingWriter, Save

FILES = 5
MIB = 1 << 20
SIZES = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 3072,
    "vocab_size": 32768,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
}
EXPERTS = {"num_experts": 64, "moe_intermediate_size": 512, "num_experts_per_tok": 2, "norm_topk_prob": True}
SMALL = {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 1024, "moe_intermediate_size": 64}
MANY = SMALL | {"hidden_size": 8, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8, "num_experts": 128}
SHAPES = {"dense": {"model_type": "qwen3"} | SIZES, "experts": {"model_type": "qwen3_moe"} | SIZES | EXPERTS}


def empty(config: dict[str, Any], dtype: torch.dtype = torch.bfloat16) -> Any:
    """The network on meta."""
    with torch.device("meta"):
        return component_for(config).spec(config, Build(sequence_length=64)).model.build().to(dtype)


def tensors(config: dict[str, Any]) -> Iterator[tuple[str, torch.Size]]:
    """Hugging Face names and shapes."""
    shapes = dict(empty(config).named_parameters())
    for source in component_for(config).tensors(config):
        yield from ((name, shapes[source.parameter].shape[source.stacked :]) for name in source.tensors)


def of_size(config: dict[str, Any], mib: int) -> dict[str, Any]:
    """With as many layers as make a folder of about so many MiB in bfloat16."""
    one, two = (sum(2 * shape.numel() for _, shape in tensors(config | {"num_hidden_layers": n})) for n in (1, 2))
    return config | {"num_hidden_layers": max(1, round((mib * MIB - one) / (two - one)) + 1)}


def write_folder(folder: Path, config: dict[str, Any]) -> Path:
    """A model folder of zeros."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    named = list(tensors(config))
    weight_map = {}
    for number in range(FILES):
        held = {name: torch.zeros(shape, dtype=torch.bfloat16) for name, shape in named[number::FILES]}
        save_file(held, folder / f"model-{number}.safetensors")
        weight_map |= dict.fromkeys(held, f"model-{number}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def write_run(folder: Path, config: dict[str, Any]) -> Path:
    """What one rank's training in bfloat16 would leave behind."""
    run = RunFolder(folder)
    run.model.mkdir(parents=True)
    run.recipe.write_text("about: zeros\n")
    (run.model / "config.json").write_text(json.dumps(config))
    Facts(shift=1, mask_token_id=None, attention_mask={"use": "causal"}).write(run.model)
    states = {name: torch.zeros(value.shape, dtype=torch.bfloat16) for name, value in empty(config).state_dict().items()}
    writer = CommittingWriter(Save(folder=run.checkpoints, step=1, id="0", world_size=1, recipe=""))
    save(states, storage_writer=writer, no_dist=True)
    return folder


def load_sharded(path: Path, expert_parallel: int) -> Any:
    """As training loads `model.init`, in float32."""
    origin = open_model(path)
    component = component_for(origin.config)
    parallelism = ParallelismConfig(expert_parallel_degree=expert_parallel, spmd_backend="partial_dtensor")
    spec = component.spec(origin.config, Build(sequence_length=64))
    spec.model.update_from_config(config=SimpleNamespace(parallelism=parallelism))
    with torch.device("meta"):
        network = spec.model.build()
    spec.parallelize_fn(
        network,
        parallel_dims=ParallelDims.from_config(parallelism, dist.get_world_size()),
        training=TrainingConfig(mixed_precision_param="float32"),
        parallelism=parallelism,
        compile_config=CompileConfig(),
        ac_config=None,
        dump_folder="",
    )
    network.to_empty(device="cpu")
    network.prepare()
    load_folder(network, origin, component.tensors(origin.config))
    return network


def on_ranks(count: int, load: Callable[[Path], Any], small: Path, large: Path) -> list[dict[str, int]]:
    """What each of so many forked processes measures of `load(large)`, after `load(small)` has made what is made once."""
    with tempfile.TemporaryDirectory() as meeting:
        pipes = [os.pipe() for _ in range(count)]
        children = []
        for rank, (_, out) in enumerate(pipes):
            children.append(os.fork())
            if children[-1] == 0:
                try:
                    if count > 1:
                        dist.init_process_group("gloo", init_method=f"file://{meeting}/store", rank=rank, world_size=count)
                        set_spmd_backend("partial_dtensor")
                    load(small)
                    gc.collect()
                    os.write(out, json.dumps(measured(lambda: load(large))).encode())
                finally:
                    os._exit(0)
        for child in children:
            os.waitpid(child, 0)
        for _, out in pipes:
            os.close(out)
        return [json.loads(os.read(own, 1 << 16)) for own, _ in pipes]


def measured(load: Callable[[], Any]) -> dict[str, int]:
    """Bytes: the peak above the start, and what the network keeps."""
    ctypes.CDLL(None).malloc_trim(0)  # what earlier work gave back would hide what this takes
    seen, done = [own()], threading.Event()

    def watch() -> None:
        while not done.wait(0.0005):
            seen.append(own())

    thread = threading.Thread(target=watch)
    thread.start()
    network = load()
    done.set()
    thread.join()
    local = (each.to_local() if isinstance(each, DTensor) else each for each in network.parameters())
    return {"peak": max([*seen, own()]) - seen[0], "kept": sum(each.nbytes for each in local)}


def own() -> int:
    """Bytes of memory that are this process's own."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) << 10


def whole(dtype: str) -> Callable[[Path], Any]:
    """`load_model` on one device."""
    return lambda path: rnd1lib.load_model(path, dtype=dtype).network


def contests(folder: Path, mib: int) -> Iterator[dict[str, Any]]:
    """A row for each way to load each of the folders."""
    for name, config in SHAPES.items():
        small = write_folder(folder / f"small-{name}", config | SMALL)
        config = of_size(config, mib)
        large = write_folder(folder / name, config)
        largest = max(shape.numel() for _, shape in tensors(config))
        ways = {f"1 device, {dtype}": (1, whole(dtype), size) for dtype, size in (("bfloat16", 2), ("float32", 4))}
        for degree in (1, 2) if name == "experts" else (1,):
            ways[f"2 ranks, FSDP{f' and EP {degree}' * (degree > 1)}"] = (2, lambda path, d=degree: load_sharded(path, d), 4)
        yield from (row(name, way, largest * size, count, load, small, large) for way, (count, load, size) in ways.items())
        run = write_run(folder / f"run-{name}", config)
        stored = max(each.numel() for each in empty(config).parameters()) * 4
        yield row(f"run, {name}", "2 ranks, FSDP", stored, 2, lambda path: load_sharded(path, 1), small, run)


def row(name: str, way: str, largest: int, count: int, load: Any, small: Path, large: Path) -> dict[str, Any]:
    """Of the rank with the highest peak."""
    worst = max(on_ranks(count, load, small, large), key=lambda each: each["peak"])
    return {"weights": name, "way": way, "largest": largest, **worst, "bound": worst["kept"] + 2 * largest}


def linear(folder: Path, layers: int) -> float:
    """CPU time to load that many layers of 128 tiny experts over that of a quarter of them."""
    config = SHAPES["experts"] | MANY
    seconds = []
    for number in (layers // 4, layers):
        path = write_folder(folder / f"many-{number}", config | {"num_hidden_layers": number})
        network = empty(config | {"num_hidden_layers": number}).to_empty(device="cpu")
        sources = component_for(config).tensors(config | {"num_hidden_layers": number})
        seconds.append(min(cpu_seconds(lambda: load_folder(network, open_model(path), sources)) for _ in range(3)))  # noqa: B023
    return seconds[1] / seconds[0]


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main(arguments: list[str] | None = None) -> None:
    """Prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=2048, help="of each folder")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(contests(Path(folder), 160 if asked.quick else asked.mib))
        growth = round(linear(Path(folder), 8 if asked.quick else 48), 2)
    table = Table("weights", "way", "kept, MiB", "largest, MiB", "peak, MiB", "bound, MiB", box=MARKDOWN)
    for each in rows:
        sizes = (f"{each[key] / MIB:.0f}" for key in ("kept", "largest", "peak", "bound"))
        table.add_row(each["weights"], each["way"], *sizes)
    console = Console(width=200)
    console.print(machine(), table, f"linear: {growth}", sep="\n")
    print(json.dumps({"benchmark": "loading", "machine": machine(), "rows": rows, "linear": growth}))


if __name__ == "__main__":
    main()
