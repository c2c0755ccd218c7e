import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build

COMPONENTS = {"qwen3": Qwen3(), "qwen3_moe": Qwen3Moe()}


def on_meta(model, flavor, **options):
    component = COMPONENTS[model]
    config = component.flavors[flavor]
    with torch.device("meta"):
        return component, config, component.spec(config, Build(**options)).model.build()


def drawn(model, **options):
    network = on_meta(model, "tiny", **options)[2]
    network.to_empty(device="cpu")
    network.init_states()
    return network


def test_initial_weights_hang_on_seed_and_name_alone():
    dense, sparse = drawn("qwen3", mask_token_id=7, seed=3), drawn("qwen3_moe", mask_token_id=None, seed=3)
    name = "layers.1.attention.qkv_linear.wq.weight"
    assert torch.equal(dense.get_parameter(name), sparse.get_parameter(name))
    assert not torch.equal(dense.get_parameter(name), drawn("qwen3", seed=4).get_parameter(name))
    assert not torch.equal(dense.get_parameter(name), dense.get_parameter(name.replace("1", "2")))
    assert dense.get_parameter(name).std().item() == pytest.approx(0.02, rel=0.05)


def test_drawing_leaves_the_process_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    drawn("qwen3", mask_token_id=7)
    assert torch.equal(torch.rand(1), expected)


def test_the_mask_row_stands_in_its_tables_place_and_learns_alone():
    network = drawn("qwen3_moe", mask_token_id=9)
    network.tok_embeddings.weight.requires_grad_(False)
    embedded = network.tok_embeddings(torch.tensor([[9, 8]]))
    assert torch.equal(embedded[0, 0], network.tok_embeddings.mask_row)
    assert torch.equal(embedded[0, 1], network.tok_embeddings.weight[8])
    embedded.sum().backward()
    assert torch.equal(network.tok_embeddings.mask_row.grad, torch.ones(96))


def test_without_a_mask_token_there_is_no_mask_row():
    assert "tok_embeddings.mask_row" not in dict(drawn("qwen3", mask_token_id=None).named_parameters())


def test_the_layers_share_one_rope_cache_of_the_rows_asked_for():
    network = drawn("qwen3", sequence_length=64)
    caches = {layer.attention.rope.cache.data_ptr() for layer in network.layers.values()}
    assert len(caches) == 1
    assert network.layers["0"].attention.rope.cache.shape[0] == 64


def test_a_tied_head_is_its_table_and_an_untied_one_is_not():
    for model, tied in (("qwen3", True), ("qwen3_moe", False)):
        network = drawn(model)
        assert (network.lm_head.weight is network.tok_embeddings.weight) is tied


def test_experts_compute_in_the_dtype_asked_for_and_no_bias_steers_them():
    hidden = torch.randn(6, 96, generator=torch.Generator().manual_seed(0))
    counts = torch.tensor([1, 0, 2, 0, 1, 1, 1, 0])
    outputs = {}
    for dtype in ("float32", "bfloat16"):
        network = drawn("qwen3_moe", compute_dtype=dtype)
        moe = network.layers["0"].moe
        assert moe.expert_bias_E is None
        outputs[dtype] = moe.routed_experts.inner_experts(hidden, counts)
    experts = moe.routed_experts.inner_experts
    of_row = torch.repeat_interleave(torch.arange(8), counts)
    gate, up = (torch.einsum("rd,rfd->rf", hidden, weight[of_row]) for weight in (experts.w1_EFD, experts.w3_EFD))
    expected = torch.einsum("rf,rdf->rd", torch.nn.functional.silu(gate) * up, experts.w2_EDF[of_row])
    torch.testing.assert_close(outputs["float32"], expected, atol=1e-7, rtol=1e-4)
    difference = (outputs["bfloat16"] - expected).norm() / expected.norm()
    assert 1e-4 < difference < 2e-2


def test_a_mask_token_outside_the_vocabulary_is_refused():
    with pytest.raises(ModelError, match="4096 is outside the vocabulary of 4096"):
        on_meta("qwen3", "tiny", mask_token_id=4096)
