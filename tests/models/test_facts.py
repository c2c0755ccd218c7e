import pytest

from rnd1lib.models.facts import Facts, read_facts

BOTH_WAYS, CAUSAL = {"use": "bidirectional"}, {"use": "causal"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "rnd1"}, (1, 151669, BOTH_WAYS)),
        ({"model_type": "Dream", "is_causal": True}, (1, 151666, BOTH_WAYS)),
        ({"model_type": "dream", "mask_token_id": 0}, (1, 0, BOTH_WAYS)),
        ({"model_type": "llada", "mask_token_id": None}, (0, 126336, BOTH_WAYS)),
        ({"model_type": "lladamoe"}, (0, 156895, BOTH_WAYS)),
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
