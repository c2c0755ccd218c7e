"""liger-kernel's cross entropy against ours: on a GPU, or with TRITON_INTERPRET=1 in triton's interpreter on a CPU."""

import os

import pytest
import torch

from rnd1lib.models.network.head import ScoringHead

V, WIDTH, ROWS = 100, 16, 40


@pytest.fixture
def device():
    pytest.importorskip("liger_kernel", reason="liger-kernel is not installed: pip install rnd1lib[liger]")
    if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("liger-kernel needs a GPU, or TRITON_INTERPRET=1")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def loss_and_gradients(loss, device, dtype, *, rows=ROWS, never=None, frozen=False):
    generator = torch.Generator().manual_seed(0)
    head = ScoringHead.Config(in_features=WIDTH, out_features=V, chunk=16, loss=loss).build()
    with torch.no_grad():
        head.weight.copy_(torch.randn(V, WIDTH, generator=generator) / 3)
    head.weight.requires_grad_(not frozen)
    head.to(device, dtype)
    hidden = torch.randn(rows, WIDTH, generator=generator).to(device, dtype).requires_grad_()
    labels = torch.randint(0, V - 1, (rows,), generator=generator).to(device)
    weights = (torch.rand(rows, generator=generator) * 5).to(device)
    summed = head(hidden, labels=labels, weights=weights, never=never)
    (summed / 7).backward()
    return [summed.detach(), hidden.grad, *([] if frozen else [head.weight.grad])]


@pytest.mark.parametrize("never", [None, 50, V - 1])
@pytest.mark.parametrize("frozen", [False, True])
def test_losses_and_gradients_are_ours_with_a_weight_a_row_and_a_token_that_is_never_predicted(device, never, frozen):
    ours, theirs = (
        loss_and_gradients(loss, device, torch.float32, never=never, frozen=frozen) for loss in ("chunked", "liger")
    )
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-6)


def test_in_bf16_they_differ_by_its_rounding(device):
    ours, theirs = (loss_and_gradients(loss, device, torch.bfloat16, never=50) for loss in ("chunked", "liger"))
    assert all((a - b).float().norm() < 0.01 * a.float().norm() for a, b in zip(ours, theirs, strict=True))


def test_without_rows_nothing_of_liger_is_needed():
    loss, hidden_grad, weight_grad = loss_and_gradients("liger", torch.device("cpu"), torch.float32, rows=0)
    assert loss == 0 and len(hidden_grad) == 0 and torch.equal(weight_grad, torch.zeros(V, WIDTH))
