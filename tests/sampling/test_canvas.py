"""What of a canvas is the sampler's to change, and where its text ends."""

from dataclasses import dataclass

import pytest
import torch
from rnd1_plugins.samplers.left_to_right import LeftToRight
from rnd1_plugins.samplers.options import SamplerOptions
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy

from rnd1lib.kinds import Decision
from rnd1lib.sampling.generation import generate, infill


@dataclass(frozen=True, kw_only=True)
class Forgetful(SamplerOptions):
    """Wants all of the canvas masked again, what was given and other blocks too."""

    parity: str | None = None

    def decide(self, view):
        return Decision(
            torch.ones_like(view.position_N, dtype=torch.bool), None, torch.ones_like(view.ids_BL, dtype=torch.bool)
        )


def test_a_sampler_masks_nothing_again_but_what_was_generated_in_the_block(TableModel):
    canvas = [5, 6, 63, 63, 9, 63, 63, 12]
    plain = infill(TableModel(), [canvas], sampler=LeftToRight(steps=2, block_length=4))
    again = infill(TableModel(), [canvas], sampler=Forgetful(steps=2, block_length=4))
    assert again.sequences == plain.sequences
    assert [step.ids_BL.tolist() for step in again.steps] == [step.ids_BL.tolist() for step in plain.steps]


def test_an_end_of_text_in_the_prompt_ends_nothing(TableModel):
    prompt = [5, 62, 7]
    done = generate(TableModel(), [prompt], sampler=LeftToRight(), max_new_tokens=4)
    assert len(done.sequences[0]) == 7 or done.sequences[0][-1] == 62
    assert done.sequences[0][:3] == prompt
    assert done.forward_calls == len(done.sequences[0]) - 3 > 0


def test_the_first_blocks_take_the_steps_that_do_not_divide(TableModel):
    done = infill(TableModel(), [[63] * 8], sampler=LeftToRight(steps=5, block_length=4))
    assert [int(step.committed_BL.sum()) for step in done.steps] == [2, 1, 1, 2, 2]


def test_a_last_block_that_is_cut_short_has_its_steps_too(TableModel):
    done = infill(TableModel(), [[63] * 10], sampler=LeftToRight(steps=6, block_length=4))
    assert [int(step.committed_BL.sum()) for step in done.steps] == [2, 2, 2, 2, 1, 1]


@dataclass(frozen=True, kw_only=True)
class Rewrites(SamplerOptions):
    """Fills the right half with 1, masks it again without asking the model, fills all with 3."""

    parity: str | None = None

    def decide(self, view):
        if view.step == 1:
            return Decision(torch.zeros_like(view.position_N, dtype=torch.bool), None, view.generated_BL)
        view.scores(0.0)  # a pass
        return Decision((view.position_N > 1) | (view.step > 0), torch.full_like(view.position_N, view.step + 1))


def test_a_word_that_was_taken_back_and_replaced_between_two_passes_is_told_of(TableModel):
    first, second = infill(TableModel(), [[63] * 4], sampler=Rewrites(steps=3)).steps
    assert first.ids_BL.tolist() == [[63, 63, 1, 1]] and not first.again_BL.any()
    assert second.ids_BL.tolist() == [[3, 3, 3, 3]]
    assert second.again_BL.tolist() == [[False, False, True, True]]


def test_padding_is_no_gap_where_the_mask_token_pads_too(TableModel):
    class PaddedWithMasks(TableModel):
        pad_token_id = TableModel.mask_token_id

    long, short = [5, 6, 7, 9, 12], [8]
    together = generate(PaddedWithMasks(), [long, short], sampler="llada", steps=3, max_new_tokens=3)
    alone = [generate(TableModel(), [row], sampler="llada", steps=3, max_new_tokens=3).sequences[0] for row in (long, short)]
    assert together.sequences == alone
    assert (together.steps[-1].ids_BL[1, 4:] == PaddedWithMasks.mask_token_id).all()


@pytest.mark.parametrize("sampler", [Rnd1Entropy(), Rnd1Entropy(block_length=4)], ids=["no blocks", "the model's"])
def test_blocks_of_a_model_with_blocks_lie_where_the_models_do(sampler, TableModel):
    """Not from the end of the prompt on: the model was trained with blocks from the start of a text."""

    class InBlocks(TableModel):
        block_length = 4

    done = generate(InBlocks(), [[5, 6, 7]], sampler=sampler, max_new_tokens=8)
    order = [step.committed_BL[0].nonzero()[0, 0].item() for step in done.steps]
    assert [set(order[:1]), set(order[1:5]), set(order[5:])] == [{3}, {4, 5, 6, 7}, {8, 9, 10}]
    plain = generate(TableModel(), [[5, 6, 7]], sampler=Rnd1Entropy(block_length=4), max_new_tokens=8)
    assert {step.committed_BL[0].nonzero()[0, 0].item() for step in plain.steps[:4]} == {3, 4, 5, 6}
