"""config.json as others write it: what may be left out means what transformers takes for it, and nonsense is a sentence."""

import json
from contextlib import suppress

import pytest
import torch
from architectures import SIZES, write
from parity_of_logits import BOTH_WAYS, TOLERANCE, Pair, difference
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rnd1lib import load_model
from rnd1lib.errors import ModelError
from rnd1lib.kinds.model import experts_of
from rnd1lib.models.config.spelling import standard
from rnd1lib.models.loading import component_for

GONE = ...
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
ODD = [
    ("llama, untied", {"head_dim": GONE}),
    ("llama, untied", {"head_dim": None}),
    ("llama, untied", {"tie_word_embeddings": GONE}),
    ("llama, untied", {"rms_norm_eps": GONE}),
    ("llama, untied", {"rope_parameters": GONE}),
    ("llama, untied", {"rope_parameters": GONE, "rope_theta": 100}),
    ("llama, untied", {"rope_theta": 7.0}),
    ("llama, untied", {"rope_parameters": {"rope_type": "default"}, "rope_theta": 9}),
    ("llama, untied", {"rope_parameters": GONE, "rope_theta": 100, "rope_scaling": {"type": "default"}}),
    ("llama, Llama-3 RoPE", {"rope_parameters": GONE, "rope_theta": 100, "rope_scaling": {"rope_type": "llama3", **LLAMA3}}),
    ("qwen2, untied", {"num_key_value_heads": None}),
    ("qwen3, a key head a head", {"num_key_value_heads": None}),
    ("qwen3_moe, routes not normalised", {"norm_topk_prob": GONE, "decoder_sparse_step": GONE, "mlp_only_layers": GONE}),
    ("qwen3_moe, layer 1 dense", {"decoder_sparse_step": GONE, "mlp_only_layers": [99, 1]}),
]
WRONG = [
    ({"num_hidden_layers": "3"}, "num_hidden_layers: '3' is no positive whole number"),
    ({"num_hidden_layers": 10**9}, "num_hidden_layers: 1000000000 is more than the 2048 that are built"),
    ({"vocab_size": 1 << 40}, "vocab_size: 1099511627776 is more than"),
    ({"max_position_embeddings": 10**12}, "max_position_embeddings: 1000000000000 is more than"),
    ({"hidden_size": True}, "hidden_size: True is no positive whole number"),
    ({"head_dim": "16"}, "head_dim: '16' is no positive whole number"),
    ({"head_dim": -16}, "head_dim: -16 is no positive whole number"),
    ({"head_dim": 15}, "head_dim: 15 is odd, but RoPE turns pairs"),
    ({"num_key_value_heads": "2"}, "num_key_value_heads: '2' is no positive whole number"),
    ({"num_key_value_heads": 3}, "num_key_value_heads: 3 does not divide num_attention_heads, which is 4"),
    ({"num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": None}, "5 does not divide hidden_size, which is 48"),
    ({"rms_norm_eps": "1e-6"}, "rms_norm_eps: '1e-6' is no positive number"),
    ({"rms_norm_eps": -1.0}, "rms_norm_eps: -1.0 is no positive number"),
    ({"tie_word_embeddings": "false"}, "tie_word_embeddings: 'false' is neither true nor false"),
    ({"rope_parameters": GONE, "rope_theta": "high"}, "rope_theta: 'high' is no positive number"),
    ({"rope_parameters": {"rope_theta": float("inf")}}, "rope_theta: inf is no positive number"),
    ({"rope_parameters": ["default"]}, r"rope_parameters: \['default'\] is no mapping"),
    ({"rope_scaling": "linear"}, "rope_scaling: 'linear' is no mapping"),
    ({"rope_parameters": {"full_attention": {}, "sliding_attention": {}}}, "one RoPE for all layers is built"),
    ({"rope_scaling": {"type": "llama3", **LLAMA3}}, "rope_type: 'llama3', but rope_parameters says 'default'"),
    ({"rope_parameters": {"rope_type": "llama3", **LLAMA3, "low_freq_factor": 4.0}}, "low_freq_factor is not below high_freq"),
    ({"rope_parameters": {"rope_type": "llama3", **LLAMA3, "factor": float("nan")}}, "factor: nan is no positive number"),
    ({"rope_parameters": {"rope_type": ["default"]}}, r"rope_scaling: \['default'\] is not built"),
    ({"hidden_act": "gelu"}, "hidden_act: 'gelu' is not built, only 'silu'"),
    ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types: .* is not built, only 'full_attention'"),
    ({"layer_types": 5}, "layer_types: 5 is not built"),
    ({"eos_token_id": "2"}, "eos_token_id: '2' is no token id"),
    ({"pad_token_id": [2]}, r"pad_token_id: \[2\] is no token id"),
    ({"mask_token_id": "<|mask|>"}, r"mask_token_id: '<\|mask\|>' is no token id"),
    ({"mask_token_id": 320}, "mask_token_id: 320 is outside the vocabulary of 320 tokens"),
    ({"model_type": ["llama"]}, r"model_type \['llama'\] is not supported"),
]
WRONG_MIXTURES = [
    ({"num_experts": "six"}, "num_experts: 'six' is no positive whole number"),
    ({"num_experts": -6}, "num_experts: -6 is no positive whole number"),
    ({"num_experts": True}, "num_experts: True is no positive whole number"),
    ({"num_experts": [6]}, r"num_experts: \[6\] is no positive whole number"),
    ({"num_experts": 10**9}, "num_experts: 1000000000 is more than"),
    ({"num_experts": 8192, "num_hidden_layers": 2048}, "num_experts: 8192 in each layer are more than the 262144 in all"),
    ({"num_experts_per_tok": 7}, "num_experts_per_tok: 7 of 6 experts cannot be chosen"),
    ({"num_experts_per_tok": None}, "num_experts_per_tok: None is no positive whole number"),
    ({"decoder_sparse_step": 0}, "decoder_sparse_step: 0 is no positive whole number"),
    ({"decoder_sparse_step": "2"}, "decoder_sparse_step: '2' is no positive whole number"),
    ({"mlp_only_layers": "1"}, "mlp_only_layers: '1' is no list of layers' numbers"),
    ({"mlp_only_layers": ["1"]}, r"mlp_only_layers: \['1'\] is no list of layers' numbers"),
    ({"norm_topk_prob": "false"}, "norm_topk_prob: 'false' is neither true nor false"),
]
KEYS = ["rope_theta", "rope_scaling", "rope_parameters", "num_experts", "num_local_experts", "moe_layer_freq", "mlp_ratio"]
KEYS += ["mask_token_id", "quantization_config", "layer_types", "use_sliding_window", "mlp_only_layers", "decoder_sparse_step"]
VALUES = ["x", "3", True, False, None, 0, -1, 1.5, float("nan"), float("inf"), 10**9, 10**30, [], [1], ["x"], {}, {"a": 1}]
VALUES += [[[]], {"rope_type": "default"}, {"rope_type": {}}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """folders(name) is written once."""
    written = {}

    def folder(name):
        if name not in written:
            written[name] = write(name, tmp_path_factory.mktemp("folder"))
        return written[name]

    return folder


def changed(folder, to, change, inner="."):
    """A folder with another config.json."""
    to.mkdir(exist_ok=True)
    config = json.loads((folder / inner / "config.json").read_text()) | change
    (to / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not GONE}))
    (to / "model.safetensors").symlink_to(folder / inner / "model.safetensors")
    return to


