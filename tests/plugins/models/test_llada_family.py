"""LLaDA and LLaDA-MoE: the networks of Llama and Qwen3-MoE under other names and in other words, unshifted both ways."""

import json

import pytest
import torch
from rnd1_plugins.models.llada import Llada
from rnd1_plugins.models.llada_moe import LladaMoe
from safetensors.torch import load_file, save_file

from rnd1lib import load_model
from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.config.spelling import standard
from rnd1lib.models.export import export_and_compare
from rnd1lib.models.weights import parameters

MASK = 311
SIZES = {
    "vocab_size": 320,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 80,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "initializer_range": 0.2,
}
EXPERTS = {"moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 3, "mlp_only_layers": [1]}
LLAMA_NAMES = {  # of LLaDA's tensors, read off its forward pass
    "transformer.wte": "embed_tokens",
    "transformer.blocks": "layers",
    "transformer.ln_f": "norm",
    "attn_norm": "input_layernorm",
    "ff_norm": "post_attention_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
LLADA = {  # the fields of the published config.json that a network is built from, and those that say what it has not
    "model_type": "llada",
    "architectures": ["LLaDAModelLM"],
    "activation_type": "silu",
    "alibi": False,
    "block_type": "llama",
    "d_model": 48,
    "embedding_size": 320,
    "eos_token_id": 317,
    "include_bias": False,
    "include_qkv_bias": False,
    "layer_norm_type": "rms",
    "mask_token_id": MASK,
    "max_sequence_length": 128,
    "mlp_hidden_size": 80,
    "mlp_ratio": 4,
    "multi_query_attention": None,
    "n_heads": 4,
    "n_kv_heads": 4,
    "n_layers": 2,
    "pad_token_id": 317,
    "rms_norm_eps": 1e-5,
    "rope": True,
    "rope_theta": 5e5,
    "vocab_size": 310,
    "weight_tying": False,
}
LLADA_MOE = {
    "model_type": "llada",
    "architectures": ["LLaDAMoEModelLM"],
    "dense_intermediate_size": 80,
    "eos_token_id": 317,
    "expert_intermediate_size": 24,
    "hidden_size": 48,
    "max_position_embeddings": 128,
    "moe_layer_freq": [1, 0],
    "norm_topk_prob": None,
    "num_attention_heads": 4,
    "num_experts": 6,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 4,
    "pad_token_id": 317,
    "qk_layernorm": True,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "tie_word_embeddings": False,
    "vocab_size": 320,
}


def random_model(config):
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def llama_name(name):
    if name == "model.transformer.ff_out.weight":
        return "lm_head.weight"
    for theirs, ours in LLAMA_NAMES.items():
        name = name.replace(f".{theirs}.", f".{ours}.")
    return name


def llada_names():
    parts = ["attn_norm", "ff_norm", "q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "ff_out"]
    inner = [f"model.transformer.blocks.{layer}.{part}.weight" for layer in range(2) for part in parts]
    return [*inner, *(f"model.transformer.{name}.weight" for name in ("wte", "ln_f", "ff_out"))]


@pytest.fixture(scope="module")
def llada(tmp_path_factory):
    """A folder in LLaDA's words, and transformers' Llama with its weights."""
    from transformers import LlamaConfig

    folder, theirs = tmp_path_factory.mktemp("llada"), random_model(LlamaConfig(**SIZES))
    weights = theirs.state_dict()
    save_file({name: weights[llama_name(name)] for name in llada_names()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(LLADA))
    return folder, theirs


@pytest.fixture(scope="module")
def llada_moe(tmp_path_factory):
    """A folder as LLaDA-MoE's are published, and transformers' Qwen3-MoE with its weights."""
    from transformers import Qwen3MoeConfig

    folder = tmp_path_factory.mktemp("llada_moe")
    theirs = random_model(Qwen3MoeConfig(**SIZES, **EXPERTS, norm_topk_prob=False))
    theirs.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(LLADA_MOE | {"mask_token_id": MASK}))
    return folder, theirs


@pytest.fixture(params=["llada", "llada_moe"])
def family(request):
    """(the component, its folder, transformers' model)."""
    component = {"llada": Llada(), "llada_moe": LladaMoe()}[request.param]
    return component, *request.getfixturevalue(request.param)


def ids_with_masks():
    ids = torch.randint(0, 310, (2, 60), generator=torch.Generator().manual_seed(1))
    ids[:, ::5] = MASK
    return ids


@torch.no_grad()
def bidirectional_logits(theirs, ids):
    return theirs(ids, attention_mask=torch.zeros(len(ids), 1, ids.shape[1], ids.shape[1])).logits


def test_a_folder_in_their_words_gives_the_known_networks_logits_both_ways_and_unshifted(family):
    _, folder, theirs = family
    model, ids = load_model(folder), ids_with_masks()
    assert (model.shift, model.mask_token_id, model.attention_mask.pattern(0)) == (0, MASK, "full")
    assert (model.vocab_size, model.eos_token_id) == (320, 317)
    torch.testing.assert_close(model.logits(ids), bidirectional_logits(theirs, ids), atol=1e-4, rtol=0)
    with torch.no_grad():
        causal = theirs(ids).logits
    torch.testing.assert_close(load_model(folder, attention_mask="causal").logits(ids), causal, atol=1e-4, rtol=0)


def test_an_exported_folder_has_their_names_and_bits_and_reads_back(family, tmp_path):
    component, folder, _ = family
    layout = component.layouts[0]
    done = export_and_compare(load_model(folder), tmp_path / "out", layout=layout)
    assert done.comparison.difference == 0
    mine, original = (load_file(path / "model.safetensors") for path in (done.path, folder))
    assert mine.keys() == original.keys()
    assert all(torch.equal(mine[name], original[name]) for name in mine)
    written, published = (json.loads((path / "config.json").read_text()) for path in (done.path, folder))
    same = set(published) - {"model_type", "mlp_ratio", "vocab_size", "norm_topk_prob", "multi_query_attention"}
    assert {key: written.get(key) for key in same} == {key: published[key] for key in same}
    (done.path / "rnd1_config.json").unlink()
    back = load_model(done.path)
    assert (back.shift, back.mask_token_id, back.attention_mask.pattern(0)) == (0, MASK, "full")


@pytest.mark.parametrize("config", [LLADA, LLADA_MOE, {"model_type": "llama", "hidden_size": 4}, {}])
def test_standard_words_are_left_as_they_are(config):
    once = standard(config)
    assert standard(once) == once
    assert ("hidden_size" in once) == bool(config)


def test_what_llada_leaves_out_follows_from_the_rest():
    config = standard({key: value for key, value in LLADA.items() if key != "mlp_hidden_size"})
    assert (config["intermediate_size"], config["vocab_size"]) == (4 * 48, 320)
    assert standard(LLADA_MOE)["mlp_only_layers"] == [1]
    assert (standard(LLADA)["model_type"], standard(LLADA_MOE)["model_type"]) == ("llada", "lladamoe")


@pytest.mark.parametrize(
    ("base", "change", "sentence"),
    [
        (LLADA, {"block_type": "sequential"}, "block_type: 'sequential' is not built, only 'llama'"),
        (LLADA, {"alibi": True}, "alibi: True is not built"),
        (LLADA, {"include_bias": True}, "mlp_bias: True is not built"),
        (LLADA, {"d_model": "48", "mlp_hidden_size": None}, "hidden_size: '48' is no positive whole number"),
        (LLADA_MOE, {"qk_layernorm": False}, "qk_layernorm: False is not built, only True"),
        (LLADA_MOE, {"moe_layer_freq": 2}, "moe_layer_freq: 2 is not built, only 1"),
        (LLADA_MOE, {"moe_router_score_function": "sigmoid"}, "'sigmoid' is not built, only 'softmax'"),
    ],
)
def test_what_the_network_does_not_have_is_refused_in_a_sentence(base, change, sentence, llada, tmp_path):
    (tmp_path / "model.safetensors").symlink_to(llada[0] / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(base | change))
    with pytest.raises(ModelError, match=sentence):
        load_model(tmp_path)


def test_a_folder_with_other_tensors_names_them_in_its_own_names(llada, tmp_path):
    tensors = load_file(llada[0] / "model.safetensors")
    tensors["model.transformer.blocks.0.att_proj.weight"] = tensors.pop("model.transformer.blocks.0.q_proj.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(LLADA))
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "model.transformer.blocks.0.q_proj.weight: missing.",
        "model.transformer.blocks.0.att_proj.weight: unexpected.",
    ]


def test_the_moe_has_the_talks_shape():
    with torch.device("meta"):
        moe = LladaMoe().spec(LladaMoe.flavors["7B-A1B"], Build()).model.build()
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters(moe).items()}
    assert len(moe.layers) == 16
    assert shapes["layers.15.attention.qkv_linear.wk.weight"] == (2048, 2048)
    assert shapes["layers.15.attention.q_norm.weight"] == (128,)
    assert shapes["layers.15.moe.routed_experts.inner_experts.w1_EFD"] == (64, 1024, 2048)
    assert moe.layers["0"].moe.router.top_k == 8
