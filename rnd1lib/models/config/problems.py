"""What is wrong with a config.json: values that are none, sizes that do not fit together, features that are not built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, TypeGuard

from rnd1lib.kinds.model import experts_of
from rnd1lib.models.config.spelling import SPECIAL_IDS

LARGEST = {"num_hidden_layers": 2048, "num_experts": 8192, "num_local_experts": 8192}
LARGEST_SIZE = 1 << 24
LARGEST_MIXTURE = 1 << 18
"""Experts of all layers together: each has names of its own, before a folder's tensors are looked at."""
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
EXPERT_SIZES = ("num_experts_per_tok", "moe_intermediate_size")
UNSAID = ("head_dim", "num_key_value_heads", "decoder_sparse_step")  # null is as good as unsaid
EXPERTS = ("num_experts", "num_local_experts")  # 0 and null: a dense network
SWITCHES = ("tie_word_embeddings", "norm_topk_prob")
IDS = (*SPECIAL_IDS, "mask_token_id")
SCALING = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
SPELLINGS = ("rope_scaling", "rope_parameters")
ONLY: Mapping[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "partial_rotary_factor": 1,
    # of LLaDA
    "block_type": "llama",
    "layer_norm_type": "rms",
    "rope": True,
    "alibi": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "multi_query_attention": False,
    # of LLaDA-MoE
    "moe_layer_freq": 1,
    "qk_layernorm": True,
    "moe_router_score_function": "softmax",
    "routed_scaling_factor": 1,
}
"""What a config may say of features that the network has in one form alone; null is as good as unsaid."""


def problems_of(config: Mapping[str, Any], *, qkv_bias: bool) -> list[str]:
    """A sentence each, of a config in transformers' words; what hangs on a value is asked once that value is one."""
    wrong = [*_wrong_sizes(config), *_wrong_values(config), *_wrong_spellings(config)]
    return wrong or [*_misfits(config), *_unsupported(config, qkv_bias), *_wrong_rotation(rope(config))]


def rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """RoPE as transformers 5 writes it, `rope_theta` and `rope_type` in one mapping.

    Transformers 4 writes `rope_theta` beside `rope_scaling`, which RND1 sets to false.
    """
    theta = config.get("rope_theta")
    merged: dict[str, Any] = {"rope_theta": 10000.0 if theta is None else theta}
    for spelling in SPELLINGS:
        merged |= _one_spelling(config.get(spelling))
    return {"rope_type": "default", **merged}


def is_size(value: Any) -> TypeGuard[int]:
    """Whether it is a positive whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _one_spelling(said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Older folders say `type` for `rope_type`; the newer word wins."""
    kept = {key: value for key, value in (said or {}).items() if value is not None}
    older = kept.pop("type", None)
    return kept if older is None else {"rope_type": older, **kept}


def _wrong_sizes(config: Mapping[str, Any]) -> Iterator[str]:
    needed = SIZES + (EXPERT_SIZES if experts_of(config) else ())
    said = [key for key in (*UNSAID, *EXPERTS) if config.get(key) is not None and not _is_no_expert(key, config[key])]
    for key in (*needed, *said):
        value, largest = config.get(key), LARGEST.get(key, LARGEST_SIZE)
        if not is_size(value):
            yield f"{key}: {value!r} is no positive whole number."
        elif value > largest:
            yield f"{key}: {value} is more than the {largest} that are built."


def _is_no_expert(key: str, value: Any) -> bool:
    return key in EXPERTS and value == 0 and not isinstance(value, bool)


