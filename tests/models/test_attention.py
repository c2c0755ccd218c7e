from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from torch.nn.attention.flex_attention import BlockMask, create_mask, flex_attention

from rnd1lib.models.attention import Runs, attention_masks, positions_in_documents
from rnd1lib.models.network.inner_attention import DocumentAttention

L = 12
DOCUMENTS = {
    "alone": [[4] * L, [4] * L],
    "packed": [[0] * 5 + [1] * 7, [3] * L],
    "left padding": [[1] * 2 + [0] * 10, [0] * L],
    "right padding": [[0] * 9 + [9] * 3, [-5] * 1 + [7] * 11],
    "interleaved": [[0, 1] * 6, [2, 2, 0, 0, 2, 2, 1, 1, 0, 0, 2, 2]],
}


@dataclass(frozen=True)
class Mask:
    """A rule under every pattern; custom: causal, and one position more for each step."""

    kind: str

    def pattern(self, step):
        return self.kind

    def mask_mod(self, step):
        return lambda b, h, q, kv: kv <= q + step


def seen_by_definition(mask, step, documents_BL):
    """Two loops over what the contract says."""
    rows, length = documents_BL.shape
    ahead = {"full": length, "causal": 0, "custom": step}[mask.kind]
    seen = torch.zeros(rows, length, length, dtype=torch.bool)
    for row, documents in enumerate(documents_BL.tolist()):
        for q in range(length):
            for kv in range(length):
                q_inside, kv_inside = documents[:q].count(documents[q]), documents[:kv].count(documents[kv])
                seen[row, q, kv] = documents[q] == documents[kv] and kv_inside <= q_inside + ahead
    return seen[:, None]


def queries_keys_values():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, L, heads, 8, generator=generator) for heads in (4, 2, 2)]


@pytest.mark.parametrize("kind", ["full", "causal", "custom"])
@pytest.mark.parametrize("documents", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("kernel", ["sdpa", "flex"])
def test_attention_is_that_of_the_definition(kind, documents, kernel):
    documents_BL, mask, step = torch.tensor(documents), Mask(kind), 2
    masks = attention_masks(mask, step, documents_BL, positions_in_documents(documents_BL), kernel=kernel)
    q, k, v = queries_keys_values()
    seen = seen_by_definition(mask, step, documents_BL)
    expected = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), attn_mask=seen, enable_gqa=True)
    if isinstance(masks, BlockMask):
        evaluated = create_mask(masks.mask_mod, 2, 1, L, L, device="cpu")
        assert torch.equal(evaluated, seen)
        ours = flex_attention(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=masks, enable_gqa=True)
    else:
        ours = DocumentAttention.Config().build()(q, k, v, attention_masks=masks, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


def test_each_row_of_one_document_needs_no_mask():
    documents_BL = torch.tensor(DOCUMENTS["alone"])
    positions_BL = positions_in_documents(documents_BL)
    for kernel in ("sdpa", "flex"):
        assert attention_masks(Mask("full"), 0, documents_BL, positions_BL, kernel=kernel) is None
        assert attention_masks(Mask("causal"), 0, None, positions_BL, kernel=kernel) == "causal"


def test_documents_that_hang_together_are_runs_and_others_are_not():
    for name, expected in (("packed", True), ("left padding", True), ("interleaved", False)):
        documents_BL = torch.tensor(DOCUMENTS[name])
        masks = attention_masks(Mask("full"), 0, documents_BL, positions_in_documents(documents_BL))
        assert isinstance(masks, Runs) is expected
    assert Runs(torch.tensor(DOCUMENTS["packed"]), causal=True).slices == [[(0, 5), (5, 12)], [(0, 12)]]


def test_a_custom_rule_is_asked_without_documents_too():
    positions_BL = torch.arange(L).expand(2, L)
    masks = attention_masks(Mask("custom"), 1, None, positions_BL)
    assert torch.equal(masks, torch.ones(L, L, dtype=torch.bool).tril(1).expand(2, 1, L, L))


def test_gradients_flow_through_runs_as_through_a_dense_mask():
    documents_BL = torch.tensor(DOCUMENTS["packed"])
    runs = attention_masks(Mask("causal"), 0, documents_BL, positions_in_documents(documents_BL))
    gradients = []
    for masks in (runs, seen_by_definition(Mask("causal"), 0, documents_BL)):
        inputs = [x.requires_grad_() for x in queries_keys_values()]
        DocumentAttention.Config().build()(*inputs, attention_masks=masks, enable_gqa=True).square().sum().backward()
        gradients.append([x.grad for x in inputs])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-5)


@given(st.lists(st.lists(st.integers(-3, 3), min_size=9, max_size=9), min_size=1, max_size=3))
def test_a_position_counts_the_earlier_tokens_of_its_document(documents):
    expected = [[row[:i].count(row[i]) for i in range(len(row))] for row in documents]
    assert positions_in_documents(torch.tensor(documents)).tolist() == expected


def test_a_document_that_comes_back_at_the_rows_end_does_not_make_it_alone():
    documents = torch.tensor([[0, 1, 1, 0]])
    seen = attention_masks(Bidirectional(), 0, documents, positions_in_documents(documents))
    assert torch.equal(seen[0, 0], documents[0] == documents[0][:, None])
