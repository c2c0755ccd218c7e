"""GGUF files against transformers' reader of them, and against the models that they were written from."""

import gguf
import numpy as np
import pytest
import torch
from gguf_files import SHAPES, SIZES, write

import rnd1lib
from rnd1lib.errors import ModelError
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.writing.comparison import same_bits

PLAIN = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
IN_BLOCKS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "IQ2_XXS", "IQ1_M", "TQ1_0", "TQ2_0", "MXFP4")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """shape -> (file of float32, transformers' model)."""
    folder = tmp_path_factory.mktemp("gguf")
    return {shape: (folder / f"{shape}.gguf", write(folder / f"{shape}.gguf", shape)) for shape in SHAPES}


def read_by_transformers(path, model):
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    return load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_model_that_the_file_was_written_from(shape, written):
    path, theirs = written[shape]
    ours = rnd1lib.load_model(path)
    ids = torch.randint(0, 260, (2, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    assert (ours.shift, ours.attention_mask.pattern(0), ours.has_mask_token) == (1, "causal", False)
    assert (ours.bos_token_id, ours.eos_token_id, ours.pad_token_id, ours.name) == (1, 2, 2, f"{shape}.gguf")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_tensor_has_the_bits_that_transformers_reads(shape, written):
    path, model = written[shape]
    theirs = read_by_transformers(path, model)["tensors"]
    ours = open_gguf(path)
    stacked = {name: tensor for name, tensor in theirs.items() if ".experts." in name}
    assert {*theirs} - {*stacked} == {name for name in ours.shapes if ".experts." not in name}
    for name in {*theirs} - {*stacked}:
        assert same_bits(ours.tensor(name), theirs[name])
        assert ours.shapes[name] == tuple(theirs[name].shape)
    for name, tensor in stacked.items():
        prefix, _, last = name.rpartition(".")
        parts = {"down_proj": ["down_proj"], "gate_up_proj": ["gate_proj", "up_proj"]}[last]
        for expert, both in enumerate(tensor):
            mine = torch.cat([ours.tensor(f"{prefix}.{expert}.{part}.weight") for part in parts])
            assert same_bits(mine, both)


@pytest.mark.parametrize("kind", PLAIN)
def test_every_plain_type_is_dequantised_as_transformers_does_it(kind, tmp_path):
    model = write(tmp_path / "x.gguf", kind=kind)
    theirs = read_by_transformers(tmp_path / "x.gguf", model)["tensors"]
    ours = open_gguf(tmp_path / "x.gguf")
    assert all(same_bits(ours.tensor(name), tensor) for name, tensor in theirs.items())
    assert theirs.keys() == ours.shapes.keys()


@pytest.mark.parametrize("kind", IN_BLOCKS)
def test_blocks_of_any_bits_are_dequantised_as_gguf_does_it(kind, tmp_path):
    which = gguf.GGMLQuantizationType[kind]
    rows = np.random.default_rng(0).integers(0, 256, gguf.quant_shape_to_byte_shape((7, 512), which), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    for key, value in {"context_length": 8, "block_count": 1, "embedding_length": 512, "feed_forward_length": 8}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_head_count(2)
    writer.add_tensor("token_embd.weight", rows, raw_dtype=which)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with np.errstate(all="ignore"):
        ours = open_gguf(tmp_path / "x.gguf").tensor("model.embed_tokens.weight").numpy()
        np.testing.assert_array_equal(ours, gguf.dequantize(rows, which))


@pytest.mark.parametrize(
    "name", ["model.layers.1.self_attn.q_proj.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight"]
)
def test_a_part_of_a_tensor_is_that_part_of_the_whole(name, tmp_path):
    write(tmp_path / "x.gguf", kind="Q4_0")
    ours = open_gguf(tmp_path / "x.gguf")
    whole = ours.tensor(name)
    for box in [(), (slice(3, 70),), (slice(3, 70), slice(40, 50))][: whole.dim() + 1]:
        assert same_bits(ours.tensor(name, box), whole[box])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_config_is_the_one_that_the_model_had(shape, written):
    path, model = written[shape]
    config, said = open_gguf(path).config, model.config.to_dict()
    kept = [*SIZES, "vocab_size", "tie_word_embeddings", "rms_norm_eps", "architectures", "model_type"]
    kept += [key for key in ("head_dim", "num_experts", "num_experts_per_tok", "moe_intermediate_size") if key in said]
    said["architectures"] = [type(model).__name__]
    kept.remove("initializer_range")
    assert {key: config[key] for key in kept} == {key: said[key] for key in kept}
    assert config["rope_theta"] == said["rope_parameters"]["rope_theta"]


def test_the_rope_of_llama_3_comes_back_from_the_factors_that_the_file_holds(tmp_path):
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaling |= {"original_max_position_embeddings": 8192, "rope_theta": 5e5}
    theirs = LlamaConfig(hidden_size=256, num_attention_heads=4, rope_parameters=scaling, max_position_embeddings=131072)
    stretched, _ = ROPE_INIT_FUNCTIONS["llama3"](theirs, "cpu")
    plain = 5e5 ** (-torch.arange(0, 64, 2) / 64)
    factors = ("rope_freqs.weight", (plain / stretched).numpy())
    base = {"llama.rope.freq_base": lambda writer, key: writer.kv_data[0].pop(key) and writer.add_float32(key, 5e5)}
    write(tmp_path / "x.gguf", tensors=[factors], values=base)
    opened = open_gguf(tmp_path / "x.gguf")
    assert opened.config["rope_scaling"] == {key: value for key, value in scaling.items() if key != "rope_theta"}
    assert "rope_freqs.weight" not in opened.shapes
    write(tmp_path / "y.gguf", tensors=[("rope_freqs.weight", factors[1] ** 2)], values=base)
    with pytest.raises(ModelError, match=r"rope_freqs\.weight: stretches RoPE otherwise than Llama 3"):
        open_gguf(tmp_path / "y.gguf")


def test_transformers_gives_the_same_logits_from_the_same_file(tmp_path):
    pytest.importorskip("accelerate")
    from transformers import AutoModelForCausalLM

    write(tmp_path / "x.gguf", kind="Q8_0")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="x.gguf", dtype=torch.float32)
    ids = torch.randint(0, 260, (1, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(rnd1lib.load_model(tmp_path / "x.gguf").logits(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_tensors_that_do_not_fit_are_named_and_nothing_is_loaded(tmp_path):
    left_out = lambda name, values: None if name == "blk.1.ffn_up.weight" else values  # noqa: E731
    write(tmp_path / "x.gguf", change=left_out, tensors=[("blk.0.attn_q.bias", np.ones(256, np.float32))])
    with pytest.raises(ModelError) as caught:
        rnd1lib.load_model(tmp_path / "x.gguf")
    assert "model.layers.1.mlp.up_proj.weight: missing." in str(caught.value)
    assert "model.layers.0.self_attn.q_proj.bias: unexpected." in str(caught.value)


def test_each_special_id_is_its_own(tmp_path):
    padding = {"tokenizer.ggml.padding_token_id": lambda writer, key: writer.kv_data[0].pop(key) and writer.add_pad_token_id(0)}
    write(tmp_path / "x.gguf", values=padding)
    opened = open_gguf(tmp_path / "x.gguf")
    for said in (opened.config.get, lambda key: getattr(opened.tokenizer, key)):
        assert [said(f"{role}_token_id") for role in ("bos", "eos", "pad")] == [1, 2, 0]


def test_tensors_lie_where_the_files_own_alignment_puts_them(tmp_path):
    plain = write(tmp_path / "x.gguf").state_dict()
    write(tmp_path / "y.gguf", values={"alignment": lambda writer, _: writer.add_custom_alignment(4096)})
    apart = open_gguf(tmp_path / "y.gguf")
    assert apart.header.values["general.alignment"] == 4096
    for name in ("model.embed_tokens.weight", "model.norm.weight", "model.layers.1.mlp.down_proj.weight"):
        assert same_bits(apart.tensor(name), plain[name])
