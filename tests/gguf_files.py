"""Small GGUF files, written by llama.cpp's own package from models that transformers made."""

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig

SIZES = {
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 256,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
EXPERTS = {"moe_intermediate_size": 64, "num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True}
SHAPES = {
    "llama": (LlamaConfig, {"tie_word_embeddings": True, "rms_norm_eps": 1e-5, "rope_theta": 1e5}),
    "llama_untied": (LlamaConfig, {"tie_word_embeddings": False, "rms_norm_eps": 1e-5}),
    "qwen2": (Qwen2Config, {"tie_word_embeddings": False, "rms_norm_eps": 1e-6}),
    "qwen3": (Qwen3Config, {"tie_word_embeddings": True, "head_dim": 32, "rms_norm_eps": 1e-6}),
    "qwen3moe": (Qwen3MoeConfig, {"tie_word_embeddings": False, "head_dim": 32, **EXPERTS}),
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<empty_output>"]
MERGES = ["Ġ t", "h e", "Ġt he", "Ġ Ġ", "Ċ Ġ"]
TEMPLATE = "{% for message in messages %}{{ message['role'] + ':' + message['content'] + '<|im_end|>' }}{% endfor %}"


def vocabulary(spare=0):
    """Tokens and their types: special ones, bytes, merges, and rows that nothing uses."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    ordinary = [*bytes_to_unicode().values(), *(merge.replace(" ", "") for merge in MERGES), "Ġcats"]  # no merges make it
    tokens = [*SPECIAL, *ordinary, *(f"[PAD{index}]" for index in range(spare))]
    return tokens, [3] * len(SPECIAL) + [1] * len(ordinary) + [5] * spare


def model_of(shape, **options):
    """transformers' own, random; norms and biases too, which would hide that they are mixed up."""
    kind, own = SHAPES[shape]
    torch.manual_seed(0)
    config = kind(**{**SIZES, **own, "vocab_size": len(vocabulary(3)[0]), **options})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def tensors_of(model, architecture):
    """The model's tensors under llama.cpp's names, and with its order of Llama's rows."""
    config = model.config
    known = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(known[architecture], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        stem, dot, ending = name.rpartition(".") if name.endswith((".weight", ".bias")) else (name, "", "")
        values = tensor.numpy()
        if stem.endswith("gate_up_proj"):
            for part, each in zip(("gate", "up"), np.split(values, 2, axis=1), strict=True):
                yield f"blk.{stem.split('.')[2]}.ffn_{part}_exps.weight", each
            continue
        if stem.endswith("experts.down_proj"):
            yield f"blk.{stem.split('.')[2]}.ffn_down_exps.weight", values
            continue
        if architecture == "llama" and stem.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads if stem.endswith("q_proj") else config.num_key_value_heads
            values = values.reshape(heads, 2, -1, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        if name != "lm_head.weight" or not config.tie_word_embeddings:
            yield names.get_name(stem) + dot + ending, values


def write(
    path, shape="llama", *, kind="F32", change=None, pre="smollm", tokenizer="gpt2", spare=3, values=None, tensors=(), **options
):
    """Writes a file and returns transformers' model. kind: of matrices. change: of each stored tensor, by name and values."""
    model, architecture = model_of(shape, **options), shape.removesuffix("_untied")
    config, writer = model.config, gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if hasattr(config, "num_experts"):
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if "qwen3" in architecture:
        writer.add_key_length(config.head_dim)
    if tokenizer:
        _add_tokenizer(writer, tokenizer, pre, spare)
    for key, add in (values or {}).items():
        add(writer, key)
    of_kind = gguf.GGMLQuantizationType[kind]
    for name, each in [*tensors_of(model, architecture), *tensors]:
        stored = change(name, each) if change else each
        if stored is not None:
            matrix = stored.ndim > 1 and kind != "F32"
            writer.add_tensor(name, quantize(stored, of_kind) if matrix else stored, raw_dtype=of_kind if matrix else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def sentencepiece():
    """Tokens, types and scores."""
    pieces = ["\u2581", "t", "h", "e", "c", "a", "th", "the", "\u2581the", "\u2581c", "at", "\u2581cat"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    return tokens, [2, 3, 3] + [6] * 256 + [1] * len(pieces), [0.0] * 259 + [-float(index) for index in range(len(pieces))]


def _add_tokenizer(writer, kind, pre, spare):
    tokens, types = vocabulary(spare)
    writer.add_tokenizer_model(kind)
    if kind == "llama":
        tokens, types, scores = sentencepiece()
        writer.add_token_list(tokens)
        writer.add_token_types(types)
        writer.add_token_scores(scores)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        return
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
