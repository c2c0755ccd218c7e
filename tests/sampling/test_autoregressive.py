"""`left_to_right` on a causal model of shift 1 is greedy autoregressive decoding: transformers' own, token for token."""

import pytest
import torch
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from rnd1_plugins.samplers.left_to_right import LeftToRight
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy

import rnd1lib
from rnd1lib.errors import ModelError
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.sampling.generation import generate, infill

PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [40], [60, 61, 62, 63], [300, 1]]
MASK, PAD, NEW = 315, 316, 14


def tied(folder):
    """A Qwen3 whose head is its embedding; the goldens here have none."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16}
    config = Qwen3Config(vocab_size=320, num_key_value_heads=1, tie_word_embeddings=True, initializer_range=0.3, **sizes)
    config.pad_token_id, config.eos_token_id = PAD, 317
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["qwen3", "qwen3_tied", "qwen3_moe"])
def pair(request, goldens, tmp_path_factory):
    """The same folder read by transformers and by us."""
    from transformers import AutoModelForCausalLM

    own = request.param == "qwen3_tied"
    folder = tied(tmp_path_factory.mktemp("tied")) if own else goldens / "hf" / request.param
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return theirs, rnd1lib.load_model(folder, mask_token_id=MASK)


def greedy(theirs, prompts, end, ruled_out=(MASK,)):
    """transformers' answers, each prompt by itself, the mask token ruled out as it is here."""
    options = {"do_sample": False, "max_new_tokens": NEW, "pad_token_id": PAD, "eos_token_id": end}
    options |= {"suppress_tokens": list(ruled_out)} if ruled_out else {}
    return [theirs.generate(torch.tensor([p]), attention_mask=torch.ones(1, len(p)), **options)[0].tolist() for p in prompts]


@pytest.mark.goldens
@pytest.mark.parametrize("cache", [None, "block"])
def test_a_batch_of_unequal_prompts_is_decoded_as_transformers_decodes_each(pair, cache):
    theirs, ours = pair
    done = generate(ours, PROMPTS, sampler=LeftToRight(), max_new_tokens=NEW, cache=cache)
    assert done.sequences == greedy(theirs, PROMPTS, 317)
    assert done.forward_calls == NEW
    assert len({token for row in done.sequences for token in row[9:]}) > 5
    if cache:  # each token is run once, and the last ones never
        assert done.token_forwards == sum(map(len, PROMPTS)) + (NEW - 1) * len(PROMPTS)


@pytest.mark.goldens
def test_both_stop_at_the_same_end_of_text(pair):
    theirs, ours = pair
    end = greedy(theirs, PROMPTS[:1], 317)[0][len(PROMPTS[0]) + 4]
    before, ours.eos_token_id = ours.eos_token_id, end
    done = generate(ours, PROMPTS, sampler=LeftToRight(), max_new_tokens=NEW)
    ours.eos_token_id = before
    assert done.sequences == greedy(theirs, PROMPTS, end)
    assert len(done.sequences[0]) < len(PROMPTS[0]) + NEW


@pytest.mark.goldens
def test_of_several_ends_any_ends_a_text(pair, monkeypatch):
    theirs, ours = pair
    end = greedy(theirs, PROMPTS[:1], 317)[0][len(PROMPTS[0]) + 4]
    monkeypatch.setattr(ours, "config", {**ours.config, "eos_token_id": [317, end]})
    done = generate(ours, PROMPTS, sampler=LeftToRight(), max_new_tokens=NEW)
    assert done.sequences == greedy(theirs, PROMPTS, [317, end])
    assert done.sequences[0][-1] == end and done.call.header.end_token_ids == [317, end]
    assert done.texts[0] == " ".join(map(str, done.sequences[0][:-1]))


def plain(ours):
    """The same network as a folder without a mask token loads."""
    facts = {"config": ours.config, "shift": ours.shift, "attention_mask": ours.attention_mask, "eos_token_id": 317}
    return DiffusionLM(ours.network, mask_token_id=None, pad_token_id=PAD, **facts)


@pytest.mark.goldens
@pytest.mark.parametrize("pair", ["qwen3"], indirect=True)
@pytest.mark.parametrize(
    ("sampler", "cache"),
    [
        (LeftToRight(), None),
        (LeftToRight(), "block"),
        (LeftToRight(), "prefix"),
        (LeftToRight(block_length=4), "dual"),
        (Rnd1Entropy(block_length=1), None),
    ],
)
def test_without_a_mask_token_it_is_the_models_own_law_over_all_of_its_tokens(cache, sampler, pair):
    """A prompt may hold every id, and an answer too: nothing is ruled out. Also where the last ids are the likeliest."""
    theirs, ours = pair
    model, prompts = plain(ours), [*PROMPTS, [MASK, 5, MASK], [319, 0]]
    done = generate(model, prompts, sampler=sampler, max_new_tokens=NEW, cache=cache)
    assert done.sequences == greedy(theirs, prompts, 317, ruled_out=())
    if isinstance(sampler, LeftToRight):
        filled = infill(model, [[5, 6, 320, 320, 7], [9, 320, 8]], sampler=sampler).sequences
        alone = generate(model, [[5, 6]], sampler=sampler, max_new_tokens=2).sequences[0]
        assert filled[0] == [*alone, 7] and len(filled[1]) == 3


@pytest.mark.goldens
@pytest.mark.parametrize("pair", ["qwen3"], indirect=True)
@pytest.mark.parametrize(
    ("sampler", "asked"),
    [(LeftToRight(steps=4), {}), (LeftToRight(), {"guidance": 1.0}), (Rnd1Entropy(), {}), (Rnd1Entropy(block_length=2), {})],
)
def test_whoever_would_see_the_placeholder_is_refused(sampler, asked, pair):
    with pytest.raises(ModelError, match=r"no mask token.*sampler left_to_right, no steps, no guidance"):
        generate(plain(pair[1]), PROMPTS, sampler=sampler, max_new_tokens=8, **asked)


@pytest.mark.goldens
@pytest.mark.parametrize("pair", ["qwen3"], indirect=True)
@pytest.mark.parametrize("shift", [0, 1])
def test_a_model_that_sees_what_is_to_come_or_the_masks_place_itself_needs_its_mask_token(shift, pair):
    model = plain(pair[1])
    if shift:
        model.attention_mask = Bidirectional()
    model.shift = shift
    with pytest.raises(ModelError, match="no mask token"):
        generate(model, PROMPTS, sampler=LeftToRight(), max_new_tokens=8)
