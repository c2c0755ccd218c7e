"""Loads a mixture of experts in every way, with the benchmark's own functions, and prints what the worst rank measured.

Its stacked experts are eight times the table, which is the largest tensor of the folder.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import loading

EXPERTS = {"num_experts": 64, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
CONFIG = loading.SHAPES["experts"] | EXPERTS | {"hidden_size": 512, "num_hidden_layers": 1, "vocab_size": 4096}


def ways(folder):
    small = loading.write_folder(folder / "small", CONFIG | loading.SMALL)
    large, run = loading.write_folder(folder / "large", CONFIG), loading.write_run(folder / "run", CONFIG)
    largest = max(shape.numel() for _, shape in loading.tensors(CONFIG))
    stored = max(each.numel() for each in loading.empty(CONFIG).parameters())
    yield loading.row("folder", "bfloat16", largest * 2, 1, loading.whole("bfloat16"), small, large)
    yield loading.row("folder", "float32", largest * 4, 1, loading.whole("float32"), small, large)
    yield loading.row("folder", "FSDP", largest * 4, 2, lambda path: loading.load_sharded(path, 1), small, large)
    yield loading.row("folder", "EP", largest * 4, 2, lambda path: loading.load_sharded(path, 2), small, large)
    yield loading.row("run", "FSDP", stored * 2, 2, lambda path: loading.load_sharded(path, 1), small, run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in ways(Path(sys.argv[1])):
        print(json.dumps(each), flush=True)
