"""Bad input of `rnd1 sample` and `rnd1 infill`: a sentence that says what is allowed, and exit code 2, each time."""

import inspect
import json
import shutil

import pytest
from sampling_command import lines, mistake, rnd1

import rnd1lib
from rnd1lib.cli.request import ARGUMENTS
from rnd1lib.errors import Rnd1Error
from rnd1lib.sampling.job import answers


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x y"], "--ids: 'x y' is not a list of token ids such as '5 9 13'."),
        (["5", "--option", "temperature"], "KEY=VALUE is expected"),
        (["5", "--option", "seed=1"], "seed is no option of a sampler"),
        *((["5", "--option", f"{name}=1"], f"{name} is no option of a sampler") for name in ("model", "prompts", "batch")),
        (["5", "--steps", "3", "--option", "steps=3"], "steps is given twice"),
        (["5", "--option", "temperature=-1"], "temperature: -1"),
        (["5", "--option", "temperature=NaN"], "temperature: nan is not a finite number of 0 or more"),
        (["5", "--option", "temperature=Infinity"], "temperature: inf is not a finite number"),
        (["5", "--option", "temperature=warm"], "temperature"),
        (["5", "--option", "top_p=0"], "top_p: 0.0 is outside (0, 1]"),
        (["5", "--option", "top_p=1.5"], "top_p: 1.5 is outside (0, 1]"),
        (["5", "--option", "top_k=0"], "top_k: 0 is below 1"),
        (["5", "--option", "temperatur=1"], "Did you mean 'temperature'?"),
        (["5", "--sampler", "rnd1_entropi"], "Did you mean 'rnd1_entropy'?"),
        (["5", "--cache", "prefiks"], "prefiks"),
        (["5", "--device", "gpu"], "device: 'gpu' cannot be used: "),
        (["5", "--device", "meta"], "device: 'meta' cannot be used: "),
        (["5", "--device", "cuda:99"], "device: 'cuda:99' cannot be used: "),
        (["5", "--steps", "0"], "steps: 0 is below 1"),
        (["5", "--batch", "0"], "batch: 0 is below 1"),
        (["5", "--seed", "-1"], "seed: -1 is not an integer of 0 or more"),
        (["5", "--guidance", "nan"], "guidance: nan is not a finite number of 0 or more"),
        (["5 315"], "prompt 0 holds the mask id 315: use infill to fill gaps"),
        (["5", "6 320"], "prompt 1 holds the id 320, outside the vocabulary: ids go from 0 to 319"),
        (["5 -1"], "prompt 0 holds the id -1, outside the vocabulary"),
        (["5 " + "9" * 5000], "is not a list of token ids"),
        (["5", "--max-new-tokens", "-1"], "max_new_tokens: -1 is not an integer of 0 or more"),
        (["5", "--max-new-tokens", "256"], "its 1 tokens and 256 new ones are 257, and the model's context is 256"),
        (["5", "--max-new-tokens", str(10**15)], "the model's context is 256"),
        (["5 " * 257, "--max-new-tokens", "0"], "prompt 0 is too long: its 257 tokens, and the model's context is 256"),
    ],
    ids=str,
)
def test_a_mistake_of_sample_is_a_sentence(folder, arguments, sentence):
    assert sentence in mistake(rnd1("sample", folder, "--ids", *arguments))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["[[3]] small"], "canvas 0 begins with a gap, and under shift 1 no token predicts the first one"),
        (["small", "a [[250]] b [[20]]"], "canvas 1 is too long"),
        (["a [[9999999]]"], "a gap of more than"),
    ],
    ids=str,
)
def test_a_mistake_of_infill_is_a_sentence(with_text, arguments, sentence):
    assert sentence in mistake(rnd1("infill", with_text, *arguments))


@pytest.mark.parametrize("called", [rnd1lib.generate, rnd1lib.infill, answers])
def test_no_argument_passes_for_an_option_of_a_sampler(called):
    every = inspect.signature(called).parameters.values()
    named = {each.name for each in every if each.kind is not inspect.Parameter.VAR_KEYWORD}
    assert named <= ARGUMENTS


def test_a_mask_token_named_in_a_text_is_a_mask(with_text):
    assert "holds the mask id 277" in mistake(rnd1("sample", with_text, "a <|mask|> text"))


def test_the_last_prompt_is_checked_before_the_first_is_continued(folder):
    told = mistake(rnd1("sample", folder, "--ids", "--batch", 1, *["5"] * 6, "320", "--max-new-tokens", 2))
    assert "prompt 6" in told


def test_a_text_needs_a_tokenizer(folder):
    assert "'text' is text, and the model has no tokenizer" in mistake(rnd1("sample", folder, "text"))


def test_an_empty_prompt_under_shift_1_begins_with_a_start_token_or_says_that_there_is_none(folder, tmp_path):
    (line,) = lines(rnd1("sample", folder, "", "--ids", "--max-new-tokens", 2, "--json"))
    assert json.loads(line)["ids"][0] == 317
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"eos_token_id": None, "bos_token_id": None}))
    assert "has neither a bos nor an eos token" in mistake(rnd1("sample", tmp_path, "", "--ids", "--max-new-tokens", 2))


def test_more_steps_than_masks_make_no_empty_forwards(folder):
    (line,) = lines(rnd1("sample", folder, "5", "--ids", "--max-new-tokens", 4, "--steps", 500, "--json"))
    assert json.loads(line)["forward_calls"] <= 4


