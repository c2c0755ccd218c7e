import pytest

from rnd1lib.models.loading import component_for
from rnd1lib.models.origins.facts import KNOWN, Facts, read_facts
from rnd1lib.models.tokens.tokenizer import train_tokenizer

BOTH_WAYS, CAUSAL = {"use": "bidirectional"}, {"use": "causal"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "rnd1"}, (1, 151669, BOTH_WAYS)),
        ({"model_type": "Dream", "is_causal": True}, (1, 151666, BOTH_WAYS)),
        ({"model_type": "dream", "mask_token_id": 0}, (1, 0, BOTH_WAYS)),
        ({"model_type": "llada", "mask_token_id": None}, (0, 126336, BOTH_WAYS)),
        ({"model_type": "lladamoe"}, (0, 156895, BOTH_WAYS)),
        ({"model_type": "sdar"}, (0, 151669, {"use": "block_causal", "block_length": 4})),
        ({"model_type": "a2d-qwen3"}, (0, 151669, BOTH_WAYS)),
        ({"model_type": "llama"}, (1, None, CAUSAL)),
        ({"model_type": "qwen2", "is_causal": False}, (1, None, BOTH_WAYS)),
        ({"model_type": ["llama"]}, (1, None, CAUSAL)),
        ({}, (1, None, CAUSAL)),
    ],
)
def test_what_a_folder_does_not_say_follows_from_its_model_type(config, expected, tmp_path):
    facts = read_facts(tmp_path, config)
    assert (facts.shift, facts.mask_token_id, facts.attention_mask) == expected
    assert (facts.noise, facts.step) == (None, 0)


def test_config_then_tokenizer_then_model_type_name_the_mask_token(tmp_path):
    assert read_facts(tmp_path, {"model_type": "Dream", "mask_token_id": 5}, 7).mask_token_id == 5
    assert read_facts(tmp_path, {"model_type": "Dream"}, 7).mask_token_id == 7
    assert read_facts(tmp_path, {"model_type": "qwen2"}, 7).mask_token_id == 7


def test_what_a_folder_says_of_itself_is_the_last_word(tmp_path):
    own = Facts(shift=0, mask_token_id=None, attention_mask=CAUSAL, step=3)
    own.write(tmp_path)
    assert read_facts(tmp_path, {"model_type": "Dream", "mask_token_id": 5}, 7) == own


def test_a_file_of_ones_own_may_leave_the_mask_token_out(tmp_path):
    (tmp_path / "rnd1_config.json").write_text('{"shift": 1, "attention_mask": {"use": "causal"}}')
    assert read_facts(tmp_path, {"mask_token_id": 3}, 7) == Facts(shift=1, mask_token_id=None, attention_mask=CAUSAL)


def test_every_model_type_of_the_table_has_a_component_that_reads_it():
    for model_type in KNOWN:
        assert model_type in component_for({"model_type": model_type}).model_types


ASSUMED = "(assumed, since nothing says that it is a diffusion model)"


@pytest.mark.parametrize(
    ("config", "of_tokenizer", "expected"),
    [
        ({"model_type": "rnd1"}, None, "shift 1, mask token 151669, bidirectional (known of model_type 'rnd1')"),
        (
            {"model_type": "Dream", "mask_token_id": 5},
            7,
            "shift 1 (known of model_type 'Dream'), mask token 5 (config.json), bidirectional (known of model_type 'Dream')",
        ),
        (
            {"model_type": "sdar"},
            7,
            "shift 0 (known of model_type 'sdar'), mask token 7 (the tokenizer), "
            "block_causal block_length 4 (known of model_type 'sdar')",
        ),
        ({"model_type": "llama"}, None, f"shift 1, no mask token, causal {ASSUMED}"),
        (
            {"model_type": "qwen2", "is_causal": False},
            None,
            f"shift 1, no mask token {ASSUMED}, bidirectional (config.json)",
        ),
    ],
)
def test_a_line_says_how_a_model_is_read_and_who_says_so(config, of_tokenizer, expected, tmp_path):
    assert read_facts(tmp_path, config, of_tokenizer).in_words(None) == expected


def test_what_is_recorded_and_what_is_given_are_told_apart(tmp_path):
    tokenizer = train_tokenizer(["one two"] * 3, 300)
    Facts(shift=0, mask_token_id=tokenizer.mask_token_id, attention_mask=CAUSAL).write(tmp_path)
    facts = read_facts(tmp_path, {}).altered(shift=1, mask_token_id=None, attention_mask=None)
    expected = f"shift 1 (given), mask token {tokenizer.mask_token_id} '<|mask|>', causal (rnd1_config.json)"
    assert facts.in_words(tokenizer) == expected
    assert "said_by" not in (tmp_path / "rnd1_config.json").read_text()


def test_a_shift_of_0_and_the_token_0_are_given_and_nothing_is_not():
    facts = Facts(shift=1, mask_token_id=5, attention_mask=CAUSAL)
    assert facts.altered(shift=0, mask_token_id=0) == Facts(shift=0, mask_token_id=0, attention_mask=CAUSAL)
    assert facts.altered(shift=None, mask_token_id=None) == facts
