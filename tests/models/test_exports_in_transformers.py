"""Exported folders in transformers' own classes, and RND1's in ours: who sees whom is what was trained, and so are logits."""

import json

import pytest
import torch
from architectures import MASK, write
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

from rnd1lib import export, load_model

LAYOUTS = {"qwen3": "qwen3, tied", "qwen3_moe": "qwen3_moe, layer 1 dense", "llama": "llama, untied", "qwen2": "qwen2, untied"}
IDS = torch.randint(0, 300, (2, 18), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a network is asked"))


@pytest.mark.parametrize("mask", ["causal", "bidirectional"])
@pytest.mark.parametrize(("layout", "shape"), LAYOUTS.items())
def test_plain_classes_give_the_models_logits_under_each_mask_eager_and_sdpa(layout, shape, mask, tmp_path):
    model = load_model(write(shape, tmp_path / "in", torch.float32), attention_mask=mask, mask_token_id=MASK)
    out = export(model, tmp_path / "out", layout=layout)
    said = json.loads((out / "config.json").read_text())
    assert said.get("is_causal", True) is (mask == "causal")
    for implementation in ("eager", "sdpa"):
        theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, attn_implementation=implementation)
        with torch.no_grad():
            assert (model.logits(IDS) - theirs(IDS).logits).abs().max() <= 1e-4
            padded = torch.ones_like(IDS)
            padded[1, 12:] = 0
            ours = model.logits(IDS, documents_BL=1 - padded)
            assert (ours - theirs(IDS, attention_mask=padded).logits)[padded.bool()].abs().max() <= 1e-4


@pytest.fixture
def rnd1(tmp_path):
    model = load_model(write("rnd1", tmp_path / "in", torch.float32), mask_token_id=MASK)
    return model, export(model, tmp_path / "out", layout="rnd1")


def test_rnd1s_classes_of_ours_give_the_models_logits_and_keep_the_sizes(rnd1):
    model, out = rnd1
    config = AutoConfig.from_pretrained(out, trust_remote_code=True)
    said = json.loads((out / "config.json").read_text())
    kept = ["num_hidden_layers", "hidden_size", "num_experts", "head_dim", "vocab_size", "mask_token_id", "num_diffusion_steps"]
    assert {key: getattr(config, key) for key in kept} == {key: said[key] for key in kept}
    assert (said["sliding_window"], said["rope_scaling"]) == (False, False), "as RND1's own config.json says null"
    assert (type(config).__name__, config.model_type, config.is_causal) == ("RND1Config", "rnd1", False)
    theirs, info = AutoModelForMaskedLM.from_pretrained(
        out, trust_remote_code=True, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        assert (model.logits(IDS) - theirs(IDS).logits).abs().max() <= 1e-4
    with pytest.raises(RuntimeError, match="rnd1 sample"):
        theirs.generate(IDS)
    assert type(AutoModel.from_pretrained(out, trust_remote_code=True)).__name__ == "RND1Model"


def test_what_rnd1s_classes_save_is_the_same_folder_again(rnd1, tmp_path):
    model, out = rnd1
    theirs = AutoModelForMaskedLM.from_pretrained(out, trust_remote_code=True, dtype=torch.float32)
    theirs.save_pretrained(tmp_path / "again")
    ours, again = load_file(out / "model.safetensors"), load_file(tmp_path / "again" / "model.safetensors")
    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    back = load_model(tmp_path / "again", mask_token_id=MASK)
    torch.testing.assert_close(back.logits(IDS), model.logits(IDS), rtol=0, atol=1e-6)


def test_the_code_beside_a_folder_is_what_the_package_ships_and_reading_it_back_runs_none(rnd1):
    _, out = rnd1
    assert sorted(path.name for path in out.glob("*.py")) == ["configuration_rnd.py", "modeling_rnd.py"]
    for path in out.glob("*.py"):
        path.write_text("raise SystemExit('was run')")
    assert load_model(out).mask_token_id == MASK


def test_generation_config_says_what_rnd1_looks_up(rnd1):
    _, out = rnd1
    said = json.loads((out / "generation_config.json").read_text())
    assert (said["mask_token_id"], said["num_diffusion_steps"], said["use_cache"]) == (MASK, 256, False)