@pytest.mark.parametrize("prompts", [["5 9"], ["5 9", "7"]])
def test_no_new_tokens_are_an_empty_result(folder, prompts):
    assert lines(rnd1("sample", folder, *prompts, "--ids", "--max-new-tokens", 0)) == prompts


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("runs/nothing", "runs/nothing: no such folder."),
        ("nothing", "nothing: no such folder."),
        ("models/tini", "no such folder. Did you mean models/tiny?"),
        ("models/tiny", "holds no config.json"),
        ("models/file", "is a file; name the folder of the model"),
    ],
)
def test_a_folder_that_is_none_is_told_at_once(model, sentence, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "file").touch()
    assert sentence in mistake(rnd1("sample", model, "x"))


@pytest.fixture
def plain(with_text, tmp_path):
    """A model folder that names no mask token, as a plain autoregressive one."""
    path = shutil.copytree(with_text, tmp_path / "plain")
    (path / "rnd1_config.json").unlink()
    told = (path / "tokenizer_config.json").read_text()
    (path / "tokenizer_config.json").write_text(told.replace('"mask_token": "<|mask|>",', ""))
    return path


def test_the_refusal_of_a_model_without_a_mask_token_names_the_flag_that_gives_it_one(plain):
    assert "--mask-token ID_OR_NAME" in mistake(rnd1("infill", plain, "a [[2]] b"))
    for token in ("<|mask|>", "277"):
        assert lines(rnd1("infill", plain, "small [[2]] things", "--mask-token", token))
    assert len(lines(rnd1("sample", plain, "small", "--sampler", "left_to_right", "--max-new-tokens", "3"))) == 1
    assert "Did you mean '<|mask|>'?" in mistake(rnd1("infill", plain, "a [[2]] b", "--mask-token", "<mask>"))
    assert "320 is outside the vocabulary of 320 tokens" in mistake(rnd1("infill", plain, "a [[2]] b", "--mask-token", "320"))


def test_what_the_folder_says_of_shift_and_attention_can_be_said_otherwise(with_text):
    ask = ["infill", with_text, "[[2]] small things", "--json"]
    assert "under shift 1 no token predicts the first one" in mistake(rnd1(*ask))
    texts = {
        json.loads(lines(rnd1(*ask, "--shift", "0", *mask))[0])["text"]
        for mask in ([], ["--attention-mask", "causal"], ["--attention-mask", "{use: block_causal, block_length: 2}"])
    }
    assert len(texts) > 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--shift", "2"], "shift: 2 is neither 0 nor 1."),
        (["--attention-mask", "bidirectionl"], "Did you mean 'bidirectional'?"),
        (["--attention-mask", "{use: block_causal, block_lenght: 4}"], "Did you mean 'block_length'?"),
        (["--attention-mask", "{use: "], "--attention-mask '{use: ': not YAML"),
        (["--attention-mask", "[causal]"], "is neither a name nor"),
    ],
    ids=str,
)
def test_what_makes_no_sense_of_a_model_is_a_sentence(folder, arguments, sentence):
    assert sentence in mistake(rnd1("sample", folder, "--ids", "5", *arguments))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("run", "run/checkpoints: holds no whole checkpoint. The run saves one at its end, and every `titan."),
        ("run/model", "run/model: is a part of a run. Name the run, run: its newest checkpoint is read."),
        ("run/checkpoints", "Name the run, run: "),
        ("run/checkpoints/step-3", "Name the run, run: "),
        ("run/recipe.yaml", "run/recipe.yaml: is a part of a run. Name the run, run: "),
        ("bare", "bare: is a run that has not begun: it holds a recipe and no model yet."),
        ("", "No model is named"),
        ("tiny/dense", "tiny/dense: is a recipe. A model is the folder of a run of it"),
        ("bare/recipe.yaml", "is a file; name the folder of the model"),
        ("x.gguf", "x.gguf: no such file."),
    ],
)
def test_what_is_no_model_of_a_run_says_what_to_name(folder, tmp_path, monkeypatch, model, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoints" / "step-3").mkdir(parents=True)
    (tmp_path / "bare").mkdir()
    shutil.copytree(folder, tmp_path / "run" / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    for name in ("run", "bare"):
        (tmp_path / name / "recipe.yaml").write_text("about: a run\n")
    error = rnd1("sample", model, "5", "--ids").exception
    assert isinstance(error, Rnd1Error) and sentence in str(error)


def test_a_model_that_was_exported_into_a_run_folder_is_a_model(folder, tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "recipe.yaml").write_text("about: a run\n")
    shutil.copytree(folder, tmp_path / "run" / "exported")
    assert lines(rnd1("sample", tmp_path / "run" / "exported", "5", "--ids", "--max-new-tokens", 0)) == ["5"]


@pytest.mark.parametrize("command", ["sample", "infill"])
@pytest.mark.parametrize("flag", ["--temperature", "--temperature=0.7", "--top-p", "--alg_temp"])
def test_a_samplers_option_that_is_written_as_a_flag_is_told_how_it_is_written(with_text, command, flag):
    key = flag.partition("=")[0].removeprefix("--").replace("-", "_")
    done = rnd1(command, with_text, "small [[2]]", flag, "0.7")
    assert mistake(done).endswith(f"is an option of a sampler, not of the command. Write --option {key}=VALUE.")


def test_behind_two_dashes_a_word_is_a_text_and_an_unknown_flag_is_the_parsers(with_text):
    assert len(lines(rnd1("sample", with_text, "--max-new-tokens", "2", "--", "--temperature"))) == 1
    unknown = rnd1("sample", with_text, "small", "--tracee", "x")
    assert unknown.exit_code == 2 and "No such option: --tracee" in unknown.output
