"""Quantized products against factors that are rounded here, number by number, and multiplied in float32."""

import pytest
import torch
from torch.nn.functional import grouped_mm

import rnd1lib
from rnd1lib.kinds import Build
from rnd1lib.titan.preparation.quantization import quantize

LARGEST = 448.0  # of e4m3


def e4m3(x, scale):
    return (x / scale).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn).float() * scale


def by_row(x):
    """A scale a row, rounded up to a power of two."""
    return e4m3(x, 2 ** (x.abs().amax(-1, keepdim=True) / LARGEST).log2().ceil())


def by_block(x):
    """A scale for each 32 numbers of a row, rounded up to a power of two."""
    return by_row(x.unflatten(-1, (-1, 32))).flatten(-2)


ROUNDED = {"float8": by_row, "mxfp8": by_block}


def uneven(*shape, generator):
    """Rows and columns of sizes that e4m3 cannot hold together, so that it shows along which of them scales are taken."""
    sizes = (2 ** (18 * torch.rand(n, generator=generator)) for n in shape)
    return torch.randn(shape, generator=generator) * next(sizes)[:, None] * next(sizes)


def network(precision, use):
    component = rnd1lib.build("model", use)
    spec = component.spec(component.flavors["tiny"], Build(compute_dtype="bfloat16"))
    return dict(quantize(spec, precision).model.build().named_modules())


@pytest.mark.parametrize("precision", ROUNDED)
def test_a_linear_layer_multiplies_rounded_factors_forward_and_backward(precision):
    layer, rounded = network(precision, "qwen3")["layers.0.feed_forward.w1"], ROUNDED[precision]
    generator = torch.Generator().manual_seed(0)
    weight = uneven(*layer.weight.shape, generator=generator)
    with torch.no_grad():
        layer.weight.copy_(weight)
    x_RD = uneven(64, layer.in_features, generator=generator).requires_grad_()
    out_RF = layer(x_RD)
    grad_RF = uneven(*out_RF.shape, generator=generator)
    out_RF.backward(grad_RF)
    for found, expected in (
        (out_RF, rounded(x_RD) @ rounded(weight).T),
        (layer.weight.grad, rounded(grad_RF.T) @ rounded(x_RD.T).T),
        (x_RD.grad, rounded(grad_RF) @ rounded(weight.T).T),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=0)


def test_experts_multiply_rounded_factors_whatever_their_numbers_of_tokens():
    experts = network("mxfp8", "qwen3_moe")["layers.0.moe.routed_experts.inner_experts"]
    generator = torch.Generator().manual_seed(0)
    count, width, hidden = experts.num_experts, experts.w1_EFD.shape[2], experts.w1_EFD.shape[1]
    weight_EFD = torch.randn(count, hidden, width, generator=generator).bfloat16()
    ends_E = torch.tensor([5, 5, 37, 40, 71, 72, 99, 100][:count], dtype=torch.int32)
    x_RD = torch.randn(100, width, generator=generator).bfloat16()
    product = experts._grouped_mm(A=x_RD, B_t=weight_EFD.transpose(-2, -1), offs=ends_E)
    factors = by_block(x_RD.float()).bfloat16(), by_block(weight_EFD.float()).bfloat16().transpose(-2, -1)
    torch.testing.assert_close(product, grouped_mm(*factors, offs=ends_E), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("precision", "padding"), [("float8", 16), ("mxfp8", 128)])
def test_with_a_gpu_nothing_is_emulated_and_tokens_are_padded_for_its_kernels(monkeypatch, precision, padding):
    """What is built, not what it computes: no GPU has run it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with torch._inductor.config.patch(emulate_precision_casts=False):
        modules = network(precision, "qwen3_moe")
    routed, layer = modules["layers.0.moe.routed_experts"], modules["layers.0.attention.wo"]
    assert routed.token_dispatcher.pad_multiple == padding
    assert (
        type(routed.inner_experts.product).__name__
        == {"float8": "Float8TrainingOpConfig", "mxfp8": "MXFP8TrainingOpConfig"}[precision]
    )
    assert not routed.inner_experts.product.pad_token_groups_for_grouped_mm
    emulated = layer.config.emulate if precision == "float8" else layer.kernel_preference.name == "EMULATED"
    assert not emulated
    assert {value.dtype for value in routed.parameters()} == {torch.float32} and type(
        routed.inner_experts.w1_EFD.data
    ) is torch.Tensor
