"""Every shipped flavor has the sizes of the model that it is named after, on the meta device: no weight is made."""

import json
import struct
from functools import cache
from math import prod

import pytest
import torch
from rnd1_plugins.models.llada import Llada
from rnd1_plugins.models.llada_moe import LladaMoe
from rnd1_plugins.models.llama import Llama
from rnd1_plugins.models.qwen2 import Qwen2
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.origins.folder import open_folder
from rnd1lib.models.weights import check_folder, parameters

PUBLISHED = {  # parameters, as the model cards and the folders' indices count them: a tied head once
    (Qwen3, "0.6B"): 596_049_920,
    (Qwen3, "1.7B"): 1_720_574_976,
    (Qwen3, "4B"): 4_022_468_096,
    (Qwen3, "8B"): 8_190_735_360,
    (Qwen3, "14B"): 14_768_307_200,
    (Qwen3, "32B"): 32_762_123_264,
    (Qwen3Moe, "30B-A3B"): 30_532_122_624,
    (Llama, "SmolLM2-135M"): 134_515_008,
    (Llama, "SmolLM2-135M-Instruct"): 134_515_008,
    (Llama, "SmolLM2-360M"): 361_821_120,
    (Llama, "SmolLM2-1.7B"): 1_711_376_384,
    (Llama, "Llama-3-8B"): 8_030_261_248,
    (Llama, "Llama-3.1-8B"): 8_030_261_248,
    (Llama, "Llama-3.2-1B"): 1_235_814_400,
    (Llama, "Llama-3.2-3B"): 3_212_749_824,
    (Qwen2, "0.5B"): 494_032_768,
    (Qwen2, "1.5B"): 1_543_714_304,
    (Qwen2, "3B"): 3_085_938_688,
    (Qwen2, "7B"): 7_615_616_512,
    (Qwen2, "14B"): 14_770_033_664,
    (Qwen2, "32B"): 32_763_876_352,
    (Qwen2, "Dream-7B"): 7_615_616_512,
    (Llada, "8B"): 8_015_581_184,
    (LladaMoe, "7B-A1B"): 7_356_880_896,
}
ACTIVE = {  # a token's, as the cards round them: 30B-A3B 3.3B; LLaDA-MoE 1.4B, the table of embeddings left out
    (Qwen3Moe, "30B-A3B"): (3.3e9, True),
    (LladaMoe, "7B-A1B"): (1.4e9, False),
}
TORCHTITANS = {
    **{("qwen3", flavor): (Qwen3, flavor) for flavor in ("0.6B", "1.7B", "4B", "8B", "14B", "32B")},
    ("qwen3", "30B-A3B"): (Qwen3Moe, "30B-A3B"),
    ("llama3", "1B"): (Llama, "Llama-3.2-1B"),
    ("llama3", "3B"): (Llama, "Llama-3.2-3B"),
    ("llama3", "8B"): (Llama, "Llama-3.1-8B"),
}
V, H, HEADS, KV, EXPERT = 151936, 2048, 32 * 128, 4 * 128, 768
LAYER = {  # of RND1 and Qwen3-30B-A3B
    "input_layernorm": (H,),
    "post_attention_layernorm": (H,),
    "self_attn.q_proj": (HEADS, H),
    "self_attn.k_proj": (KV, H),
    "self_attn.v_proj": (KV, H),
    "self_attn.o_proj": (H, HEADS),
    "self_attn.q_norm": (128,),
    "self_attn.k_norm": (128,),
    "mlp.gate": (128, H),
    **{f"mlp.experts.{expert}.{part}_proj": (EXPERT, H) for expert in range(128) for part in ("gate", "up")},
    **{f"mlp.experts.{expert}.down_proj": (H, EXPERT) for expert in range(128)},
}
OUTSIDE = {"model.embed_tokens": (V, H), "model.norm": (H,), "lm_head": (V, H)}
SHARDS = 16


@cache
def on_meta(component, flavor):
    with torch.device("meta"):
        return component().spec(component.flavors[flavor], Build()).model.build()


def tensors_of(component, flavor):
    """Hugging Face name -> shape, as our network has them."""
    ours, named = parameters(on_meta(component, flavor)), {}
    for source in component().tensors(component.flavors[flavor]):
        shape = tuple(ours[source.parameter].shape)
        assert not source.stacked or shape[0] == len(source.tensors)
        named |= dict.fromkeys(source.tensors, shape[1:] if source.stacked else shape)
    return named


def table_of_30b():
    """Hugging Face name -> shape, as RND1's table gives them, layer by layer."""
    inside = {f"model.layers.{layer}.{name}": shape for layer in range(48) for name, shape in LAYER.items()}
    return {f"{name}.weight": shape for name, shape in (OUTSIDE | inside).items()}


@pytest.mark.parametrize(("component", "flavor"), PUBLISHED, ids=lambda value: getattr(value, "__name__", value))
def test_it_has_the_published_number_of_parameters_and_a_name_for_each(component, flavor):
    network, config = on_meta(component, flavor), component.flavors[flavor]
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED[component, flavor]
    assert sum(map(prod, tensors_of(component, flavor).values())) == PUBLISHED[component, flavor]
    tied = {"lm_head.weight"} if config["tie_word_embeddings"] else set()
    assert set(parameters(network)) - tied == {source.parameter for source in component().tensors(config)}


