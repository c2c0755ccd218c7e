"""The demo of a tiny model: trained to predict the next token, converted, sampled, and opened with transformers."""

from __future__ import annotations

from rnd1lib.cli.stages import Demo, Stage

COMPARISON = """
import sys, rnd1lib, torch, transformers
ids = torch.arange(256).reshape(4, 64)
ours = rnd1lib.load_model(sys.argv[1]).logits(ids)
transformers.utils.logging.disable_progress_bar()
theirs = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")(ids).logits
gap = (ours - theirs).abs().max().item()
print(f"The largest difference between {ours.numel():,} logits: {gap:.1e}")
sys.exit(gap > 1e-4)
"""

STAGES = (
    Stage(
        "Train a tiny Qwen3-MoE to predict the next token, on 2 ranks: FSDP2, and 4 of the 8 experts on each",
        "torchrun --standalone --nproc-per-node 2 -m rnd1lib train tiny/ar titan.parallelism.expert_parallel_degree=2 "
        "train.steps=$autoregressive_steps run.folder=$folder/ar",
    ),
    Stage("Write it as a folder like that of any Qwen3-MoE", "rnd1 export $folder/ar $folder/ar-export --layout qwen3_moe"),
    Stage(
        "Convert it: bidirectional from the first step (SCP), the A2D objective, attention first. At the same time, to "
        "compare, train from random weights, all of them at 1e-3, since attention alone cannot make up for the rest",
        {
            "scp": "rnd1 train tiny/moe model.init=$folder/ar-export train.steps=$steps run.folder=$folder/scp",
            "random": "rnd1 train tiny/moe model.init=null model.tokenizer=$folder/ar-export "
            "'lr_groups={use: uniform, lr: 1.0e-3}' train.steps=$steps run.folder=$folder/random",
        },
    ),
    Stage(
        "Write text: a canvas of masks, of which the least uncertain are filled in first",
        "rnd1 sample $folder/scp 'def read(self, ' --max-new-tokens 48 --option temperature=0.7 --watch "
        "--html $folder/text.html",
        sample=True,
    ),
    Stage(
        "Fill a gap of 8 tokens between two given ends",
        "rnd1 infill $folder/scp 'for name in [[8]] return name'",
        sample=True,
    ),
    Stage("Write the diffusion model as such a folder", "rnd1 export $folder/scp $folder/scp-export --layout qwen3_moe"),
    Stage("Open that with transformers and compare the logits", "python -c $comparison $folder/scp-export"),
)

TINY = Demo(
    folder="runs/demo",
    stages=STAGES,
    arms={"scp": "the autoregressive model", "random": "random weights"},
    explanation="As many steps from the autoregressive model and from random weights, which all learn at 1e-3.",
    values={"steps": 150, "autoregressive_steps": 300, "comparison": COMPARISON},
    quick={"steps": 10, "autoregressive_steps": 20},
)
