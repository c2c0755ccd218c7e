"""Whole generations of ours against the shape of each peer's step, and many prompts at once against one by one.

`python benchmarks/sampling.py [--vs rnd1,llada,dream,fast_dllm,dllm] [--batch 8] [--network head,smol] [--pairs 5] [--quick]`

Time is CPU time of one thread, in pairs that take turns in one process, the tokens compared before. Memory is the peak of a
fresh process above what it holds before the generation. Both sides run the same network with random weights: `head` is a tiny
trunk below Qwen3's vocabulary, `smol` has SmolLM2-135M's shape; `tiny` is so small that it shows what our loop costs.
"""

import argparse
import json
from functools import partial

import shapes
import torch
from pairs import Contest, Run, machine, measure, network, prompt, show
from rich.console import Console

import rnd1lib
from rnd1lib.models.denoiser import DiffusionLM

NEW, STEPS, BLOCK, TOP_P = 48, 24, 16, 0.9
LENGTHS = (5, 29, 12, 20, 8, 24, 16, 3)  # of the prompts that are sampled at once; the first pairs use 32
HEAD = {"hidden_size": 256, "num_hidden_layers": 4, "intermediate_size": 768, "vocab_size": 151_936}
NETWORKS = {
    "head": partial(network, "qwen3", "tiny", **HEAD),
    "smol": partial(network, "llama", "SmolLM2-135M"),
    "tiny": partial(network, "qwen3", "tiny", vocab_size=2100),
    "quick": partial(network, "qwen3", "tiny", num_hidden_layers=1, vocab_size=2100),
}
SHIFTS = {"rnd1": 1, "llada": 0, "dream": 1, "fast_dllm": 0, "dllm": 1}
OPTIONS = {
    "rnd1": {"sampler": "rnd1_entropy", "steps": STEPS},
    "llada": {"sampler": "llada", "steps": STEPS, "block_length": BLOCK},
    "dream": {"sampler": "dream", "alg": "maskgit_plus", "steps": STEPS, "top_p": TOP_P, "parity": "dream"},
    "fast_dllm": {"sampler": "llada", "steps": STEPS, "block_length": BLOCK},
    "dllm": {"sampler": "llada", "steps": STEPS, "parity": "dllm"},
}
PEERS = {
    "rnd1": partial(shapes.rnd1, new=NEW, steps=STEPS),
    "llada": partial(shapes.llada, new=NEW, steps=STEPS, block=BLOCK),
    "dream": partial(shapes.dream, new=NEW, steps=STEPS, top_p=TOP_P),
    "fast_dllm": partial(shapes.fast_dllm, new=NEW, steps=STEPS, block=BLOCK),
    "dllm": partial(shapes.dllm, new=NEW, steps=STEPS),
}


def contests(model: DiffusionLM, names: list[str], batch: int) -> dict[str, Contest]:
    """Each peer against ours on one prompt; RND1's sampler on a batch of prompts against the same one by one."""
    ids = prompt(model, 32)
    runs = {
        name: Contest(
            under(model, SHIFTS[name], lambda name=name: [PEERS[name](model, ids)]),
            under(model, SHIFTS[name], lambda name=name: ours(model, [ids], name)),
        )
        for name in names
    }
    if batch > 1:
        prompts = [prompt(model, LENGTHS[number % len(LENGTHS)], number) for number in range(batch)]
        runs[f"{batch} prompts one by one"] = Contest(
            under(model, 1, lambda: [ours(model, [ids], "rnd1")[0] for ids in prompts]),
            under(model, 1, lambda: ours(model, prompts, "rnd1")),
        )
    return runs


def ours(model: DiffusionLM, prompts: list[list[int]], name: str) -> list[list[int]]:
    return rnd1lib.generate(model, prompts, max_new_tokens=NEW, **OPTIONS[name]).sequences


def under(model: DiffusionLM, shift: int, run: Run) -> Run:
    """The run on the model under a shift."""

    def shifted() -> list[list[int]]:
        model.shift = shift
        return run()

    return shifted


def main(arguments: list[str] | None = None) -> None:
    """Prints a table for each network and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vs", default=",".join(PEERS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--network", default="head,smol")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tiny network, one pair: only to see that it works")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    networks, pairs = (["quick"], 1) if given.quick else (given.network.split(","), given.pairs)
    console, results = Console(width=150, markup=False, highlight=False), {}
    console.print(
        f"{machine()}\n{NEW} new tokens, {STEPS} steps, float32, temperature 0; {pairs} pairs; median [lowest, highest]\n"
    )
    for name in networks:
        model = NETWORKS[name]()
        results[name] = measure(contests(model, given.vs.split(","), given.batch), pairs)
        size = f"width {model.config['hidden_size']}, {model.config['num_hidden_layers']} layers, V {model.vocab_size}"
        show(console, f"{name}: {model.config['model_type']}, {size}", results[name])
    print(json.dumps({"benchmark": "sampling", "machine": machine(), "pairs": pairs, "results": results}))


if __name__ == "__main__":
    main()
