"""An exported folder says of the model what the model is: mask, noise, step, ids, names, and the run until that step."""

import json
from typing import NamedTuple

import pytest
from architectures import MASK, write

import rnd1lib
from rnd1lib import export, load_model
from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import train_tokenizer


class Usage(NamedTuple):
    """Of a disk."""

    free: int


def said(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture
def model(tmp_path):
    return load_model(write("qwen3, tied", tmp_path / "in"), mask_token_id=MASK)


@pytest.mark.parametrize(("step", "pattern"), [(4, "causal"), (5, "full")])
def test_mask_and_noise_keep_their_options_and_who_sees_whom_is_that_of_its_step(step, pattern, model, tmp_path):
    model.attention_mask, model.step = rnd1lib.build("attention_mask", "grafting", after=5, fit_steps=2), step
    model.noise = rnd1lib.build("noise", "cosine", variant="mdlm")
    out = export(model, tmp_path / "out", layout="qwen3")
    assert said(out, "config.json").get("is_causal", True) is (pattern == "causal")
    back = load_model(out)
    assert (back.attention_mask, back.noise, back.step) == (model.attention_mask, model.noise, step)
    assert back.attention_mask.pattern(back.step) == pattern
    shown = {"causal": "causal", "full": "bidirectional"}[pattern]
    assert f"| attention | {shown} |" in (out / "README.md").read_text()


def test_each_special_id_has_its_own_name_for_who_generates(model, tmp_path):
    model.bos_token_id, model.eos_token_id, model.pad_token_id = 7, 8, 9
    out = export(model, tmp_path / "out", layout="qwen3")
    ids = {"bos_token_id": 7, "eos_token_id": 8, "pad_token_id": 9}
    assert said(out, "generation_config.json") == ids
    assert said(out, "config.json").items() >= ids.items()


def test_the_mask_token_of_a_tokenizer_that_has_no_name_for_it_gets_one(model, tmp_path):
    model.tokenizer = train_tokenizer(["some words"] * 3, 300)
    assert model.tokenizer.mask_token_id != MASK
    written = load_tokenizer(export(model, tmp_path / "out", layout="qwen3"))
    assert written.mask_token_id == MASK
    assert written.decode([MASK]) == written.config["mask_token"]
    assert written.encode("some words") == model.tokenizer.encode("some words")


def test_a_disk_that_is_too_small_for_the_tensors_in_their_dtype_is_told_of_before_anything_is_written(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(free=200_000))
    with pytest.raises(ModelError, match=r"out: needs 0\.3 MB, and 0\.2 MB are free"):
        export(model, tmp_path / "out", layout="qwen3")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert export(model, tmp_path / "half", layout="qwen3", dtype="bfloat16").is_dir()
