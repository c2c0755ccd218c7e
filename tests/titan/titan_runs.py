"""What the tests of training share: a recipe that trains in a second, and what they read out of a run."""

import json
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


def write_recipe(folder: Path, texts: Path) -> Path:
    """`TINY` over these texts in a folder, in which its run will be."""
    path = folder / "tiny.yaml"
    path.write_text(TINY % (texts, folder), encoding="utf-8")
    return path


def losses(result):
    """step -> loss, as written."""
    return {line["step"]: line["loss"] for line in result.metrics if "loss" in line}


def weights(result):
    """Every parameter of the newest checkpoint, by name."""
    return {name: value.detach().clone() for name, value in result.model().network.named_parameters()}


def write_damaged_lines(folder: Path) -> Path:
    """Two hundred lines of JSON: four broken (21 to 24), two empty."""
    texts = [f"Line {number} says that it is number {number}. " * (1 + number % 5) for number in range(200)]
    lines = [json.dumps({"text": text}) for text in texts]
    lines[20:24] = ["{", '{"txt": "other"}', '{"text": null}', '{"text": "a\\u0000b"}']
    lines[100] = lines[150] = '{"text": ""}'
    (folder / "damaged.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder / "damaged.jsonl"


def mixture(folder: Path, on_error: str = "{skip: 5%}") -> list[str]:
    """The damaged lines with twice the share of the texts."""
    lines, texts = f"{{use: jsonl, path: {folder}/damaged.jsonl, weight: 2}}", f"{{use: text, path: {folder}/*.txt, weight: 1}}"
    return [f"data={{use: mix, sources: {{lines: {lines}, texts: {texts}}}}}", f"data.on_error={on_error}"]
