"""The same losses on one rank and on four (expert parallel 2 x FSDP 2): a pairwise cover of objectives, masks and the rest.

Twelve runs of five steps of the tiny mixture of experts, in one process a layout. Every pair of an objective and a mask that
is defined occurs, and every pair of the other choices, as far as twelve runs can hold them. `python benchmarks/layouts.py`
prints the largest relative difference of each run's losses; it fails above 1e-3, or above 1e-5 in the first step.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS, RANKS = 5, 4
MASKS = {
    "bidirectional": "{use: bidirectional}",
    "annealing": "{use: annealing, steps: 4}",
    "band_annealing": "{use: band_annealing, steps: 4}",
    "block_causal": "{use: block_causal, block_length: 16}",
    "block_diffusion": "{use: block_diffusion, block_length: 16, sequence_length: '${train.sequence_length}'}",
    "grafting": "{use: grafting, after: 2, fit_steps: 1, fit_loss: l2, fit_rows: 16}",
    "causal": "{use: causal}",
}
CHOICES: dict[str, list[str]] = {
    "weight": ["schedule", "uniform", "mean", "cart"],
    "normalise": ["maskable", "masked", "answer"],
    "noise": ["linear", "cosine", "cosine_squared", "geometric", "log_linear", "{use: polynomial, power: 2.0}"],
    "lr_groups": [
        "{use: uniform}",
        "{use: attention_first, attention_lr: 1.0e-3, rest_lr: 1.0e-5}",
        "{use: attention_first, attention_lr: 1.0e-3, rest_lr: null, rest: freeze}",
    ],
    "auxiliary": ['{"balance": 0.0, "z": 0.0}', '{"balance": 0.01, "z": 0.001}'],
    "times": ["stratified", "uniform"],
    "recompute": ["none", "selective", "full"],
    "micro_batch_rows": ["2", "1"],
}
PAIRS = [("a2d_shift", mask) for mask in MASKS if mask != "causal"]
PAIRS += [("mdlm", mask) for mask in MASKS if mask not in ("causal", "grafting")] + [("autoregressive", "causal")]


def cover() -> list[dict[str, str]]:
    """A row of choices for each pair of objective and mask: of all rows the one that adds the most new pairs, greedily."""
    names = list(CHOICES)
    seen: set[tuple[tuple[str, str], ...]] = set()
    runs = []
    for objective, mask in PAIRS:
        row: dict[str, str] = {"objective": objective, "mask": mask}
        for name in names:
            news = {value: sum(((other, row[other]), (name, value)) not in seen for other in row) for value in CHOICES[name]}
            row[name] = max(CHOICES[name], key=lambda value: news[value])
        seen |= set(itertools.combinations(row.items(), 2))
        runs.append(row)
    return runs


def overrides(row: dict[str, str]) -> list[str]:
    """The row as a recipe's values."""
    objective = {"use": row["objective"], "normalise": row["normalise"], **json.loads(row["auxiliary"])}
    if row["objective"] != "autoregressive":
        objective |= {"weight": row["weight"]}
    elif row["normalise"] == "masked":
        objective |= {"normalise": "maskable"}
    return [
        f"objective={json.dumps(objective)}",
        f"attention_mask={MASKS[row['mask']]}",
        f"noise={row['noise']}",
        f"lr_groups={row['lr_groups']}",
        f"train.times.draw={row['times']}",
        f"train.recompute={row['recompute']}",
        f"train.micro_batch_rows={row['micro_batch_rows']}",
    ]


def losses(folder: Path) -> list[list[float]]:
    """Trains every row on the ranks of this process group."""
    import rnd1lib

    found = []
    for number, row in enumerate(cover()):
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        layout = ["titan.parallelism.expert_parallel_degree=2"] if several else []
        options = [f"train.steps={STEPS}", "train.batch_tokens=2048", "train.sequence_length=128", "train.warmup=1"]
        ends = ["evaluators={nll: null}", "callbacks={console: null}", f"run.folder={folder / str(number)}"]
        recipe = rnd1lib.load_recipe("tiny/moe", [*options, *overrides(row), *layout, *ends])
        metrics = rnd1lib.train(recipe).metrics
        found.append([line["loss"] for line in metrics if "loss" in line])
    return found


def main() -> None:
    """Runs both layouts, prints a table and a JSON line."""
    with tempfile.TemporaryDirectory() as scratch:
        for ranks in (1, RANKS):
            torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={ranks}"] if ranks > 1 else []
            subprocess.run([sys.executable, *torchrun, __file__, f"{scratch}/{ranks}"], check=True)
        one, several = (json.loads(Path(f"{scratch}/{ranks}/losses.json").read_text()) for ranks in (1, RANKS))
    print(f"{STEPS} steps of tiny/moe on 1 rank and on {RANKS}, expert parallel 2 x FSDP {RANKS // 2}; relative differences.\n")
    print("| objective | mask | other choices | first step | largest |\n| --- | --- | --- | --- | --- |")
    worst = [0.0, 0.0]
    for row, a, b in zip(cover(), one, several, strict=True):
        apart = [abs(x - y) / abs(x) for x, y in zip(a, b, strict=True)]
        worst = [max(worst[0], apart[0]), max(worst[1], *apart)]
        others = ", ".join(row[name] for name in CHOICES)
        print(f"| {row['objective']} | {row['mask']} | {others} | {apart[0]:.1e} | {max(apart):.1e} |")
    print("\n" + json.dumps({"benchmark": "layouts", "runs": len(one), "first step": worst[0], "largest": worst[1]}))
    assert worst[0] <= 1e-5 and worst[1] <= 1e-3, f"the layouts disagree: {worst}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        found = losses(folder)
        if os.environ.get("RANK", "0") == "0":
            (folder / "losses.json").write_text(json.dumps(found))
    else:
        main()
