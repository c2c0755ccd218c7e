"""What a GGUF file says of its network, as the config.json that it was converted from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import Header
from rnd1lib.models.gguf.names import ARCHITECTURES, ROPE_FACTORS

SIZES = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length",
}
EXPERT_SIZES = {
    "num_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
}
IDS = {"bos_token_id": "bos_token_id", "eos_token_id": "eos_token_id", "pad_token_id": "padding_token_id"}
TABLE, HEAD = "token_embd.weight", "output.weight"
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""How every Llama of 3.1 and later stretches RoPE, save for the factor."""


def config_of(header: Header) -> dict[str, Any]:
    """The config.json, in the spelling of transformers 4.57, which 5.x reads too. Raises ModelError."""
    model_type, architecture = _known(header)
    heads = _whole(header, "attention.head_count")
    width = _whole(header, "embedding_length") // heads
    head_width = _whole(header, "attention.key_length", _whole(header, "rope.dimension_count", width))
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        **{key: _whole(header, theirs) for key, theirs in SIZES.items()},
        "num_key_value_heads": _whole(header, "attention.head_count_kv", heads),
        "head_dim": head_width,
        "vocab_size": _table(header)[0],
        "tie_word_embeddings": HEAD not in header.tensors,
        "rms_norm_eps": _number(header, "attention.layer_norm_rms_epsilon", 1e-5),
        "hidden_act": "silu",
        "attention_bias": False,
        **_rope(header, head_width),
        **{key: _token(header, f"tokenizer.ggml.{theirs}") for key, theirs in IDS.items()},
    }
    return config | (_experts(header) if model_type == "qwen3_moe" else {})


def _known(header: Header) -> tuple[str, str]:
    if header.values.get("split.count", 1) != 1:
        raise ModelError(
            f"{header.path}: is one of {header.values['split.count']} parts of a model; merge them first: "
            "`llama-gguf-split --merge FIRST-PART OUT.gguf`."
        )
    if header.architecture not in ARCHITECTURES:
        raise ModelError(
            f"{header.path}: the architecture {header.architecture!r} is not supported. Supported: {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[header.architecture]


def _whole(header: Header, key: str, default: int | None = None) -> int:
    value = header.value(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{header.path}: {header.architecture}.{key}: {value!r} is no positive whole number.")
    return value


def _number(header: Header, key: str, default: float) -> float:
    """The shortest decimal that is the same float32: the file has 9.999999747e-06 of a config's 1e-05."""
    value = header.value(key, default)
    if not isinstance(value, float) or not 0 < value < math.inf:
        raise ModelError(f"{header.path}: {header.architecture}.{key}: {value!r} is no positive number.")
    return float(str(np.float32(value)))


def _token(header: Header, key: str) -> int | None:
    value, size = header.values.get(key), _table(header)[0]
    if value is not None and not (isinstance(value, int) and 0 <= value < size):
        raise ModelError(f"{header.path}: {key}: {value!r} is no token of a vocabulary of {size}.")
    return value


def _table(header: Header) -> tuple[int, ...]:
    if TABLE not in header.tensors or len(header.tensors[TABLE].shape) != 2:
        raise ModelError(f"{header.path}: holds no table of embeddings, {TABLE}; a vocabulary alone is no model.")
    return header.tensors[TABLE].shape


def _experts(header: Header) -> dict[str, Any]:
    """llama.cpp computes qwen3moe with routes that sum to 1 and experts in each layer, so that no file says otherwise."""
    sizes = {key: _whole(header, theirs) for key, theirs in EXPERT_SIZES.items()}
    return {**sizes, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []}


def _rope(header: Header, head_width: int) -> dict[str, Any]:
    base = _number(header, "rope.freq_base", 10000.0)
    kind, turned = header.value("rope.scaling.type", "none"), _whole(header, "rope.dimension_count", head_width)
    said: dict[str, Any] = {"rope_theta": base, "rope_scaling": None}
    if turned != head_width:
        said["partial_rotary_factor"] = turned / head_width
    if kind != "none":
        said["rope_scaling"] = {"rope_type": kind, "factor": _number(header, "rope.scaling.factor", 1.0)}
    if ROPE_FACTORS in header.tensors:
        said["rope_scaling"] = _llama3(header, base, head_width)
    return said


def _llama3(header: Header, base: float, head_width: int) -> Mapping[str, Any]:
    """The scaling whose factors the file holds, one a frequency. Raises ModelError if it is none of Llama 3."""
    stored = header.tensors[ROPE_FACTORS]
    if stored.type == 0 and stored.shape == (head_width // 2,):
        factors = np.fromfile(header.path, np.float32, head_width // 2, offset=stored.start)
        scaling = {"rope_type": "llama3", "factor": round(float(factors.max()), 4), **LLAMA3}
        if np.allclose(factors, llama3_factors(base, head_width, scaling), rtol=1e-4):
            return scaling
    raise ModelError(f"{header.path}: {ROPE_FACTORS}: stretches RoPE otherwise than Llama 3 does, which is not built.")


def llama3_factors(base: float, head_width: int, scaling: Mapping[str, Any]) -> Sequence[float]:
    """By how much each wavelength is stretched: the long ones by the factor, the short ones not, smoothly in between."""
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    lengths = 2 * np.pi * base ** (np.arange(0, head_width, 2) / head_width)
    kept = np.clip((scaling["original_max_position_embeddings"] / lengths - low) / (high - low), 0, 1)
    return list(1 / (kept + (1 - kept) / factor))
