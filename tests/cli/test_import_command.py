import pytest
import torch
from gguf_files import write
from safetensors.torch import load_file
from typer.testing import CliRunner

from rnd1lib.cli.app import command_line
from rnd1lib.errors import ModelError, Rnd1Error

FOUND = ["out/config.json", "out/generation_config.json", "out/model.safetensors", "out/rnd1_config.json", "out/README.md"]


def rnd1(*words):
    return CliRunner().invoke(command_line(), ["import", *map(str, words)], catch_exceptions=False)


def test_what_was_decided_and_compared_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.gguf", kind="Q8_0")
    result = rnd1("small.gguf", "out", "--mask-token", "<empty_output>")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "small.gguf: LlamaForCausalLM, 2 layers of width 256, vocabulary 269, head tied to the table"
    )
    assert "mask token 3 '<empty_output>'" in result.stdout
    assert "out: written and read back: 20 tensors, 3 MB, equal bit for bit." in result.stdout
    assert {*FOUND, "out/tokenizer.json"} <= {str(path.relative_to(tmp_path)) for path in (tmp_path / "out").iterdir()}


def test_mistakes_are_sentences_and_leave_nothing(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        rnd1(tmp_path / "none.gguf", tmp_path / "out")
    write(tmp_path / "small.gguf")
    with pytest.raises(Rnd1Error, match=r"--dtype: 'int8' is none of float32, bfloat16\."):
        rnd1(tmp_path / "small.gguf", tmp_path / "out", "--dtype", "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["small.gguf"]


def test_a_number_is_an_id_and_every_option_is_heard(tmp_path):
    write(tmp_path / "small.gguf")
    asked = ("--mask-token", "3", "--mask-row", "zero", "--dtype", "bfloat16")
    result = rnd1(tmp_path / "small.gguf", tmp_path / "out", *asked)
    assert "mask token 3 '<empty_output>' (as asked); its row is zeros." in result.stdout
    table = load_file(tmp_path / "out" / "model.safetensors")["model.embed_tokens.weight"]
    assert table.dtype == torch.bfloat16
    assert not table[3].any() and table[4].any()
