"""What is read back is compared to the last bit, and logits that are no numbers are no logits."""

import pytest
import torch
from architectures import MASK, write

from rnd1lib import export, load_model
from rnd1lib.errors import ModelError
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.writing.comparison import same_bits


def test_tensors_are_the_same_by_their_bits_and_their_dtype():
    one = torch.tensor([[0.0, 1.5], [2.0, -3.0]])
    assert same_bits(one, one.clone())
    assert same_bits(one.t(), one.t().contiguous())
    others = [one.bfloat16(), one.view(torch.int32), -one.neg().abs(), one * torch.tensor([-1.0, 1.0]), one[:1], one.flatten()]
    assert not any(same_bits(one, other) for other in others)
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))


def test_finite_weights_whose_logits_are_no_numbers_leave_nothing_behind(tmp_path):
    model = load_model(write("qwen3, untied", tmp_path / "in"))
    with torch.no_grad():
        model.network.get_parameter("norm.weight").fill_(3e38)
        model.network.get_parameter("lm_head.weight").fill_(3e38)
    with pytest.raises(ModelError, match="what was read back gives logits nan from the model's"):
        export(model, tmp_path / "out", layout="qwen3")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_mask_tokens_logit_of_a_tied_head_in_training_is_an_old_one_and_is_not_compared(tmp_path):
    """The row that learns is a parameter of its own, whose place in the table is filled when it is written."""
    model = load_model(write("qwen3, tied", tmp_path / "in"), mask_token_id=MASK)
    with torch.no_grad():
        model.network.get_parameter("tok_embeddings.mask_row").normal_(generator=torch.Generator().manual_seed(3))
    again = load_model(export(model, tmp_path / "out", layout="qwen3"), mask_token_id=MASK)
    ids_BL = torch.tensor([[5, MASK, 7, MASK]])
    ours, theirs = (each.logits(ids_BL) for each in (model, again))
    assert not torch.equal(ours[..., MASK], theirs[..., MASK])
    ours[..., MASK] = theirs[..., MASK]
    assert torch.equal(ours, theirs)


def test_a_folder_that_masks_by_another_token_leaves_nothing_behind(tmp_path, monkeypatch):
    model = load_model(write("qwen3, untied", tmp_path / "in"), mask_token_id=MASK)
    honest = Facts.write
    monkeypatch.setattr(Facts, "write", lambda facts, folder: honest(facts.altered(mask_token_id=MASK - 1), folder))
    with pytest.raises(ModelError, match="what was read back gives logits"):
        export(model, tmp_path / "out", layout="qwen3")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_masked_tokens_are_among_those_that_both_models_are_asked_about(tmp_path, monkeypatch):
    asked, honest = [], DiffusionLM.logits
    monkeypatch.setattr(DiffusionLM, "logits", lambda self, ids_BL: asked.append(ids_BL) or honest(self, ids_BL))
    export(load_model(write("qwen3, tied", tmp_path / "in"), mask_token_id=MASK), tmp_path / "out", layout="qwen3")
    assert len(asked) == 2 and torch.equal(*asked)
    assert (asked[0][:, ::4] == MASK).all() and not (asked[0] == MASK).all()