def _wrong_values(config: Mapping[str, Any]) -> Iterator[str]:
    for key in SWITCHES:
        if not (config.get(key) is None or isinstance(config[key], bool)):
            yield f"{key}: {config[key]!r} is neither true nor false."
    for key in ("rms_norm_eps", "rope_theta"):
        if not (config.get(key) is None or _is_positive(config[key])):
            yield f"{key}: {config[key]!r} is no positive number."
    dense = config.get("mlp_only_layers")
    if not (dense is None or (isinstance(dense, list | tuple) and all(type(layer) is int for layer in dense))):
        yield f"mlp_only_layers: {dense!r} is no list of layers' numbers."
    for key in IDS:
        said = config.get(key)
        listed = said if isinstance(said, list) and key == "eos_token_id" else [said]
        if not all(each is None or type(each) is int for each in listed):
            yield f"{key}: {said!r} is no token id."


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0


def _wrong_spellings(config: Mapping[str, Any]) -> Iterator[str]:
    said = [(spelling, config[spelling]) for spelling in SPELLINGS if config.get(spelling)]
    for spelling, value in said:
        if not isinstance(value, Mapping):
            yield f"{spelling}: {value!r} is no mapping."
        elif any(isinstance(each, Mapping) for each in value.values()):
            yield f"{spelling}: {', '.join(map(repr, value))}: one RoPE for all layers is built, not one for each kind."
    if len(said) == 2 and all(isinstance(value, Mapping) for _, value in said):
        old, new = (_one_spelling(value) for _, value in said)
        for key in sorted(key for key in old.keys() & new.keys() if old[key] != new[key]):
            yield f"rope_scaling: {key}: {old[key]!r}, but rope_parameters says {new[key]!r}; one of them must go."


def _misfits(config: Mapping[str, Any]) -> Iterator[str]:
    heads, width = config["num_attention_heads"], config["hidden_size"]
    kv_heads, head_width = config.get("num_key_value_heads") or heads, config.get("head_dim")
    if heads % kv_heads:
        yield f"num_key_value_heads: {kv_heads} does not divide num_attention_heads, which is {heads}."
    if head_width is None and width % heads:
        yield f"num_attention_heads: {heads} does not divide hidden_size, which is {width}, and there is no head_dim."
    elif (head_width or width // heads) % 2:
        yield f"head_dim: {head_width or width // heads} is odd, but RoPE turns pairs."
    experts = experts_of(config)
    if experts and config["num_experts_per_tok"] > experts:
        yield f"num_experts_per_tok: {config['num_experts_per_tok']} of {experts} experts cannot be chosen."
    if experts * config["num_hidden_layers"] > LARGEST_MIXTURE:
        yield f"num_experts: {experts} in each layer are more than the {LARGEST_MIXTURE} in all that are built."


def _unsupported(config: Mapping[str, Any], qkv_bias: bool) -> Iterator[str]:
    told = {key: value for key, value in {**config, **rope(config)}.items() if key in ONLY and value is not None}
    if qkv_bias:
        told.pop("attention_bias", None)  # these families have biases whatever their configs say of them
    for key, value in told.items():
        if value != ONLY[key]:
            yield f"{key}: {value!r} is not built, only {ONLY[key]!r}."
    kinds = config.get("layer_types")
    if kinds and not (isinstance(kinds, list) and all(kind == "full_attention" for kind in kinds)):
        yield f"layer_types: {kinds!r} is not built, only 'full_attention' in each layer."
    if config.get("quantization_config"):
        yield "quantization_config: quantized tensors cannot be read; use the unquantized folder."


def _wrong_rotation(rotation: Mapping[str, Any]) -> Iterator[str]:
    if not _is_positive(rotation["rope_theta"]):
        yield f"rope_theta: {rotation['rope_theta']!r} is no positive number."
    if rotation["rope_type"] not in ("default", "llama3"):
        yield f"rope_scaling: {rotation['rope_type']!r} is not built, only the default RoPE and 'llama3'."
    if rotation["rope_type"] == "llama3":
        wrong = [key for key in SCALING if not _is_positive(rotation.get(key))]
        yield from (f"rope_scaling: {key}: {rotation.get(key)!r} is no positive number." for key in wrong)
        if not wrong and not rotation["low_freq_factor"] < rotation["high_freq_factor"]:
            yield "rope_scaling: low_freq_factor is not below high_freq_factor."
