"""Generation with keys and values kept, against the same without, and against Fast-dLLM's own way with the same cache.

`python benchmarks/cache.py [--pairs 5] [--quick]`. How time and memory are taken: benchmarks/sampling.py.

`block` runs on a block-causal network, where it is exact: against every row of the canvas with the whole head (LLaDA's
shape), and against ours without a cache. `prefix` and `dual` run on a bidirectional network: against Fast-dLLM's shape with
the same cache, which must give the same tokens, and against ours without a cache, which need not.
"""

import argparse
import json
import warnings
from functools import partial

import shapes
import torch
from pairs import Contest, machine, measure, network, prompt, show
from rich.console import Console

import rnd1lib
from rnd1lib.models.denoiser import DiffusionLM

BLOCK, NEW_CAUSAL, NEW = 16, 96, 48
PER_BLOCK = 8
SIZES = {
    "full": (
        {"hidden_size": 256, "num_hidden_layers": 8, "intermediate_size": 768, "vocab_size": 32_000},
        {"hidden_size": 256, "num_hidden_layers": 4, "intermediate_size": 768, "vocab_size": 126_464},
    ),
    "quick": ({"num_hidden_layers": 1, "vocab_size": 1100},) * 2,
}


def ours(model: DiffusionLM, ids: list[int], new: int, cache: str | None) -> list[list[int]]:
    steps = PER_BLOCK * new // BLOCK
    options = {"sampler": "llada", "steps": steps, "block_length": BLOCK, "max_new_tokens": new, "cache": cache}
    return rnd1lib.generate(model, [ids], **options).sequences


def block_causal(size: dict[str, int]) -> dict[str, Contest]:
    """On a network whose mask is block-causal; the prompt is whole blocks, so that both sides have the same ones."""
    model = network("qwen3", "tiny", mask="block_causal", block_length=BLOCK, **size)
    model.shift, ids = 0, prompt(model, 2 * BLOCK)
    whole = partial(shapes.llada, model, ids, NEW_CAUSAL, PER_BLOCK * NEW_CAUSAL // BLOCK, BLOCK)
    cached = partial(ours, model, ids, NEW_CAUSAL, "block")
    return {
        "block: whole canvas, whole head": Contest(lambda: [whole()], cached),
        "block: ours without a cache": Contest(partial(ours, model, ids, NEW_CAUSAL, None), cached),
    }


def bidirectional(size: dict[str, int]) -> dict[str, Contest]:
    """On a network in which each token sees all, as Fast-dLLM's models."""
    model = network("qwen3", "tiny", **size)
    model.shift, ids, contests = 0, prompt(model, 2 * BLOCK), {}
    for cache in ("prefix", "dual"):
        theirs = partial(shapes.fast_dllm_cached, model, ids, NEW, PER_BLOCK * NEW // BLOCK, BLOCK, dual=cache == "dual")
        cached = partial(ours, model, ids, NEW, cache)
        contests[f"{cache}: Fast-dLLM's shape with it"] = Contest(lambda theirs=theirs: [theirs()], cached)
        contests[f"{cache}: ours without a cache"] = Contest(partial(ours, model, ids, NEW, None), cached, same=False)
    return contests


def main(arguments: list[str] | None = None) -> None:
    """Prints a table for each network and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    warnings.filterwarnings("ignore", "cache: .* approximate")  # the docstring says it
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny networks, one pair: only to see that it works")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    causal, both_ways = SIZES["quick" if given.quick else "full"]
    pairs, console, results = 1 if given.quick else given.pairs, Console(width=150, markup=False, highlight=False), {}
    console.print(f"{machine()}\nblocks of {BLOCK}, {PER_BLOCK} steps each, float32, temperature 0; {pairs} pairs\n")
    for name, contests in (
        (f"block-causal {causal}", block_causal(causal)),
        (f"bidirectional {both_ways}", bidirectional(both_ways)),
    ):
        results[name] = measure(contests, pairs)
        show(console, name, results[name])
    print(json.dumps({"benchmark": "cache", "machine": machine(), "pairs": pairs, "results": results}))


if __name__ == "__main__":
    main()
