"""Runs that begin from a GGUF file, and from what an import made of one."""

import pytest
import torch
from gguf_files import write
from rnd1_plugins.models.llama import Llama

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.models.importing import import_model
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.titan.preparation.plan import plan_run

FREEZE = "lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}"
SHIFTED, UNSHIFTED = "objective=a2d_shift", "objective=mdlm"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "x.gguf"
    write(path, kind="Q8_0")
    return path


def model(init, **others):
    options = {"use": "llama", "flavor": "null", "tokenizer": "null", "init": init, **others}
    return f"model={{{', '.join(f'{key}: {value}' for key, value in options.items())}}}"


def test_a_run_begins_from_the_dequantised_weights_and_its_tokenizer_is_the_files(run, file):
    result = run(model(file, mask_token_id="<empty_output>"), SHIFTED, FREEZE, "train.steps=1", "train.warmup=0")
    trained, origin = result.model(), open_gguf(file)
    assert (trained.mask_token_id, trained.eos_token_id) == (3, 2)
    assert trained.tokenizer.encode("a  12") == origin.tokenizer.encode("a  12")
    frozen = [source for source in Llama().tensors(origin.config) if "feed_forward" in source.parameter]
    assert len(frozen) == 6
    for source in frozen:
        assert torch.equal(trained.network.get_parameter(source.parameter), origin.tensor(*source.tensors))


def test_an_imported_autoregressive_model_takes_an_objective_of_either_shift(tiny, file, tmp_path):
    folder = import_model(file, tmp_path / "out", mask_token="<empty_output>").path
    for objective in (SHIFTED, UNSHIFTED):
        start = plan_run(rnd1lib.load_recipe(tiny, [model(folder), objective]), 1).start
        assert start.mask_token_id == 3


def test_a_file_that_is_of_another_family_than_the_recipe_is_refused(tiny, file):
    with pytest.raises(RecipeError, match=r"x\.gguf has model_type 'llama', and the model 'qwen3' reads qwen3"):
        plan_run(rnd1lib.load_recipe(tiny, [model(file, use="qwen3")]), 1)
