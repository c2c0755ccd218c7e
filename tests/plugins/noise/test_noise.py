"""Schedules fall from 1 to 0, alpha' is the derivative of alpha, and the numbers are MDLM's and dllm's."""

import pytest
import torch
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.noise.linear import Linear
from safetensors.torch import load_file

from rnd1lib.diffusion import elbo_weight, mask_probability

SCHEDULES = [Linear(), Cosine(), Cosine(eps=0.0), Cosine(variant="mdlm")]


@pytest.mark.parametrize("noise", SCHEDULES, ids=repr)
def test_alpha_prime_is_the_derivative_and_alpha_falls_from_one(noise):
    t = torch.linspace(0, 1, 41, dtype=torch.float64, requires_grad=True)
    alpha = noise.alpha(t)
    (slope,) = torch.autograd.grad(alpha.sum(), t)
    assert torch.allclose(slope, noise.alpha_prime(t.detach()), atol=1e-12)
    assert alpha[0] == 1 and alpha[-1] <= 1e-3 + 1e-12 and (alpha.detach().diff() < 0).all()


@pytest.mark.parametrize("noise", SCHEDULES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_shape_stay(noise, dtype):
    t = torch.rand(3, 4, dtype=dtype)
    assert noise.alpha(t).dtype == noise.alpha_prime(t).dtype == dtype
    assert noise.alpha(t).shape == noise.alpha_prime(t).shape == (3, 4)


def test_the_linear_weight_is_one_over_t():
    t = torch.linspace(0.01, 1, 50, dtype=torch.float64)
    assert torch.allclose(elbo_weight(Linear(), t), 1 / t)


@pytest.mark.goldens
def test_cosine_in_mdlms_spelling_gives_mdlms_numbers(goldens):
    peer = load_file(goldens / "mdlm/golden.safetensors")
    noise, t = Cosine(variant="mdlm", eps=1e-3), peer["noise/t"].double()
    inside = peer["noise/cosine/move_chance_f64"] > 1e-4
    assert torch.allclose(mask_probability(noise, t)[inside], peer["noise/cosine/move_chance_f64"][inside], rtol=1e-6)
    assert torch.allclose(elbo_weight(noise, t)[inside], peer["noise/cosine/weight_f64"][inside], rtol=1e-6)


@pytest.mark.goldens
@pytest.mark.parametrize(("name", "noise"), [("linear", Linear()), ("cosine", Cosine(eps=0.0))])
def test_schedules_give_dllms_numbers(goldens, name, noise):
    peer = load_file(goldens / "dllm/golden_schedulers.safetensors")
    t = peer["t"].double()
    assert torch.allclose(noise.alpha(t), peer[f"{name}/alpha"].double(), atol=1e-6)
    assert torch.allclose(noise.alpha_prime(t), peer[f"{name}/alpha_derivative"].double(), atol=1e-5)


@pytest.mark.parametrize("eps", [-0.1, 1.0, float("nan")])
def test_an_eps_outside_its_range_is_refused(eps):
    with pytest.raises(ValueError, match="eps: "):
        Cosine(eps=eps)
