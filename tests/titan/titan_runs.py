"""What the tests of training share: a recipe that trains in a second, and what they read out of a run."""

from pathlib import Path

TINY = """
extends: tiny/moe
model: {tokenizer: {train: 512}}
data: {use: text, path: "%s/*.txt"}
lr_groups: {use: attention_first, attention_lr: 3.0e-3, rest_lr: 1.0e-3}
train: {steps: 6, batch_tokens: 512, sequence_length: 64, warmup: 2, streams: 4}
evaluators: {nll: null}
callbacks: {console: null}
run: {folder: "%s/run"}
"""
BLOCKS = [
    "attention_mask={use: block_diffusion, block_length: 16, sequence_length: 64}",
    "train.times={per: block, low: 0.2, high: 0.9, redraw: true}",
]


def write_texts(folder: Path) -> None:
    """Forty short texts that differ, so that packing and holding out have something to do."""
    for number in range(40):
        sentence = f"Text {number} says that {number} and {number + 1} make {2 * number + 1}. "
        (folder / f"{number:02}.txt").write_text(sentence * (1 + number % 7), encoding="utf-8")


def losses(result):
    """step -> loss, as written."""
    return {line["step"]: line["loss"] for line in result.metrics if "loss" in line}


def weights(result):
    """Every parameter of the newest checkpoint, by name."""
    return {name: value.detach().clone() for name, value in result.model().network.named_parameters()}