@pytest.mark.parametrize(("name", "change"), ODD)
def test_what_is_left_out_or_spelled_otherwise_means_what_transformers_takes_for_it(name, change, folders, tmp_path):
    folder = changed(folders(name), tmp_path, change, "transformers")
    theirs = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    assert difference(Pair(load_model(folder), theirs, theirs), BOTH_WAYS).largest <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "key", "asked"),
    [
        ("qwen3, untied", "head_dim", r"q_proj.weight: has shape \[48, 48\], config.json asks for \[512, 48\]"),
        ("qwen3, untied", "num_key_value_heads", "num_key_value_heads: 32 does not divide num_attention_heads, which is 4"),
        ("qwen2, tied", "num_key_value_heads", "num_key_value_heads: 32 does not divide"),
        ("qwen3_moe", "num_key_value_heads", r"k_proj.weight: has shape \[32, 48\], config.json asks for \[64, 48\]"),
        ("llama, untied", "num_key_value_heads", r"k_proj.weight: has shape \[24, 48\], config.json asks for \[48, 48\]"),
    ],
)
def test_a_size_that_is_left_out_is_transformers_even_where_the_tensors_differ(name, key, asked, folders, tmp_path):
    with pytest.raises(ModelError, match=asked):
        load_model(changed(folders(name), tmp_path, {key: GONE}))


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_a_wrong_value_is_a_sentence(change, sentence, folders, tmp_path):
    with pytest.raises(ModelError, match=sentence):
        load_model(changed(folders("llama, untied"), tmp_path, change))


