import pytest
import torch

import rnd1lib
from rnd1lib.diffusion import elbo_weight, mask_probability


@pytest.fixture(params=[0.1, 2.0, 8.0])
def noise(request):
    return rnd1lib.build("noise", "exponential", rate=request.param)


def test_everything_is_clean_at_the_start_and_masked_at_the_end(noise):
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(mask_probability(noise, ends), ends)


def test_alpha_prime_is_the_derivative_of_alpha(noise):
    t = torch.linspace(0.01, 1, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(noise.alpha(t).sum(), t)
    torch.testing.assert_close(noise.alpha_prime(t), slope)


def test_the_weight_is_positive_everywhere(noise):
    assert (elbo_weight(noise, torch.linspace(1e-3, 1, 50)) > 0).all()


def test_a_rate_that_makes_no_schedule_is_refused():
    with pytest.raises(ValueError, match="rate: 0"):
        rnd1lib.build("noise", "exponential", rate=0.0)
