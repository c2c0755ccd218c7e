import pytest
import torch
import torch.nn.functional as F
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

from rnd1lib.kinds import Build


def experts(dtype, **widths):
    with torch.device("meta"):
        network = Qwen3Moe().spec(Qwen3Moe.flavors["tiny"] | widths, Build(compute_dtype=dtype)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    return network.layers["0"].moe.routed_experts.inner_experts


@pytest.mark.parametrize(("width", "expert_width", "dtype"), [(96, 17, "float32"), (98, 24, "float32"), (96, 20, "bfloat16")])
def test_experts_of_any_width_compute_as_one_at_a_time(width, expert_width, dtype):
    ours = experts(dtype, hidden_size=width, moe_intermediate_size=expert_width)
    counts = torch.tensor([3, 0, 1, 5, 0, 0, 2, 0])
    x_RD = torch.randn(11, width, generator=torch.Generator().manual_seed(0), requires_grad=True)
    w1, w2, w3 = (weight.to(getattr(torch, dtype)) for weight in (ours.w1_EFD, ours.w2_EDF, ours.w3_EFD))
    parts = x_RD.to(w1.dtype).split(counts.tolist())
    plain = [(F.silu(part @ w1[e].T) * (part @ w3[e].T)) @ w2[e].T for e, part in enumerate(parts)]
    found = ours(x_RD, counts)
    torch.testing.assert_close(found, torch.cat(plain).to(x_RD.dtype), atol=1e-6, rtol=1e-2)
    found.sum().backward()
    assert x_RD.grad.abs().sum() > 0 and not ours.w1_EFD.grad[1].any()
