"""The router with an objective attached: torchtitan's scores as they are, and a loss of anyone's own in the gradient."""

from dataclasses import dataclass

import pytest
import torch
from rnd1_plugins.models.qwen3_moe import Qwen3Moe
from rnd1_plugins.objectives.a2d_shift import A2dShift

from rnd1lib.kinds import Build


@dataclass(frozen=True)
class Taxed:
    """Taxes the largest logit of each token."""

    tax: float = 0.25

    def auxiliary(self, logits_NE, chosen_NK):
        assert logits_NE.shape == (10, 8) and chosen_NK.shape == (10, 2) and logits_NE.dtype == torch.float32
        return {"tax": logits_NE.amax(-1).mean()}


@pytest.fixture
def router():
    with torch.device("meta"):
        network = Qwen3Moe().spec(Qwen3Moe.flavors["tiny"], Build(seed=3)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    routers = network.routers()
    assert list(routers) == ["0", "1", "2"]
    return routers["1"]


def test_a_router_keeps_its_scores_and_takes_the_loss_along_in_the_backward(router):
    x = torch.randn(2, 5, 96, generator=torch.Generator().manual_seed(0), requires_grad=True)
    plain = router(x)
    router.attach(Taxed(), share=0.5)
    taxed = router(x)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(taxed, plain, strict=True))
    pull = torch.linspace(-1, 1, 20).view(2, 5, 2)
    logits = x @ router.gate.weight.T
    whole = (plain[0] * pull).sum() + 0.25 * 0.5 * logits.amax(-1).mean()
    wanted = torch.autograd.grad(whole, [x, router.gate.weight])
    got = torch.autograd.grad((taxed[0] * pull).sum(), [x, router.gate.weight])
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    said = router.detach()
    assert said.keys() == {"tax"} and said["tax"].item() == pytest.approx(logits.amax(-1).mean().item())
    assert not said["tax"].requires_grad and router.detach() == {}


def test_a_router_whose_gate_is_frozen_still_moves_what_lies_before_it(router):
    router.gate.weight.requires_grad_(False)
    x = torch.randn(2, 5, 96, generator=torch.Generator().manual_seed(0), requires_grad=True)
    router.attach(Taxed(), share=1.0)
    router(x)[0].sum().backward()
    router.detach()
    taxed, x.grad = x.grad, None
    router(x)[0].sum().backward()
    assert not torch.allclose(taxed, x.grad)


def test_scores_in_half_precision_stay_so_and_the_loss_is_exact(router):
    router.to(torch.bfloat16)
    router.attach(Taxed(), share=1.0)
    x = torch.randn(2, 5, 96, dtype=torch.bfloat16, requires_grad=True)
    scores = router(x)[0]
    scores.float().sum().backward()
    assert x.grad.dtype == torch.bfloat16 and router.detach()["tax"].dtype == torch.float32


def test_a_router_with_losses_compiles_into_one_graph(router):
    """Its forward and backward, without a break: the blocks of a network are compiled so."""
    objective = A2dShift(balance=0.5, z=0.25)
    compiled, found = torch.compile(router, backend="aot_eager", fullgraph=True), []
    for forward in (router, compiled):
        x = torch.randn(2, 5, 96, generator=torch.Generator().manual_seed(0), requires_grad=True)
        router.attach(objective, share=1.0)
        forward(x)[0].square().sum().backward()
        found.append((x.grad, router.detach()))
    assert found[1][1].keys() == {"balance", "z"}
    torch.testing.assert_close(found[1], found[0])
