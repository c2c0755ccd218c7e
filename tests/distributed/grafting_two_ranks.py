"""Grafting on two ranks; writes the metrics of each run to OUT/NAME/metrics.jsonl, as any run does."""

import sys

import rnd1lib

RECIPE, OUT, *OPTIONS = sys.argv[1:]
EP = "titan.parallelism.expert_parallel_degree=2"


def train(name, *overrides):
    rnd1lib.train(rnd1lib.load_recipe(RECIPE, [f"run.folder={OUT}/{name}", *OPTIONS, *overrides]))


def main():
    train("fsdp")
    train("ep", EP)
    train("recomputed", EP, "train.recompute=full", "train.micro_batch_rows=2")
    train("stopped", EP, "run.stop_after=4")
    train("stopped", EP)
    train("fewer", EP, "run.stop_after=4")


if __name__ == "__main__":
    main()
