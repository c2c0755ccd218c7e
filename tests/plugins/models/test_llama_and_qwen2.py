"""Llama and Qwen2 against transformers' own classes: random models that transformers wrote, read and given back."""

import json
import shutil

import pytest
import torch
from rnd1_plugins.models.llama import Llama
from rnd1_plugins.models.qwen2 import Qwen2
from safetensors.torch import load_file, save_file

from rnd1lib import load_model
from rnd1lib.errors import ModelError
from rnd1lib.models.export import export_and_compare

MASK = 315
SIZES = {
    "vocab_size": 320,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-4,
    "initializer_range": 0.2,
    "eos_token_id": 317,
    "pad_token_id": 316,
}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3["original_max_position_embeddings"] = 64
SHAPES = {
    "llama": {"tie_word_embeddings": True, "rope_theta": 5e4, "head_dim": 16},
    "llama, stretched": {"tie_word_embeddings": False, "rope_theta": 100.0, "rope_scaling": LLAMA3},
    "qwen2": {"tie_word_embeddings": True, "rope_theta": 1e6},
    "qwen2, untied": {"tie_word_embeddings": False, "num_key_value_heads": 4},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """shape -> (folder, transformers' model). No gain is 1 and no bias 0, so that each that is left out shows."""
    from transformers import AutoConfig, AutoModelForCausalLM

    made = {}
    for shape, options in SHAPES.items():
        torch.manual_seed(0)
        config = AutoConfig.for_model(shape.partition(",")[0], **(SIZES | options))
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
        for parameter in model.parameters():
            if parameter.dim() == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        folder = tmp_path_factory.mktemp(shape.replace(", ", "_"))
        model.save_pretrained(folder)
        made[shape] = (folder, model)
    return made


def ids_with_masks(length=100):
    ids = torch.randint(0, 310, (2, length), generator=torch.Generator().manual_seed(1))
    ids[:, ::5] = MASK
    return ids


def change_config(folder, to, **change):
    """A copy of a model folder whose config.json says something else."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(config | change))
    return to


@torch.no_grad()
def logits_of(theirs, ids, *, both_ways):
    mask = torch.zeros(len(ids), 1, ids.shape[1], ids.shape[1]) if both_ways else None
    return theirs(ids, attention_mask=mask).logits


def test_llama_3s_stretched_rope_is_transformers_at_every_position(written):
    folder, theirs = written["llama, stretched"]
    with torch.no_grad():
        cos, sin = theirs.model.rotary_emb(torch.zeros(1), torch.arange(128)[None])
    cache = load_model(folder).network.layers["0"].attention.rope.cache
    torch.testing.assert_close(cache, torch.cat([cos[0], sin[0]], dim=-1), atol=2e-6, rtol=0)
    slowed = theirs.model.rotary_emb.inv_freq * 100.0 ** (torch.arange(0, 12, 2) / 12)
    assert slowed[0] == 1 and slowed[-1] == pytest.approx(1 / 8), "the sizes above reach both bounds"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_exported_folder_opens_in_transformers_with_the_models_logits(shape, written, tmp_path):
    from transformers import AutoModelForCausalLM

    name = shape.partition(",")[0]
    model = load_model(written[shape][0], attention_mask="bidirectional", mask_token_id=MASK)
    done = export_and_compare(model, tmp_path / "out", layout=name)
    assert done.comparison.difference <= 1e-5
    theirs, info = AutoModelForCausalLM.from_pretrained(done.path, dtype=torch.float32, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids_with_masks()).logits, model.logits(ids_with_masks()), atol=1e-4, rtol=0)
    mine, original = (load_file(folder / "model.safetensors") for folder in (done.path, written[shape][0]))
    assert mine.keys() == original.keys()
    assert all(torch.equal(mine[key], original[key]) for key in mine)
    assert load_model(done.path).mask_token_id == MASK


def test_dreams_folders_are_bidirectional_with_shift_1_and_can_be_told_otherwise(written, tmp_path):
    folder, theirs = written["qwen2, untied"]
    dream = {"model_type": "Dream", "architectures": ["DreamModel"], "auto_map": {"AutoModel": "modeling_dream.DreamModel"}}
    change_config(folder, tmp_path, **dream, mask_token_id=MASK)
    model = load_model(tmp_path)
    assert (model.shift, model.mask_token_id) == (1, MASK)
    expected = logits_of(theirs, ids_with_masks(), both_ways=True)
    torch.testing.assert_close(model.logits(ids_with_masks()), expected, atol=1e-4, rtol=0)
    other = load_model(tmp_path, shift=0, mask_token_id=300, attention_mask="causal")
    assert (other.shift, other.mask_token_id, other.attention_mask.pattern(0)) == (0, 300, "causal")


def test_everything_that_is_wrong_with_the_tensors_is_named_and_nothing_is_loaded(written, tmp_path):
    shutil.copytree(written["qwen2"][0], tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.layers.0.self_attn.k_proj.bias"]
    tensors["model.layers.1.self_attn.q_norm.weight"] = torch.ones(12)
    tensors["model.layers.1.self_attn.v_proj.bias"] = torch.ones(5)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "model.layers.0.self_attn.k_proj.bias: missing.",
        "model.layers.1.self_attn.q_norm.weight: unexpected.",
        "model.layers.1.self_attn.v_proj.bias: has shape [5], config.json asks for [24].",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"attention_bias": True}, "attention_bias: True is not built, only False"),
        ({"mlp_bias": True}, "mlp_bias: True is not built"),
        ({"hidden_act": "gelu"}, "hidden_act: 'gelu' is not built, only 'silu'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "'yarn' is not built, only the default RoPE and 'llama3'"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": "8"}}, "factor: '8' is no positive number"),
        ({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor: 0.5 is not"),
        ({"quantization_config": {"bits": 4}}, "quantized tensors cannot be read"),
    ],
)
def test_what_the_network_does_not_have_is_refused_in_a_sentence(change, sentence, written, tmp_path):
    with pytest.raises(ModelError, match=sentence):
        load_model(change_config(written["llama"][0], tmp_path, **change))


@pytest.mark.parametrize("component", [Llama, Qwen2])
def test_every_flavor_is_a_config_that_transformers_reads(component):
    from transformers import AutoConfig

    for config in component.flavors.values():
        options = {key: value for key, value in config.items() if key != "model_type"}
        theirs = AutoConfig.for_model({"Dream": "qwen2"}.get(config["model_type"], config["model_type"]), **options)
        assert theirs.num_hidden_layers == config["num_hidden_layers"]
        assert theirs.rope_parameters["rope_type"] == (config.get("rope_scaling") or {}).get("rope_type", "default")
