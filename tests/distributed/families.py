"""A step of four families in bf16, only attention and the mask token's row training: what one rank and two are asked for.

As a script it is run by two ranks: RECIPE OUT; what each run wrote of its steps lies in OUT/found.json.
"""

import json
import sys
from pathlib import Path

import rnd1lib

EP = "titan.parallelism.expert_parallel_degree=2"
SHIFTED, UNSHIFTED = "objective=a2d_shift", "objective=mdlm"
FAMILIES = {  # dense Qwen3 and LLaDA are built of the same parts
    "qwen3_moe": [SHIFTED],
    "llama": [SHIFTED],
    "qwen2": [SHIFTED],
    "llada_moe": [UNSHIFTED],
}
MIXTURES = ["qwen3_moe", "llada_moe"]
ASKED = [
    "lr_groups={use: attention_first, rest: freeze, attention_lr: 3.0e-3, rest_lr: null}",
    "train={steps: 1, warmup: 0, precision: bf16}",
    "callbacks={console: null}",
    "evaluators={nll: null}",
]


def train(recipe, out, family, *overrides):
    """A run; its folder is OUT/FAMILY."""
    options = [f"run.folder={out}/{family}", f"model.use={family}", *FAMILIES[family], *ASKED, *overrides]
    return rnd1lib.train(rnd1lib.load_recipe(recipe, options))


def steps(result):
    """Loss and norm of the gradients of each."""
    return [(line["loss"], line["grad_norm"]) for line in result.metrics if "loss" in line]


def main():
    recipe, out = sys.argv[1], Path(sys.argv[2])
    found = {family: steps(train(recipe, out, family, *([EP] if family in MIXTURES else []))) for family in FAMILIES}
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
