import pytest
import torch

import rnd1lib

MASK, VOCABULARY = 6, 7


class Sure:
    """A denoiser that names token `position % 5` everywhere, the surer the further left and the larger `scale`."""

    shift, mask_token_id, eos_token_id, pad_token_id, vocab_size = 0, MASK, None, 5, VOCABULARY

    def __init__(self, scale):
        self.scale = scale

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        positions_L = torch.arange(ids_BL.shape[1])
        logits_LV = torch.nn.functional.one_hot(positions_L % 5, VOCABULARY) * self.scale / (1 + positions_L[:, None])
        logits_BLV = logits_LV.expand(len(ids_BL), -1, -1)
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]


def generate(scale, prompts=((0,),), new=8, **options):
    return rnd1lib.generate(Sure(scale), prompts, sampler="falling_floor", max_new_tokens=new, **options)


def test_all_that_is_surer_than_the_floor_is_committed_at_once():
    assert generate(1e4).forward_calls == 1


def test_what_is_below_the_floor_waits_until_it_has_fallen():
    unsure = generate(0.5, steps=4)
    assert unsure.forward_calls == 4
    assert [int(step.committed_BL.sum()) for step in unsure.steps][:2] == [1, 1]
    assert unsure.sequences == [[0, 1, 2, 3, 4, 0, 1, 2, 3]]


def test_a_start_of_zero_commits_everything():
    assert generate(0.5, start=0.0).forward_calls == 1


def test_a_row_does_not_depend_on_its_batch_mates():
    together = generate(3.0, [[0], [0, 1, 2]], steps=4).sequences
    assert together == [generate(3.0, [prompt], steps=4).sequences[0] for prompt in ([0], [0, 1, 2])]


def test_a_start_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"start: 1.5 is outside \[0, 1\]"):
        rnd1lib.build("sampler", "falling_floor", start=1.5)
