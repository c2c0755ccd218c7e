"""Runs on two ranks: one step with the routers' losses in each layout, and rows of variable length.

Writes what it saw to OUT/seen-RANK.pt; `test_router_ranks.py` asks about it.
"""

import os
import sys
from pathlib import Path

import torch
from plain_gradients import STILL, watch

import rnd1lib

RECIPE, OUT = sys.argv[1], Path(sys.argv[2])
ASKED = ("objective.balance=0.2", "objective.z=0.05")
EP = "titan.parallelism.expert_parallel_degree=2"
LAYOUTS = {
    "fsdp": (),
    "ep": (EP,),
    "ep full": (EP, "train.recompute=full"),
    "ep selective accumulation": (EP, "train.recompute=selective", "train.micro_batch_rows=2"),
}
SHORT = ("train.variable_length={share: 50%, shortest: 2}", "objective.eos=as_one", "train.steps=3")


def train(name, *overrides):
    return rnd1lib.train(rnd1lib.load_recipe(RECIPE, [f"run.folder={OUT / name}", *overrides]))


def main():
    seen, last = {}, watch(setattr)
    for name, options in LAYOUTS.items():
        metrics = train(name, *options, *ASKED, *STILL).metrics
        seen[name] = {part: last[part] for part in ("micro_batches", "gradients")} | {"line": metrics[0]}
    seen["short"] = [line for line in train("short", EP, *SHORT).metrics if "loss" in line]
    torch.save(seen, OUT / f"seen-{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main()