def test_every_flavor_but_the_tiny_ones_is_counted():
    components = (Llada, LladaMoe, Llama, Qwen2, Qwen3, Qwen3Moe)
    assert {(each, flavor) for each in components for flavor in each.flavors if flavor != "tiny"} == PUBLISHED.keys()


@pytest.mark.parametrize(("component", "flavor"), ACTIVE, ids=lambda value: getattr(value, "__name__", value))
def test_a_mixture_has_the_published_number_of_active_parameters(component, flavor):
    config, (active, with_table) = component.flavors[flavor], ACTIVE[component, flavor]
    share = config["num_experts_per_tok"] / config["num_experts"]
    tensors = tensors_of(component, flavor).items()
    used = sum(prod(shape) * (share if ".experts." in name else 1) for name, shape in tensors)
    used -= 0 if with_table else config["vocab_size"] * config["hidden_size"]
    assert used == pytest.approx(active, rel=0.02)


def test_30b_a3b_has_the_18867_tensors_of_the_table_and_no_other():
    table = table_of_30b()
    assert len(table) == 393 * 48 + 3 == 18_867
    assert tensors_of(Qwen3Moe, "30B-A3B") == table
    as_rnd1 = Qwen3Moe().folder_config(Qwen3Moe.flavors["30B-A3B"], layout="rnd1", bidirectional=True, mask_token_id=151669)
    assert {name for source in Qwen3Moe().tensors(as_rnd1) for name in source.tensors} == table.keys()


def write_empty_folder(folder, table, config):
    """Sixteen shards and their index with every tensor in bfloat16, all zeros that take no room on the disk."""
    where, names = {}, list(table)
    for number in range(SHARDS):
        file, end, header = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors", 0, {}
        for name in names[number::SHARDS]:
            begin, end, where[name] = end, end + 2 * prod(table[name]), file
            header[name] = {"dtype": "BF16", "shape": table[name], "data_offsets": [begin, end]}
        written = json.dumps(header).encode()
        with (folder / file).open("wb") as out:
            out.write(struct.pack("<Q", len(written)) + written)
            out.truncate(8 + len(written) + end)
    index = {"metadata": {"total_size": sum(2 * prod(shape) for shape in table.values())}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(config))


def test_a_folder_of_30b_a3bs_61_gigabytes_fits_and_each_tensor_that_does_not_is_named(tmp_path):
    table, config = table_of_30b(), Qwen3Moe.flavors["30B-A3B"]
    sources, network = Qwen3Moe().tensors(config), on_meta(Qwen3Moe, "30B-A3B")
    write_empty_folder(tmp_path, table, config)
    check_folder(network, open_folder(tmp_path), sources)
    del table["model.layers.47.mlp.experts.127.up_proj.weight"]
    table["model.layers.0.mlp.experts.128.up_proj.weight"] = (EXPERT, H)
    table["model.layers.31.mlp.experts.5.down_proj.weight"] = (EXPERT, H)
    write_empty_folder(tmp_path, table, config)
    with pytest.raises(ModelError) as caught:
        check_folder(network, open_folder(tmp_path), sources)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "model.layers.47.mlp.experts.127.up_proj.weight: missing.",
        "model.layers.0.mlp.experts.128.up_proj.weight: unexpected.",
        "model.layers.31.mlp.experts.5.down_proj.weight: has shape [768, 2048], config.json asks for [2048, 768].",
    ]


def sizes(config):
    """What torchtitan's config of a network says of its sizes."""
    layer, projections = config.layers[0], config.layers[0].attention.qkv_linear
    attention, rope = layer.attention, layer.attention.rope
    said = {"width": config.dim, "vocabulary": config.vocab_size, "tied": config.enable_weight_tying, "eps": config.norm.eps}
    said |= {"layers": len(config.layers), "heads": attention.n_heads, "kv": attention.n_kv_heads}
    said |= {"head": projections.head_dim, "theta": rope.theta, "turned": rope.dim}
    said |= {"norms": attention.qk_norm and attention.qk_norm.normalized_shape}
    if getattr(layer, "moe", None):
        experts, router = layer.moe.routed_experts.inner_experts, layer.moe.router
        mixture = {"experts": layer.moe.num_experts, "width": experts.hidden_dim}
        return said | {"moe": mixture | {"k": router.top_k, "by": router.score_func, "norm": router.route_norm}}
    return said | {"ffn": layer.feed_forward.w1.out_features}


@pytest.mark.parametrize(("family", "flavor"), TORCHTITANS)
def test_torchtitans_flavor_of_that_name_has_the_same_sizes(family, flavor):
    from torchtitan.models.llama3 import llama3_configs
    from torchtitan.models.qwen3 import qwen3_configs

    component, name = TORCHTITANS[family, flavor]
    theirs = {"qwen3": qwen3_configs, "llama3": llama3_configs}[family][flavor](attn_backend="flex")
    positions = theirs.layers[0].attention.rope.max_seq_len
    assert sizes(component().spec(component.flavors[name], Build()).model) == sizes(theirs)
    assert component.flavors[name]["max_position_embeddings"] == positions
