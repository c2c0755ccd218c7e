"""Configs of families that have words of their own, in transformers' words: LLaDA's and LLaDA-MoE's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnd1lib.kinds.model import experts_of

LLADA = {
    "vocab_size": "embedding_size",
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "num_key_value_heads": "n_kv_heads",
    "intermediate_size": "mlp_hidden_size",
    "max_position_embeddings": "max_sequence_length",
    "hidden_act": "activation_type",
    "attention_bias": "include_qkv_bias",
    "mlp_bias": "include_bias",
    "initializer_range": "init_std",
    "tie_word_embeddings": "weight_tying",
}
LLADA_MOE = {"intermediate_size": "dense_intermediate_size", "moe_intermediate_size": "expert_intermediate_size"}
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
WORDS = {"llada": LLADA, "lladamoe": LLADA_MOE}


def standard(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json as transformers' own classes would have written it; one that is that already is left as it is.

    LLaDA-MoE's published folders say `model_type: llada` too. dllm calls them `lladamoe`, and so does what is returned.
    """
    mixture = config.get("model_type") == "llada" and experts_of(config) > 0
    model_type = "lladamoe" if mixture else str(config.get("model_type"))
    words = WORDS.get(model_type, {})
    written = {key: value for key, value in config.items() if key not in words.values()}
    written |= {ours: config[theirs] for ours, theirs in words.items() if config.get(theirs) is not None}
    if mixture:
        written["model_type"] = model_type
    ratio, width = config.get("mlp_ratio"), written.get("hidden_size")
    if "intermediate_size" not in written and isinstance(ratio, int) and isinstance(width, int):
        written["intermediate_size"] = ratio * width
    sparse = config.get("moe_layer_freq")
    if isinstance(sparse, list) and len(sparse) == written.get("num_hidden_layers") and all(each in (0, 1) for each in sparse):
        del written["moe_layer_freq"]
        written["mlp_only_layers"] = [layer for layer, each in enumerate(sparse) if not each]
    return written | {key: _in_the_table(written[key], written.get("vocab_size")) for key in SPECIAL_IDS if key in written}


def _in_the_table(said: Any, rows: Any) -> Any:
    """An id, or a list of them; without those that no row stands for: older folders say -1, or pad with a token never added."""
    if isinstance(said, list):
        return [each for each in said if _in_the_table(each, rows) is not None]
    return None if type(said) is int and type(rows) is int and not 0 <= said < rows else said


def in_words_of(model_type: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The way back, for a folder that programs of that family read."""
    return {WORDS[model_type].get(key, key): value for key, value in config.items()}
