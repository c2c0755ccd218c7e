"""The auxiliary losses of a router: their formulas, transformers' own number, and what is asked when nothing is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.autoregressive import Autoregressive
from rnd1_plugins.objectives.mdlm import Mdlm
from safetensors.torch import load_file

EVERY = pytest.mark.parametrize("kind", [Mdlm, A2dShift, Autoregressive])


def plain_balance(logits_NE, chosen_NK):
    """E sum_i f_i P_i, expert by expert in double precision."""
    tokens, experts = logits_NE.shape
    probability_NE = logits_NE.double().softmax(-1)
    total = 0.0
    for expert in range(experts):
        routed = sum(expert in chosen for chosen in chosen_NK.tolist())
        total += routed / tokens * probability_NE[:, expert].mean().item()
    return experts * total


def plain_z(logits_NE):
    return sum(torch.logsumexp(row.double(), 0).item() ** 2 for row in logits_NE) / len(logits_NE)


@EVERY
@given(seed=st.integers(0, 10**6), tokens=st.integers(1, 9), experts=st.integers(2, 7), k=st.integers(1, 2))
def test_both_losses_are_their_formulas_before_any_coefficient(kind, seed, tokens, experts, k):
    logits = torch.randn(tokens, experts, generator=torch.Generator().manual_seed(seed)) * 3
    chosen = logits.topk(k, sorted=False).indices
    losses = kind(balance=0.01, z=0.5).auxiliary(logits, chosen)
    assert losses["balance"].item() == pytest.approx(plain_balance(logits, chosen), rel=1e-5)
    assert losses["z"].item() == pytest.approx(plain_z(logits), rel=1e-5)
    assert all(loss.shape == () for loss in losses.values())


@EVERY
def test_a_loss_whose_coefficient_is_zero_is_not_computed(kind):
    logits, chosen = torch.randn(4, 6), torch.tensor([[0, 1]] * 4)
    assert kind().auxiliary(logits, chosen) == {}
    assert kind(z=1.0).auxiliary(logits, chosen).keys() == {"z"}
    assert kind(balance=1.0).auxiliary(logits, chosen).keys() == {"balance"}


def test_an_even_load_costs_the_number_of_experts_a_token_and_the_worst_all_experts():
    even, k = torch.zeros(8, 4), 2
    chosen = torch.stack([torch.arange(8) % 4, (torch.arange(8) + 1) % 4], 1)
    assert Mdlm(balance=1.0).auxiliary(even, chosen)["balance"].item() == pytest.approx(k)
    one = torch.tensor([[50.0, 0, 0, 0]] * 8)
    assert Mdlm(balance=1.0).auxiliary(one, one.topk(1).indices)["balance"].item() == pytest.approx(4)


def test_the_count_of_the_load_has_no_gradient_and_the_probabilities_have():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    chosen = logits.topk(2).indices
    (ours,) = torch.autograd.grad(Mdlm(balance=1.0).auxiliary(logits, chosen)["balance"], logits)
    share = torch.stack([(chosen == expert).any(1).float().mean() for expert in range(4)])
    probability = logits.detach().softmax(-1)
    inner = (probability * share).sum(-1, keepdim=True)
    assert torch.allclose(ours, 4 / 5 * probability * (share - inner), atol=1e-6)


@pytest.mark.goldens
def test_the_balance_is_transformers_own_which_takes_all_layers_for_one(goldens):
    """`load_balancing_loss_func` lays the layers' tokens side by side; ours is asked a layer at a time.

    So on the layers' logits side by side ours is theirs. The mean of ours over the layers is another number: a mean of
    products of two means, where theirs is the product of the means over layers.
    """
    peer = load_file(goldens / "hf/qwen3_moe/golden.safetensors")
    layers = [peer[f"bidir_router_logits_{layer}"] for layer in (0, 1)]
    objective, k = Mdlm(balance=1.0), 2
    together = torch.cat(layers)
    theirs = peer["bidir_aux_loss"].item()
    assert objective.auxiliary(together, together.topk(k).indices)["balance"].item() == pytest.approx(theirs, abs=1e-6)
    alone = [objective.auxiliary(logits, logits.topk(k).indices)["balance"].item() for logits in layers]
    shares, means = (torch.stack(each) for each in zip(*map(loads, layers), strict=True))
    assert sum(alone) / 2 == pytest.approx(8 * (shares * means).sum(1).mean().item(), rel=1e-5)
    assert theirs == pytest.approx(8 * (shares.mean(0) * means.mean(0)).sum().item(), rel=1e-5)
    assert abs(sum(alone) / 2 - theirs) > 1e-3


def loads(logits_NE):
    """Of one layer with two experts a token: the share of the tokens of each expert, and its mean probability."""
    chosen = torch.nn.functional.one_hot(logits_NE.topk(2).indices, 8).sum(1)
    return chosen.double().mean(0), logits_NE.double().softmax(-1).mean(0)


@EVERY
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["balance", "z"])
def test_a_coefficient_that_makes_no_sense_is_refused(kind, name, value):
    with pytest.raises(ValueError, match=f"{name}: {value} is not a finite number"):
        kind(**{name: value})
