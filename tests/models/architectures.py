"""A random model of every architecture: as transformers' class, and as a folder in the words of the family it belongs to.

No gain is 1 and no bias 0, so that each that is left out shows. Families without a class in transformers (RND1, Dream, LLaDA,
LLaDA-MoE) are the class that computes what they do, under their own tensor names and in their own words.
"""

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

MASK, EOS, PAD = 315, 317, 316
SIZES = {
    "vocab_size": 320,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-4,
    "rope_theta": 5e4,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
WIDE = {"head_dim": 16}  # heads that together are wider than the network
EACH = {"num_key_value_heads": 4}
TIED = {"tie_word_embeddings": True}
EXPERTS = {"moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 3, "norm_topk_prob": True}
UNSCALED = EXPERTS | {"norm_topk_prob": False}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
STRETCHED = {"rope_theta": 100.0, "rope_scaling": LLAMA3 | {"original_max_position_embeddings": 64}}


class Architecture(NamedTuple):
    """theirs: transformers' model_type. options: of its config. layout: ours that writes it. family: whose words it is in."""

    theirs: str
    options: dict[str, Any]
    layout: str
    family: str | None = None


ARCHITECTURES = {
    "qwen3, tied": Architecture("qwen3", WIDE | TIED, "qwen3"),
    "qwen3, untied": Architecture("qwen3", {"head_dim": 12}, "qwen3"),
    "qwen3, a key head a head": Architecture("qwen3", WIDE | EACH, "qwen3"),
    "qwen3_moe": Architecture("qwen3_moe", WIDE | EXPERTS, "qwen3_moe"),
    "qwen3_moe, routes not normalised": Architecture("qwen3_moe", WIDE | UNSCALED, "qwen3_moe"),
    "qwen3_moe, layer 1 dense": Architecture("qwen3_moe", WIDE | UNSCALED | {"mlp_only_layers": [1]}, "qwen3_moe"),
    "qwen3_moe, every second, tied": Architecture("qwen3_moe", WIDE | EXPERTS | TIED | {"decoder_sparse_step": 2}, "qwen3_moe"),
    "llama, tied": Architecture("llama", TIED, "llama"),
    "llama, untied": Architecture("llama", {}, "llama"),
    "llama, wide heads": Architecture("llama", WIDE | TIED, "llama"),
    "llama, Llama-3 RoPE": Architecture("llama", STRETCHED, "llama"),
    "qwen2, tied": Architecture("qwen2", TIED, "qwen2"),
    "qwen2, untied": Architecture("qwen2", EACH, "qwen2"),
    "Dream": Architecture("qwen2", {}, "qwen2", "Dream"),
    "llada": Architecture("llama", EACH, "llada", "llada"),
    "llada_moe": Architecture("qwen3_moe", EACH | UNSCALED | {"mlp_only_layers": [0]}, "llada_moe", "llada_moe"),
    "rnd1": Architecture("qwen3_moe", WIDE | EXPERTS, "rnd1", "rnd1"),
}

LLADA_NAMES = {
    "lm_head.": "model.transformer.ff_out.",
    "model.embed_tokens.": "model.transformer.wte.",
    "model.norm.": "model.transformer.ln_f.",
    "model.layers.": "model.transformer.blocks.",
    ".input_layernorm.": ".attn_norm.",
    ".post_attention_layernorm.": ".ff_norm.",
    ".self_attn.o_proj.": ".attn_out.",
    ".self_attn.": ".",
    ".mlp.gate_proj.": ".ff_proj.",
    ".mlp.up_proj.": ".up_proj.",
    ".mlp.down_proj.": ".ff_out.",
}
"""LLaDA's tensor names by Llama's, read off its forward pass."""

LLADA_WORDS = {  # the fields of the published config.json by transformers' words for them
    "d_model": "hidden_size",
    "embedding_size": "vocab_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "mlp_hidden_size": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "rms_norm_eps": "rms_norm_eps",
    "weight_tying": "tie_word_embeddings",
    "eos_token_id": "eos_token_id",
    "pad_token_id": "pad_token_id",
}
LLADA_MOE_WORDS = {
    "dense_intermediate_size": "intermediate_size",
    "expert_intermediate_size": "moe_intermediate_size",
    **{
        same: same
        for same in (
            *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
            *("max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "num_experts", "num_experts_per_tok"),
            *("norm_topk_prob", "eos_token_id", "pad_token_id"),
        )
    },
}


@cache
def random_model(name: str) -> Any:
    """transformers' model of an architecture, float32."""
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture.theirs, **(SIZES | architecture.options))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def write(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """The model as a folder in its family's words; `transformers` in it is the folder that transformers itself reads."""
    plain = folder / "transformers"
    deepcopy(random_model(name)).to(dtype).save_pretrained(plain)
    spoken = json.loads((plain / "config.json").read_text())
    family = ARCHITECTURES[name].family
    tensors = load_file(plain / "model.safetensors")
    if family == "llada":
        tensors = {in_lladas_names(key): value for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(FAMILIES[family](spoken)))
    return folder


def in_lladas_names(name: str) -> str:
    """Of a tensor of Llama's."""
    for theirs, lladas in LLADA_NAMES.items():
        name = re.sub(rf"(^|(?<=\d)){re.escape(theirs)}", lladas, name)
    return name


def as_rnd1(config: dict[str, Any]) -> dict[str, Any]:
    """RND1's config.json, written by transformers 4: false where others say null."""
    theta = config.pop("rope_parameters")["rope_theta"]
    own = {"model_type": "rnd1", "architectures": ["RND1LM"], "mask_token_id": MASK, "rope_theta": theta, "is_causal": False}
    return config | own | {"rope_scaling": False, "sliding_window": False, "moe_backend": "hf", "num_diffusion_steps": 256}


def as_dream(config: dict[str, Any]) -> dict[str, Any]:
    """Dream's: Qwen2's, with `rope_theta` of its own as transformers 4 wrote it."""
    theta = config.pop("rope_parameters")["rope_theta"]
    own = {"model_type": "Dream", "architectures": ["DreamModel"], "mask_token_id": MASK}
    return config | own | {"rope_theta": theta, "rope_scaling": None}


def as_llada(config: dict[str, Any]) -> dict[str, Any]:
    """LLaDA's, in OLMo's words."""
    own = {theirs: config[word] for theirs, word in LLADA_WORDS.items()}
    told = {"model_type": "llada", "architectures": ["LLaDAModelLM"], "activation_type": "silu", "block_type": "llama"}
    without = {"alibi": False, "include_bias": False, "include_qkv_bias": False, "scale_logits": False, "input_emb_norm": False}
    base = {"rope": True, "rope_theta": config["rope_parameters"]["rope_theta"], "layer_norm_type": "rms", "mlp_ratio": 4}
    return own | told | without | base | {"mask_token_id": MASK, "vocab_size": 310, "multi_query_attention": None}


def as_llada_moe(config: dict[str, Any]) -> dict[str, Any]:
    """LLaDA-MoE's as published, which says `model_type: llada`."""
    config["num_experts"] = config.pop("num_local_experts", config.get("num_experts"))
    own = {theirs: config[word] for theirs, word in LLADA_MOE_WORDS.items()}
    sparse = [int(layer not in config["mlp_only_layers"]) for layer in range(config["num_hidden_layers"])]
    told = {"model_type": "llada", "architectures": ["LLaDAMoEModelLM"], "qk_layernorm": True, "moe_layer_freq": sparse}
    return own | told | {"rope_theta": config["rope_parameters"]["rope_theta"], "mask_token_id": MASK, "hidden_act": "silu"}


FAMILIES = {None: dict, "rnd1": as_rnd1, "Dream": as_dream, "llada": as_llada, "llada_moe": as_llada_moe}
