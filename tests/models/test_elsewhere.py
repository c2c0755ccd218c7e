"""A run that was trained with components of a file: none is run because the folder names it, and a sentence says what to do."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from sampling_command import lines, mistake, rnd1

import rnd1lib
from rnd1lib.errors import ModelError, PluginError, Rnd1Error, SamplingError
from rnd1lib.models.elsewhere import ANYWHERE
from rnd1lib.plugins import installed

QWEN3 = Path(__file__).parents[1] / "goldens" / "hf" / "qwen3"
OWN = '''
from dataclasses import dataclass
from pathlib import Path

from rnd1lib import hookimpl
from rnd1lib.kinds import Decision

Path(__file__).with_name("was-run").touch()


@dataclass(frozen=True, kw_only=True)
class Window:
    """Neighbours alone."""

    def pattern(self, step):
        return "custom"

    def mask_mod(self, step):
        return lambda b, h, q, kv: (q - kv).abs() < 8


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """Masks late."""

    def alpha(self, t):
        return 1 - t**2

    def alpha_prime(self, t):
        return -2 * t


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """Commits all."""

    steps: int | None = None
    block_length: int | None = None
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    parity: None = None

    def decide(self, view):
        return Decision(view.position_N >= 0, None)


@hookimpl
def rnd1_register(register):
    register.attention_mask("window", Window)
    register.noise("quadratic", Quadratic)
    register.sampler("at_once", AtOnce)
'''


@pytest.fixture(autouse=True)
def as_installed(monkeypatch):
    """What a test adds is gone behind it."""
    monkeypatch.setattr(installed(), "registry", installed().registry)


@pytest.fixture(scope="module")
def trained(texts, tmp_path_factory):
    """The run of a recipe that names a file, and that file; whether it was run is seen in a file beside it."""
    folder = tmp_path_factory.mktemp("own plug-in")
    file = folder / "own.py"
    file.write_text(OWN)
    (folder / "own.yaml").write_text(
        f"extends: tiny/dense\nplugins: [./own.py]\nattention_mask: window\nnoise: quadratic\n"
        f"model: {{tokenizer: {{train: 400}}}}\ndata: {{use: text, path: '{texts}/*.txt'}}\n"
        f"train: {{steps: 1, batch_tokens: 512, sequence_length: 64, streams: 4}}\nevaluators: null\ncallbacks: null\n"
        f"run: {{folder: '{folder}/run'}}\n"
    )
    rnd1lib.train(rnd1lib.load_recipe(folder / "own.yaml"))
    (folder / "was-run").unlink()
    return folder / "run", file


def forget(file):
    """As in a new process."""
    for name in [name for name in sys.modules if name.startswith("rnd1_local_own_")]:
        del sys.modules[name]
    (file.parent / "was-run").unlink(missing_ok=True)


def test_loading_a_run_runs_no_file_that_its_recipe_names_and_says_which_to_add(trained):
    run, file = trained
    forget(file)
    with pytest.raises(ModelError) as told:
        rnd1lib.load_model(run)
    assert f"{run}: names the attention_mask 'window', and no plug-in here offers it." in str(told.value)
    assert f"rnd1 --plugin '{file}' sample ..., in Python add_plugins({str(file)!r})." in str(told.value)
    assert "add_plugins" in mistake(rnd1("sample", run, "a"))
    assert not (file.parent / "was-run").exists()


def test_a_caller_who_names_another_mask_needs_no_file_until_a_sampler_asks_for_the_noise(trained):
    model = rnd1lib.load_model(trained[0], attention_mask="bidirectional")
    assert rnd1lib.generate(model, ["a"], max_new_tokens=2).texts
    with pytest.raises(ModelError, match=r"the noise 'quadratic' .* asks for it\. .*add_plugins\(FILE\)"):
        rnd1lib.generate(model, ["a"], max_new_tokens=2, sampler="ancestral", steps=2)


def test_files_that_are_added_bring_mask_noise_and_sampler(trained):
    run, file = trained
    rnd1lib.add_plugins(file)
    model = rnd1lib.load_model(run)
    assert (type(model.attention_mask).__name__, type(model.noise).__name__) == ("Window", "Quadratic")
    assert rnd1lib.generate(model, ["a"], max_new_tokens=4, sampler="at_once").forward_calls == 1
    assert rnd1lib.components("sampler")["sampler"]["at_once"].package == str(file)
    rnd1lib.add_plugins(file)  # once more is no second registration
    assert rnd1lib.load_recipe(run / "recipe.yaml").components.noise.alpha(0.5) == 0.75


def test_the_command_line_adds_them_before_any_command(trained):
    run, file = trained
    assert lines(rnd1("--plugin", file, "sample", run, "a", "--max-new-tokens", 2, "--sampler", "at_once", "--json"))
    assert "Masks late." in "".join(lines(rnd1("--plugin", file, "components", "noise", "quadratic")))


def test_a_sampler_of_nobody_says_how_a_file_is_added_and_a_typo_what_was_meant(trained):
    model = rnd1lib.load_model(trained[0], attention_mask="causal")
    with pytest.raises(SamplingError, match=r"add_plugins\(FILE\), or rnd1 --plugin FILE before the command\.$"):
        rnd1lib.generate(model, ["a"], max_new_tokens=2, sampler="at_once")
    with pytest.raises(SamplingError, match="Did you mean 'rnd1_entropy'") as told:
        rnd1lib.generate(model, ["a"], max_new_tokens=2, sampler="rnd1_entropi")
    assert "add_plugins" not in str(told.value)


def test_a_folder_that_is_no_run_says_how_any_component_comes(tmp_path):
    folder = shutil.copytree(QWEN3, tmp_path / "model")
    (folder / "rnd1_config.json").write_text(
        json.dumps({"shift": 1, "mask_token_id": 315, "attention_mask": {"use": "window"}})
    )
    with pytest.raises(ModelError) as told:
        rnd1lib.load_model(folder)
    assert str(told.value) == f"{folder}: names the attention_mask 'window', and no plug-in here offers it. {ANYWHERE}"


def test_a_file_that_is_none_or_fails_or_takes_a_name_is_a_sentence(tmp_path):
    with pytest.raises(Rnd1Error, match=r"no\.py': there is no such file"):
        rnd1lib.add_plugins(tmp_path / "no.py")
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        rnd1lib.add_plugins(tmp_path / "broken.py")
    (tmp_path / "taken.py").write_text(OWN.replace('"quadratic"', '"linear"'))
    with pytest.raises(Rnd1Error, match="noise 'linear' is registered twice"):
        rnd1lib.add_plugins(tmp_path / "taken.py")
    assert "linear" in rnd1lib.components("noise")["noise"] and "at_once" not in rnd1lib.components("sampler")["sampler"]
