"""Folders that transformers wrote: random models of every shape that the network has."""

import pytest
import torch

SIZES = {
    "vocab_size": 320,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 80,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-4,
    "initializer_range": 0.2,
    "eos_token_id": 317,
    "pad_token_id": 316,
}
EXPERTS = {"moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 3}
SHAPES = {
    "tied": {"tie_word_embeddings": True, "rope_theta": 5e4},
    "untied": {"tie_word_embeddings": False},
    "mixed": EXPERTS | {"norm_topk_prob": False, "mlp_only_layers": [1], "tie_word_embeddings": False},
    "every_second": EXPERTS | {"norm_topk_prob": True, "decoder_sparse_step": 2, "tie_word_embeddings": True},
}


@pytest.fixture(scope="session")
def written_by_transformers(tmp_path_factory):
    """shape -> (folder, transformers' model)."""
    from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3MoeConfig

    made = {}
    for shape, options in SHAPES.items():
        torch.manual_seed(0)
        config = (Qwen3MoeConfig if "num_experts" in options else Qwen3Config)(**SIZES, **options)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms: ones would hide a norm that is applied twice or not at all
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        folder = tmp_path_factory.mktemp(shape)
        model.save_pretrained(folder)
        made[shape] = (folder, model)
    return made
