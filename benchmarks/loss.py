"""Head and loss of one training step at Qwen3's vocabulary: scored rows in chunks against full logits.

Peak memory over what the process held before, and seconds of forward and backward, on a CPU. Each run is a process of its
own, and the two ways take turns, so that what else the machine does meets both. `python benchmarks/loss.py` runs 3 pairs.
"""

import json
import resource
import subprocess
import sys
import time
from statistics import median

VOCABULARY, WIDTH, ROWS = 151_936, 256, 2048
WAYS = ("scored rows", "full logits")


def measure(way: str) -> dict[str, float]:
    """One step in this process: GiB over base, seconds, and the loss, which must not depend on the way."""
    import torch
    from torch.nn.functional import cross_entropy

    from rnd1lib.models.network.head import ScoringHead

    torch.manual_seed(0)
    head = ScoringHead.Config(in_features=WIDTH, out_features=VOCABULARY, bias=False).build()
    torch.nn.init.normal_(head.weight, std=0.02)
    hidden_ND = torch.randn(ROWS, WIDTH, requires_grad=True)
    labels_N = torch.randint(VOCABULARY, (ROWS,))
    scored_N = torch.arange(ROWS) % 2 == 0
    weights_N = torch.where(scored_N, torch.rand(ROWS) + 1, 0.0)
    base, started = peak_gib(), time.perf_counter()
    if way == "scored rows":
        loss = head(hidden_ND[scored_N], labels=labels_N[scored_N], weights=weights_N[scored_N])
    else:
        loss = (cross_entropy(head(hidden_ND), labels_N, reduction="none") * weights_N).sum()
    loss.backward()
    return {"gib": peak_gib() - base, "seconds": time.perf_counter() - started, "loss": float(loss.detach())}


def peak_gib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(pairs: int = 3) -> None:
    """Runs the pairs, prints a table and a JSON line."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(pairs):
        for way in WAYS:
            done = subprocess.run([sys.executable, __file__, way], check=True, capture_output=True, text=True)
            runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    losses = [run["loss"] for way in WAYS for run in runs[way]]
    assert max(losses) - min(losses) < 1e-5 * max(losses), f"the two ways disagree: {losses}"
    print(f"One step, V = {VOCABULARY}, width {WIDTH}, {ROWS} rows, half of them scored; float32; medians of {pairs}.\n")
    print("| | GiB over base | seconds |\n| --- | --- | --- |")
    medians = {way: {key: round(median(run[key] for run in runs[way]), 2) for key in ("gib", "seconds")} for way in WAYS}
    for way in WAYS:
        print(f"| {way} | {medians[way]['gib']} | {medians[way]['seconds']} |")
    ratios = {key: round(median(b[key] / a[key] for a, b in zip(*runs.values(), strict=True)), 2) for key in ("gib", "seconds")}
    print(f"| full / scored, of pairs | {ratios['gib']} | {ratios['seconds']} |\n")
    print(json.dumps({"benchmark": "loss", "vocabulary": VOCABULARY, "rows": ROWS, "medians": medians, "ratios": ratios}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
