"""Keys and values kept between passes: the same text where that is promised, for the tokens that were worked out by hand."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnd1lib
from rnd1lib.errors import Note, SamplingError

MASK, CACHES = 315, ("prefix", "dual", "block")
EXACT = {
    "causal": {},
    "block_causal": {"block_length": 4},
    "block_diffusion": {"block_length": 3, "sequence_length": 8},
}
SAMPLERS = {
    "entropy": {"sampler": "rnd1_entropy"},
    "entropy, drawn": {"sampler": "rnd1_entropy", "block_length": 5, "temperature": 1.0, "top_p": 0.9},
    "entropy bounded": {"sampler": "rnd1_entropy", "eb_gamma": 3.0, "block_length": 4},
    "low confidence": {"sampler": "llada", "block_length": 4},
    "random": {"sampler": "llada", "steps": 9, "remasking": "random", "temperature": 1.0},
    "dream": {"sampler": "dream", "alg": "topk_margin", "block_length": 3},
    "dream at random": {"sampler": "dream", "steps": 9, "temperature": 1.0},
    "threshold": {"sampler": "threshold", "threshold": 0.3, "block_length": 6},
    "factor": {"sampler": "factor", "factor": 1.2},
    "ancestral": {"sampler": "ancestral", "steps": 9, "temperature": 1.0},
    "p2": {"sampler": "p2", "steps": 8},
    "p2 in blocks": {"sampler": "p2", "steps": 12, "block_length": 4},
    "left to right": {"sampler": "left_to_right"},
}
PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [40], [60, 61, 62, 63]]
CANVASES = [
    [5, 6, MASK, MASK, 9, MASK, 11, 12, MASK, MASK, MASK, 16, MASK],
    [40, MASK, MASK],
    [60, 61, 62],
    [70, *[MASK] * 7, 78, 79, MASK, MASK, 82],
]


@pytest.fixture(scope="module")
def network(goldens):
    return rnd1lib.load_model(goldens / "hf/qwen3", mask_token_id=MASK)


@pytest.fixture(scope="module")
def model_of(network):
    """(mask, shift, options of the mask) -> the model read so."""

    def under(mask, shift=0, **options):
        network.attention_mask, network.shift = rnd1lib.build("attention_mask", mask, **options), shift
        return network

    return under


def generated(model, prompts=PROMPTS, new=9, **options):
    """Without the note that a cache is approximate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        return rnd1lib.generate(model, prompts, max_new_tokens=new, **options)


@pytest.mark.parametrize("label", SAMPLERS)
@pytest.mark.parametrize("mask", EXACT)
def test_where_nothing_behind_a_block_is_seen_a_cache_changes_no_token(model_of, mask, label):
    for shift in (0, 1):
        model, options = model_of(mask, shift, **EXACT[mask]), SAMPLERS[label] | {"seed": 3, "guidance": 0.7 * shift}
        plain, filled = generated(model, **options), rnd1lib.infill(model, CANVASES, **options)
        for cache in CACHES:
            assert generated(model, cache=cache, **options).sequences == plain.sequences, (shift, cache)
            kept = rnd1lib.infill(model, CANVASES, cache=cache, **options)
            assert kept.sequences == filled.sequences, (shift, cache)
            assert kept.forward_calls == filled.forward_calls
            assert kept.token_forwards <= filled.token_forwards


def tokens(model, prompt, new, **options):
    return {cache: generated(model, [prompt], new, cache=cache, **options).token_forwards for cache in (None, *CACHES)}


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_the_tokens_run_by_each_policy_are_those_worked_out_by_hand(model_of, guidance):
    """Five given, 8 new, one a step: 13 in all. Blocks of 4 from the prompt's end are [5, 9) and [9, 13)."""
    five, times = [300, 150, 65, 50, 279], 2 if guidance else 1  # a twin each under guidance
    blocks = {"sampler": "left_to_right", "block_length": 4, "guidance": guidance}
    alone = {"sampler": "left_to_right", "guidance": guidance}
    expected = {
        ("bidirectional", 0): {
            None: 8 * 13,
            "prefix": 13 + 3 * 8 + 13 + 3 * 4,  # all, then [5, 13); all, then [9, 13)
            "dual": 13 + 3 * 4 + 13 + 3 * 4,  # all, then [5, 9); all, then [9, 13)
            "block": 13 + 3 * 8 + 8 + 3 * 4,  # all, then [5, 13), once more for what block 1 became; then [9, 13)
        },
        ("bidirectional", 1): {
            None: 8 * 13,
            "prefix": 13 + 3 * 9 + 13 + 3 * 5,  # from one to the left
            "dual": 13 + 3 * 5 + 13 + 3 * 5,
            "block": 13 + 3 * 8 + 8 + 3 * 4,  # the token on the left is as it was
        },
        ("causal", 1): {
            None: 8 * 13,
            "prefix": 13 + 3 * 9 + 13 + 3 * 5,
            "dual": 13 + 3 * 5 + 13 + 3 * 5,
            "block": 5 + 7,  # the prompt, then each token once, the last one never
        },
    }
    for (mask, shift), counts in expected.items():
        ran = tokens(model_of(mask, shift), five, 8, **blocks)
        assert ran == {cache: times * count for cache, count in counts.items()}, (mask, shift)
    ran = tokens(model_of("block_causal", 0, block_length=4), five, 8, **alone)
    assert ran == {
        None: times * 8 * 13,
        "prefix": times * (13 + 2 * 9 + 13 + 3 * 5 + 13),  # the model's blocks: [4, 8) with 3 gaps, [8, 12), [12, 13)
        "dual": times * (13 + 2 * 4 + 13 + 3 * 4 + 13),
        "block": times * (8 + 2 * 4 + 8 + 3 * 4 + 5),  # [0, 8), [4, 8); [4, 12), [8, 12); [8, 13)
    }


