"""Every way to convert a tiny model, 300 steps each: learning-rate settings, freezing, masks, and random weights.

All arms (but `random`) start from one autoregressive model of the embedded corpus, see the same rows and masks, and are held
against each other by the same held-out bound. `python benchmarks/strategies.py FOLDER [ARM ...]` trains the arms (all of
them: some 15 minutes on 2 cores) and prints what their metrics.jsonl say: the training loss at steps 10, 100 and 300, the
held-out bound before and after, and how far each learning-rate group has moved (root mean square of |w - w0|).
"""

import json
import sys
from pathlib import Path

STEPS, SHOWN = 300, (10, 100, 300)
SETTING = "lr_groups={use: attention_first, attention_lr: null, rest_lr: null, weight_decay: null, setting: %d}"
FREEZE = "lr_groups={use: attention_first, setting: 4, rest: freeze, attention_lr: null, rest_lr: null, weight_decay: null}"
GRAFTING = "attention_mask={use: grafting, after: 100, fit_steps: 30, fit_loss: l2, fit_rows: 64}"
ARMS: dict[str, list[str]] = {
    **{f"setting {number}": [SETTING % number] for number in (1, 2, 3, 4)},
    "setting 4, rest frozen": [FREEZE],
    "scp": [],
    "annealing": ["attention_mask={use: annealing, steps: 150, seed: '${train.seed}'}"],
    "grafting": [GRAFTING],
    "random": ["model.init=null"],
    "scp, tiny/moe": [],
}


def train(folder: Path, name: str) -> list[dict[str, object]]:
    """The arm's metrics; an arm that has run already is not run again."""
    import rnd1lib

    recipe = "tiny/moe" if "moe" in name else "tiny/dense"
    model = "qwen3_moe" if "moe" in name else "qwen3"
    base = folder / f"base-{model}"
    ar = ["tiny/ar", [f"model.use={model}", f"run.folder={base}", "callbacks={}"]]
    rnd1lib.train(rnd1lib.load_recipe(*ar))
    overrides = [
        f"train.steps={STEPS}",
        f"model.init={base}",
        f"run.folder={folder / name.replace(' ', '-').replace(',', '').replace('/', '-')}",
        f"evaluators={{nll: {{every: {STEPS}}}, moved: {{use: moved, every: {STEPS}}}}}",
        "callbacks={console: null}",
        *ARMS[name],
    ]
    return rnd1lib.train(rnd1lib.load_recipe(recipe, overrides)).metrics


def figures(metrics: list[dict[str, object]]) -> dict[str, object]:
    """What an arm is compared by."""
    steps = {line["step"]: line for line in metrics if "loss" in line}
    nll = [line["nll"] for line in metrics if line.get("evaluator") == "nll"]
    moved = [line for line in metrics if line.get("evaluator") == "moved"][-1]
    return {
        "loss": {step: steps[step]["loss"] for step in SHOWN},
        "nll": [nll[0], nll[-1]],
        "moved": {key.removesuffix("_rms"): value for key, value in moved.items() if key.endswith("_rms")},
    }


def main(folder: Path, names: list[str]) -> None:
    """Trains, prints a table and a JSON line."""
    results = {name: figures(train(folder, name)) for name in names}
    print(f"{STEPS} steps of 2 048 tokens; nats a token; one seed.\n")
    print(f"| arm | {' | '.join(f'loss at {step}' for step in SHOWN)} | bound before | after | moved, rms by group |")
    print("|" + " --- |" * (len(SHOWN) + 4))
    for name, result in results.items():
        losses = " | ".join(f"{result['loss'][step]:.3f}" for step in SHOWN)
        moved = ", ".join(f"{group} {value:.1e}" for group, value in result["moved"].items())
        print(f"| {name} | {losses} | {result['nll'][0]:.3f} | {result['nll'][1]:.3f} | {moved} |")
    print("\n" + json.dumps({"benchmark": "strategies", "steps": STEPS, "arms": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(ARMS))
