import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rnd1lib.models.network.head import ScoringHead

V, WIDTH = 23, 8


def head_and_rows(rows, chunk, seed=0):
    generator = torch.Generator().manual_seed(seed)
    head = ScoringHead.Config(in_features=WIDTH, out_features=V, chunk=chunk).build()
    with torch.no_grad():
        head.weight.copy_(torch.randn(V, WIDTH, generator=generator))
    hidden = torch.randn(rows, WIDTH, generator=generator, requires_grad=True)
    labels = torch.randint(0, V - 1, (rows,), generator=generator)
    return head, hidden, labels, torch.rand(rows, generator=generator) * 5


def plain_loss(head, hidden, labels, weights, never):
    logits = head(hidden).float()
    if never is not None:
        logits = logits.index_fill(-1, torch.tensor(never), -torch.inf)
    return (F.cross_entropy(logits, labels, reduction="none") * weights).sum()


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(0, 17), chunk=st.integers(1, 20), never=st.sampled_from([None, V - 1]), seed=st.integers(0, 99))
def test_loss_and_gradients_are_those_of_the_full_logits(rows, chunk, never, seed):
    head, hidden, labels, weights = head_and_rows(rows, chunk, seed)
    results = []
    for loss in (
        head(hidden, labels=labels, weights=weights, never=never),
        plain_loss(head, hidden, labels, weights, never),
    ):
        results.append([loss.detach(), *torch.autograd.grad(loss / 7, [hidden, head.weight])])
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-4)


def test_no_rows_give_a_loss_of_zero_that_still_has_gradients():
    head, hidden, labels, weights = head_and_rows(0, 4)
    loss = head(hidden, labels=labels, weights=weights)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(head.weight.grad, torch.zeros(V, WIDTH))


def test_a_frozen_head_passes_gradients_on_and_gets_none():
    head, hidden, labels, weights = head_and_rows(5, 2)
    expected = torch.autograd.grad(plain_loss(head, hidden, labels, weights, None), hidden)[0]
    head.weight.requires_grad_(False)
    head(hidden, labels=labels, weights=weights).backward()
    assert head.weight.grad is None
    torch.testing.assert_close(hidden.grad, expected, atol=1e-5, rtol=1e-4)


def test_without_weights_each_row_counts_once():
    head, hidden, labels, _ = head_and_rows(5, 2)
    expected = F.cross_entropy(head(hidden), labels, reduction="sum")
    torch.testing.assert_close(head(hidden, labels=labels), expected)


def test_bfloat16_sums_in_float32():
    head, hidden, labels, weights = head_and_rows(4000, 64)
    head, hidden = head.to(torch.bfloat16), hidden.detach().bfloat16().requires_grad_()
    loss = head(hidden, labels=labels, weights=weights)
    loss.backward()
    assert (loss.dtype, head.weight.grad.dtype, hidden.grad.dtype) == (torch.float32, torch.bfloat16, torch.bfloat16)
    exact = head_and_rows(4000, 64)[0].double()
    with torch.no_grad():
        exact.weight.copy_(head.weight)
    expected = (F.cross_entropy(exact(hidden.double()), labels, reduction="none") * weights).sum()
    gradient = torch.autograd.grad(expected, exact.weight)[0]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    assert (head.weight.grad - gradient).norm() < 0.01 * gradient.norm()