@pytest.mark.parametrize(("change", "sentence"), WRONG_MIXTURES)
def test_a_wrong_value_of_a_mixture_is_a_sentence(change, sentence, folders, tmp_path):
    alone = {"num_local_experts": GONE, "num_experts": 6} | change
    with pytest.raises(ModelError, match=sentence):
        load_model(changed(folders("qwen3_moe"), tmp_path, alone))


@pytest.mark.parametrize("sparse", [[1, 0], [1, 0, 1, 1], [1, 0, 2], ["1", "0", "1"], "110"])
def test_layers_that_lladamoe_tells_wrongly_are_refused(sparse, folders, tmp_path):
    with pytest.raises(ModelError, match=r"moe_layer_freq: .* is not built, only 1"):
        load_model(changed(folders("llada_moe"), tmp_path, {"moe_layer_freq": sparse}))


@pytest.mark.parametrize("family", ["Dream", "llada", "llada_moe", "rnd1"])
def test_all_that_is_wrong_is_said_at_once_in_transformers_words(family, folders, tmp_path):
    wrong = {"n_layers": "3", "num_hidden_layers": "3", "rms_norm_eps": "x", "weight_tying": 1, "tie_word_embeddings": 1}
    with pytest.raises(ModelError) as caught:
        load_model(changed(folders(family), tmp_path, wrong))
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "num_hidden_layers",
        "tie_word_embeddings",
        "rms_norm_eps",
    ]


def test_a_dense_network_may_say_that_it_has_no_experts(folders, tmp_path):
    for number, none in enumerate((0, None)):
        folder = changed(folders("llama, untied"), tmp_path / str(number), {"num_experts": none, "num_experts_per_tok": none})
        assert load_model(folder).vocab_size == SIZES["vocab_size"]


def test_special_ids_without_a_row_are_as_good_as_unsaid(folders, tmp_path):
    ids = {"pad_token_id": -1, "bos_token_id": 320, "eos_token_id": [999, 317, -1]}
    model = load_model(changed(folders("llama, untied"), tmp_path, ids))
    assert (model.pad_token_id, model.bos_token_id, model.eos_token_id) == (None, None, 317)


@pytest.mark.parametrize(("name", "rows"), [("llama, tied", 4096), ("qwen3_moe, every second, tied", 100)])
def test_a_tied_folder_may_hold_its_head_once_more_but_no_other(name, rows, folders, tmp_path, monkeypatch):
    """transformers 5 takes another head for the head; who ignored it would give other logits in silence."""
    monkeypatch.setattr("rnd1lib.models.origins.origin.ROWS", rows)
    folder = changed(folders(name), tmp_path, {})
    tensors = load_file(folder / "model.safetensors")
    table = tensors["model.embed_tokens.weight"]
    (folder / "model.safetensors").unlink()
    save_file(tensors | {"lm_head.weight": table.clone()}, folder / "model.safetensors")
    assert load_model(folder).network.enable_weight_tying
    another = table.clone()
    another[300, 7] += 1
    for head in (another, table[:-1].clone()):
        save_file(tensors | {"lm_head.weight": head}, folder / "model.safetensors")
        with pytest.raises(
            ModelError, match=r"lm_head\.weight: differs from model\.embed_tokens\.weight, to which config\.json"
        ):
            load_model(folder)


@pytest.mark.parametrize("name", ["llama, untied", "qwen2, tied", "qwen3_moe", "llada", "llada_moe", "rnd1"])
def test_any_value_of_any_key_is_dimensions_or_a_sentence(name, folders):
    config = json.loads((folders(name) / "config.json").read_text())
    component = component_for(standard(config))
    for key in dict.fromkeys([*config, *KEYS]):
        for value in VALUES:
            with suppress(ModelError):
                assert component.tensors(standard(config | {key: value}))


@pytest.mark.parametrize("said", ["6", -6, True, 6.0, [6], {}])
def test_no_number_of_experts_is_no_experts(said):
    assert experts_of({"num_experts": said}) == 0
    assert standard({"model_type": "llada", "num_experts": said})["model_type"] == "llada"