def test_a_batch_runs_the_tokens_of_its_rows(model_of):
    for mask, options in (("bidirectional", {}), ("causal", {}), ("block_causal", {"block_length": 4})):
        model = model_of(mask, 1, **options)
        for cache in (None, *CACHES):
            asked = {"sampler": "llada", "block_length": 3, "cache": cache}
            together = generated(model, PROMPTS, **asked)
            alone = [generated(model, [prompt], **asked) for prompt in PROMPTS]
            assert together.token_forwards == sum(done.token_forwards for done in alone), (mask, cache)
            assert together.forward_calls == max(done.forward_calls for done in alone)


@settings(max_examples=25)
@given(
    mask=st.sampled_from(["bidirectional", "causal", "block_causal", "annealing"]),
    cache=st.sampled_from(CACHES),
    label=st.sampled_from(list(SAMPLERS)),
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    shift=st.integers(0, 1),
    guidance=st.sampled_from([0.0, 1.5]),
)
def test_a_row_with_a_cache_does_not_depend_on_its_batch_mates(model_of, mask, cache, label, lengths, shift, guidance):
    options = {"block_causal": {"block_length": 3}, "annealing": {"steps": 20}}.get(mask, {})
    model = model_of(mask, shift, **options)
    prompts = [[(7 * number + 3 * place) % 300 for place in range(length)] for number, length in enumerate(lengths)]
    asked = SAMPLERS[label] | {"cache": cache, "guidance": guidance, "new": 6}
    together = generated(model, prompts, **asked)
    for number, prompt in enumerate(prompts):
        assert generated(model, [prompt], numbers=[number], **asked).sequences == [together.sequences[number]]


@pytest.mark.parametrize("folder", ["qwen3", "qwen3_moe"])
def test_left_to_right_with_block_is_greedy_decoding_for_its_price(goldens, folder):
    import torch
    from transformers import AutoModelForCausalLM

    ours = rnd1lib.load_model(goldens / "hf" / folder, mask_token_id=MASK)
    theirs = AutoModelForCausalLM.from_pretrained(goldens / "hf" / folder, dtype=torch.float32)
    assert (ours.block_length, ours.shift) == (1, 1)
    new = 24
    done = generated(ours, PROMPTS, new, sampler="left_to_right", cache="block")
    for prompt, row in zip(PROMPTS, done.sequences, strict=True):
        greedy = theirs.generate(
            torch.tensor([prompt]), max_new_tokens=new, do_sample=False, bad_words_ids=[[MASK]], pad_token_id=316
        )
        assert row == greedy[0].tolist()
    ran = sum(len(row) - 1 for row in done.sequences)  # prompt + new - 1, fewer where the text ends
    assert done.token_forwards == ran


def test_a_sampler_without_blocks_walks_those_of_the_model_from_the_start_of_the_text(model_of):
    model = model_of("block_causal", 0, block_length=4)
    steps = generated(model, [[1, 2, 3, 4, 5]], 8, sampler="rnd1_entropy").steps
    assert [step.committed_BL[0].nonzero()[0, 0].item() // 4 for step in steps] == [1] * 3 + [2] * 4 + [3]
    same = generated(model, [[1, 2, 3, 4, 5]], 8, sampler="rnd1_entropy", block_length=4).steps
    assert [step.ids_BL.tolist() for step in same] == [step.ids_BL.tolist() for step in steps]
    others = generated(model, [[1, 2, 3, 4, 5]], 8, sampler="rnd1_entropy", block_length=2).steps
    assert [(step.committed_BL[0].nonzero()[0, 0].item() - 5) // 2 for step in others] == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(SamplingError, match=r"2 are too few for 3 blocks of 4 \(the model's\)"):
        generated(model, [[1, 2, 3, 4, 5]], 8, sampler="rnd1_entropy", steps=2)


def test_an_approximate_cache_says_so_and_an_exact_one_does_not(model_of):
    with pytest.warns(Note, match="prefix is approximate") as heard:
        done = rnd1lib.generate(model_of("bidirectional"), PROMPTS, max_new_tokens=2, cache="prefix")
    assert heard[0].filename == __file__
    assert (done.call.header.cache, done.call.header.exact) == ("prefix", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = rnd1lib.generate(model_of("causal"), PROMPTS, max_new_tokens=2, cache="prefix")
    assert (done.call.header.cache, done.call.header.exact) == ("prefix", True)
    assert generated(model_of("bidirectional"), new=2).call.header.exact


def test_a_cache_that_is_not_to_be_had_is_one_sentence(model_of, TableModel):
    with pytest.raises(SamplingError, match=r"'prefx' is none of prefix, dual, block"):
        generated(model_of("causal"), cache="prefx")
    with pytest.raises(SamplingError, match="keeps keys and values, and this one has no prefill"):
        generated(TableModel(), cache="dual")


def test_nothing_to_fill_costs_no_pass(model_of):
    for cache in (None, *CACHES):
        for done in (
            generated(model_of("causal"), [], cache=cache),
            generated(model_of("causal"), [[1]], 0, cache=cache),
            rnd1lib.infill(model_of("causal"), [[1, 2]], cache=cache),
        ):
            assert (done.forward_calls, done.token_forwards) == (0, 0)
