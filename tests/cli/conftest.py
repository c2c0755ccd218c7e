"""Tiny model folders of 320 ids, without a tokenizer, with one, with one that has a chat template; and a recipe over texts."""

import json
import shutil
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "goldens" / "hf" / "qwen3"
FACTS = {"shift": 1, "mask_token_id": 315, "attention_mask": {"use": "bidirectional"}}
RECIPE = """
extends: tiny/dense
model: {tokenizer: {train: 400}}
data: {use: text, path: "%s/*.txt"}
train: {steps: 2, batch_tokens: 512, sequence_length: 64, streams: 4}
evaluators: null
callbacks: null
run: {folder: "%s/run"}
"""
CHATML = (
    "{%- for message in messages %}\n"
    "    {{- '<|im_start|>' + message['role'] + '\\n' + message.content | trim + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A model without a tokenizer."""
    path = tmp_path_factory.mktemp("models") / "ids"
    path.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(SOURCE / name, path / name)
    (path / "rnd1_config.json").write_text(json.dumps(FACTS))
    return str(path)


@pytest.fixture(scope="session")
def with_text(folder, tmp_path_factory):
    """The same weights with a tokenizer of 300 tokens; its mask is the last."""
    from rnd1lib.models.tokens.tokenizer import train_tokenizer

    path = tmp_path_factory.mktemp("models") / "text"
    shutil.copytree(folder, path)
    tokenizer = train_tokenizer(["a small text about small things"] * 3, 300)
    tokenizer.save(path)
    (path / "rnd1_config.json").write_text(json.dumps({**FACTS, "mask_token_id": tokenizer.mask_token_id}))
    return str(path)


@pytest.fixture(scope="session")
def with_chat(with_text, tmp_path_factory):
    """The same with ChatML's template and the two tokens that it needs."""
    from tokenizers import AddedToken

    from rnd1lib.models.tokens.loading import load_tokenizer

    path = tmp_path_factory.mktemp("models") / "chat"
    shutil.copytree(with_text, path)
    tokenizer = load_tokenizer(path)
    tokenizer.tokens.add_special_tokens([AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True)])
    tokenizer.save(path)
    (path / "chat_template.jinja").write_text(CHATML)
    return str(path)


@pytest.fixture
def recipe(tmp_path):
    """A dozen texts and an empty one."""
    for number in range(12):
        text = f"[bold]Text {number}[/bold] says that {number} and {number} make {2 * number}. "
        (tmp_path / f"{number:02}.txt").write_text(text * 9)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "recipe.yaml").write_text(RECIPE % (tmp_path, tmp_path))
    return tmp_path / "recipe.yaml"
