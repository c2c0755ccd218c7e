"""What a caller of load_model says otherwise than the folder does: by id and by name, and what of it makes no sense."""

import shutil
from pathlib import Path

import pytest
import torch

from rnd1lib import load_model
from rnd1lib.models.tokenizer import train_tokenizer

SOURCE = Path(__file__).parents[1] / "goldens" / "hf" / "qwen3"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An autoregressive folder that names no mask token, with a tokenizer that has a token that could serve."""
    path = tmp_path_factory.mktemp("plain")
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(SOURCE / name, path / name)
    train_tokenizer(["a small text about small things"] * 3, 300).save(path)
    told = (path / "tokenizer_config.json").read_text()
    (path / "tokenizer_config.json").write_text(told.replace('"mask_token": "<|mask|>",', ""))
    return path


def test_a_mask_token_is_named_by_its_id_or_by_its_name(plain):
    assert not load_model(plain).has_mask_token
    by_name = load_model(plain, mask_token_id="<|mask|>")
    assert by_name.mask_token_id == by_name.tokenizer.tokens.token_to_id("<|mask|>")
    assert load_model(plain, mask_token_id=319).mask_token_id == 319


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (
            "<|mask>",
            "mask_token_id: '<|mask>' is no token of this model's tokenizer. Did you mean '<|mask|>'? Its special tokens: ",
        ),
        (-1, "mask_token_id: -1 is neither a token id nor a token's name"),
        (True, "mask_token_id: True is neither a token id nor a token's name"),
        (1.0, "mask_token_id: 1.0 is neither a token id nor a token's name"),
    ],
    ids=str,
)
def test_a_mask_token_that_the_model_does_not_have_is_a_sentence(plain, token, sentence):
    with pytest.raises(ValueError, match=r"\.$") as told:
        load_model(plain, mask_token_id=token)
    assert sentence in str(told.value)


def test_a_name_needs_a_tokenizer():
    with pytest.raises(ValueError, match="'<mask>' is a name, and this model has no tokenizer: give an id"):
        load_model(SOURCE, mask_token_id="<mask>")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"device": "gpu"}, "device: 'gpu' cannot be used: "),
        ({"device": "GPU:1"}, "A GPU is called 'cuda', or 'cuda:1'."),
        ({"device": torch.device("meta")}, "device: 'meta' cannot be used"),
        ({"device": None}, "device: 'None' cannot be used"),
        ({"dtype": "float16"}, "dtype: 'float16' is none of float32, bfloat16."),
        ({"dtype": torch.float16}, "dtype: 'float16' is none of float32, bfloat16."),
        ({"dtype": None}, "dtype: 'None' is none of"),
        ({"shift": 2}, "shift: 2 is neither 0 nor 1."),
        ({"shift": True}, "shift: True is neither 0 nor 1."),
        ({"shift": "1"}, "shift: '1' is neither 0 nor 1."),
        ({"attention_mask": 5}, "attention_mask: 5 is neither a name nor"),
        ({"attention_mask": {"block_length": 4}}, "is neither a name nor"),
        ({"attention_mask": "bidirectionl"}, "Did you mean 'bidirectional'?"),
        ({"attention_mask": {"use": "block_causal", "block_lenght": 4}}, "Did you mean 'block_length'?"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_sentences(wrong, sentence):
    with pytest.raises(ValueError, match=r"[.?]") as told:
        load_model(SOURCE, **wrong)
    assert sentence in str(told.value)
