"""Schedules fall from 1 to 0, alpha' is the derivative of alpha, and the numbers are MDLM's and dllm's."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.noise.cosine_squared import CosineSquared
from rnd1_plugins.noise.geometric import Geometric
from rnd1_plugins.noise.linear import Linear
from rnd1_plugins.noise.log_linear import LogLinear
from rnd1_plugins.noise.polynomial import Polynomial
from safetensors.torch import load_file

from rnd1lib.diffusion import elbo_weight, mask_probability

SCHEDULES = [
    Linear(),
    Cosine(),
    Cosine(eps=0.0),
    Cosine(variant="mdlm"),
    CosineSquared(),
    LogLinear(),
    Polynomial(),
    Polynomial(power=1.0),
    Geometric(),
]
MDLM = {
    "cosine": Cosine(variant="mdlm", eps=1e-3),
    "cosinesqr": CosineSquared(eps=1e-3),
    "loglinear": LogLinear(eps=1e-3),
    "geometric_default": Geometric(sigma_min=1e-3, sigma_max=1.0),
    "geometric_1e-4_20": Geometric(sigma_min=1e-4, sigma_max=20.0),
}


@pytest.mark.parametrize("noise", SCHEDULES, ids=repr)
def test_alpha_prime_is_the_derivative_and_alpha_falls_from_one(noise):
    t = torch.linspace(0, 1, 41, dtype=torch.float64, requires_grad=True)
    alpha = noise.alpha(t)
    (slope,) = torch.autograd.grad(alpha.sum(), t)
    assert torch.allclose(slope, noise.alpha_prime(t.detach()), atol=1e-12)
    first = math.exp(-1e-4) if isinstance(noise, Geometric) else 1
    assert alpha[0].item() == pytest.approx(first, abs=1e-12)
    assert alpha[-1] <= 1e-3 + 1e-12 and (alpha.detach().diff() < 0).all()


@pytest.mark.parametrize("noise", SCHEDULES, ids=repr)
def test_the_weight_is_the_slope_of_the_logarithm_of_the_mask_probability(noise):
    """-alpha' / (1 - alpha) = d/dt log(1 - alpha), by central differences."""
    t, h = torch.linspace(0.05, 0.99, 95, dtype=torch.float64), 1e-5
    slope = (mask_probability(noise, t + h).log() - mask_probability(noise, t - h).log()) / (2 * h)
    assert torch.allclose(elbo_weight(noise, t), slope, rtol=1e-6)


@pytest.mark.parametrize("noise", SCHEDULES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_shape_stay(noise, dtype):
    t = torch.rand(3, 4, dtype=dtype)
    assert noise.alpha(t).dtype == noise.alpha_prime(t).dtype == dtype
    assert noise.alpha(t).shape == noise.alpha_prime(t).shape == (3, 4)


@pytest.mark.parametrize("noise", [Linear(), LogLinear(), LogLinear(eps=0.3)], ids=repr)
def test_the_linear_weights_are_one_over_t(noise):
    t = torch.linspace(0.01, 1, 50, dtype=torch.float64)
    assert torch.allclose(elbo_weight(noise, t), 1 / t)


@given(power=st.floats(0.1, 4), t=st.floats(0.05, 0.99))
def test_a_polynomials_weight_is_its_power_over_t(power, t):
    assert elbo_weight(Polynomial(power=power), torch.tensor(t, dtype=torch.float64)).item() == pytest.approx(power / t)


@given(low=st.floats(1e-6, 1), high=st.floats(1.1, 30), step=st.floats(0, 1))
def test_geometric_noise_grows_by_the_same_factor_in_equal_times(low, high, step):
    noise = Geometric(sigma_min=low, sigma_max=high)
    times = torch.tensor([0, step, 1 - step, 1], dtype=torch.float64)
    sigma = -noise.alpha(times).log()
    assert (sigma[1] * sigma[2]).item() == pytest.approx((sigma[0] * sigma[3]).item(), rel=1e-4)


@pytest.mark.goldens
@pytest.mark.parametrize(("kind", "dtype", "rtol"), [("f64", torch.float64, 1e-6), ("f32", torch.float32, 2e-3)])
@pytest.mark.parametrize(("name", "noise"), MDLM.items())
def test_schedules_give_mdlms_numbers(goldens, name, noise, kind, dtype, rtol):
    peer = load_file(goldens / "mdlm/golden.safetensors")
    t = peer["noise/t"].to(dtype)
    inside = (t > 0) & (peer[f"noise/{name}/move_chance_{kind}"] > 1e-4)
    for what, ours in (("move_chance", mask_probability(noise, t)), ("weight", elbo_weight(noise, t))):
        assert ours.dtype == dtype
        theirs = peer[f"noise/{name}/{what}_{kind}"].to(dtype)
        assert torch.allclose(ours[inside], theirs[inside], rtol=rtol, atol=1e-12)


@pytest.mark.goldens
@pytest.mark.parametrize(("name", "noise"), [("linear", Linear()), ("cosine", Cosine(eps=0.0))])
def test_schedules_give_dllms_numbers(goldens, name, noise):
    peer = load_file(goldens / "dllm/golden_schedulers.safetensors")
    t = peer["t"].double()
    assert torch.allclose(noise.alpha(t), peer[f"{name}/alpha"].double(), atol=1e-6)
    assert torch.allclose(noise.alpha_prime(t), peer[f"{name}/alpha_derivative"].double(), atol=1e-5)
    masked = mask_probability(noise, t)
    theirs = peer[f"{name}/weight"].double() * (masked + 1e-6) / masked  # dllm adds 1e-6 to the denominator
    inside = masked > 1e-3
    assert torch.allclose(masked[inside], 1 - peer[f"{name}/alpha"].double()[inside], rtol=1e-4)
    assert torch.allclose(elbo_weight(noise, t)[inside], theirs[inside], rtol=1e-4)


@pytest.mark.parametrize("eps", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("kind", [Cosine, CosineSquared, LogLinear])
def test_an_eps_outside_its_range_is_refused(kind, eps):
    with pytest.raises(ValueError, match="eps: "):
        kind(eps=eps)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Polynomial, {"power": 0.0}, "power: 0.0"),
        (Polynomial, {"power": float("inf")}, "power: inf"),
        (Geometric, {"sigma_min": 0.0}, "sigma_min: 0.0"),
        (Geometric, {"sigma_min": float("nan")}, "sigma_min: nan"),
        (Geometric, {"sigma_min": 1.0, "sigma_max": 1.0}, "sigma_max: 1.0"),
        (Geometric, {"sigma_max": float("inf")}, "sigma_max: inf"),
    ],
)
def test_a_value_outside_its_range_is_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
