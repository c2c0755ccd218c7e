"""Forward and backward of a network's layers with and without recomputed activations: memory and processor time.

Layers of Qwen3-0.6B's proportions, float32, on a CPU, without the head (see loss.py). Each run is a process of its own, and the
ways take turns, so that what else the machine does meets all of them. `python benchmarks/recompute.py` runs 3 rounds.
"""

import json
import resource
import subprocess
import sys
import time
from statistics import median

LAYERS, ROWS, LENGTH = 6, 2, 512
WAYS = ("none", "selective", "full")


def measure(way: str) -> dict[str, float]:
    """One step in this process: GiB over weights and gradients, processor seconds, and a sum over the gradients."""
    import torch

    import rnd1lib
    from rnd1lib.kinds import Build
    from rnd1lib.titan.preparation.config import RECOMPUTE

    component = rnd1lib.build("model", "qwen3")
    config = {**component.flavors["0.6B"], "num_hidden_layers": LAYERS, "vocab_size": 1024}
    network = component.spec(config, Build(sequence_length=LENGTH)).model.build()
    network.init_states()
    if recompute := RECOMPUTE[way]:
        recompute().build(dump_folder="").apply(network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    ids_BL = torch.randint(1024, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    base, started = peak_gib(), time.process_time()
    network(ids_BL, positions=torch.arange(LENGTH).expand(ROWS, -1), attention_masks=None).square().mean().backward()
    seconds = time.process_time() - started
    gradients = sum(float(parameter.grad.abs().sum(dtype=torch.float64)) for parameter in network.parameters())
    return {"gib": peak_gib() - base, "seconds": seconds, "gradients": gradients}


def peak_gib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(rounds: int = 3) -> None:
    """Runs the rounds, prints a table and a JSON line."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            done = subprocess.run([sys.executable, __file__, way], check=True, capture_output=True, text=True)
            runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    assert len({run["gradients"] for way in WAYS for run in runs[way]}) == 1, f"the ways disagree: {runs}"
    print(f"{LAYERS} layers of Qwen3-0.6B, {ROWS} rows of {LENGTH} tokens, float32; medians of {rounds}, ratios of rounds.\n")
    print("| recompute | GiB over weights and gradients | of none | seconds of processor time | of none |")
    print("| --- | --- | --- | --- | --- |")
    table = {way: {key: round(median(run[key] for run in runs[way]), 2) for key in ("gib", "seconds")} for way in WAYS}
    for way in WAYS:
        for key in ("gib", "seconds"):
            each = (run[key] / none[key] for run, none in zip(runs[way], runs["none"], strict=True))
            table[way][f"{key}_ratio"] = round(median(each), 2)
        row = table[way]
        print(f"| {way} | {row['gib']} | {row['gib_ratio']} | {row['seconds']} | {row['seconds_ratio']} |")
    print("\n" + json.dumps({"benchmark": "recompute", "layers": LAYERS, "tokens": ROWS * LENGTH, "table": table}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
