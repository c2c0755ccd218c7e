import json
import resource
import signal

import pytest
from typer.testing import CliRunner

import rnd1lib
from rnd1lib.cli.app import command_line
from rnd1lib.data.shards import open_shards
from rnd1lib.errors import DataError, RecipeError
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.titan.tokenization import tokenize_recipe


def tokenized(recipe, *overrides):
    folder = recipe.parent / "tokens"
    done = CliRunner().invoke(command_line(), ["tokenize", str(recipe), str(folder), *overrides], catch_exceptions=False)
    assert done.exit_code == 0
    return folder


def test_the_folder_holds_every_document_and_the_tokenizer_that_reads_them(recipe):
    folder = tokenized(recipe)
    tokenizer, shards = load_tokenizer(folder), open_shards(folder)
    texts = [path.read_text() for path in sorted(recipe.parent.glob("*.txt"))][:-1]
    assert [tokenizer.decode(tokens.ids_N.tolist()) for _, tokens in shards.documents(0, 1)] == texts
    assert shards.header.documents == 12
    assert shards.header.vocabulary == tokenizer.vocabulary_sha256


def test_a_run_on_tokens_trains_as_the_run_on_their_texts(recipe):
    folder = tokenized(recipe)
    given = [f"model.tokenizer={folder}"]
    texts = rnd1lib.train(rnd1lib.load_recipe(recipe, given))
    ids = ["data={use: tokens}", f"data.path={folder}", f"run.folder={recipe.parent / 'ids'}"]
    tokens = rnd1lib.train(rnd1lib.load_recipe(recipe, [*given, *ids]))
    told = [[(line["loss"], line["tokens"], line["packed"]) for line in run.metrics] for run in (texts, tokens)]
    assert told[0] == told[1]
    assert len(told[0]) == 2


def test_conversations_keep_what_is_prompt_and_how_they_are_padded(recipe):
    talk = [{"role": "user", "content": "What do 1 and 1 make?"}, {"role": "assistant", "content": "2."}]
    (recipe.parent / "a.jsonl").write_text((json.dumps({"messages": talk}) + "\n") * 3)
    folder = tokenized(recipe, "data={use: chat, pad_to: row}", f"data.path={recipe.parent}/a.jsonl")
    prompt, answer = load_tokenizer(folder).encode_conversation(talk)
    for _, tokens in open_shards(folder).documents(0, 1):
        assert tokens.ids_N.tolist() == prompt + answer
        assert tokens.maskable_N.tolist() == [False] * len(prompt) + [True] * len(answer)
        assert tokens.pad_to == "row"


def test_tokens_of_another_tokenizer_are_refused_before_anything_starts(recipe):
    folder = tokenized(recipe)
    for tokenizer, what in (("{train: 400}", "are token ids. Use the tokenizer beside them"), ("other", "another tokenizer")):
        if tokenizer == "other":
            (recipe.parent / "00.txt").write_text("entirely new words that merge otherwise " * 50)
            tokenizer = tokenized_elsewhere(recipe)
        overrides = ["data={use: tokens}", f"data.path={folder}", f"model.tokenizer={tokenizer}"]
        with pytest.raises(RecipeError, match=what):
            rnd1lib.train(rnd1lib.load_recipe(recipe, overrides))
        assert not (recipe.parent / "run").exists()


def tokenized_elsewhere(recipe):
    folder = recipe.parent / "other"
    CliRunner().invoke(command_line(), ["tokenize", str(recipe), str(folder)], catch_exceptions=False)
    return folder


def test_what_is_there_is_not_written_over_and_a_recipe_without_a_tokenizer_is_told_so(recipe):
    folder = tokenized(recipe)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match="is there already"):
        tokenized(recipe)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(RecipeError, match=r"model\.tokenizer: missing"):
        CliRunner().invoke(
            command_line(),
            ["tokenize", str(recipe), str(recipe.parent / "new"), "model.tokenizer=null"],
            catch_exceptions=False,
        )
    assert not (recipe.parent / "new").exists()


def test_broken_lines_are_counted_named_and_left_out_and_too_many_leave_no_folder(recipe):
    lines = [json.dumps({"text": f"line {number}"}) for number in range(20)]
    (recipe.parent / "a.jsonl").write_text("\n".join([*lines[:7], "{broken", *lines[7:], '{"text": ""}']))
    data = ["data={use: jsonl}", f"data.path={recipe.parent}/a.jsonl"]
    with pytest.raises(DataError, match="1 of 22 documents are broken"):
        tokenized(recipe, *data)
    assert not list(recipe.parent.glob("tokens*"))
    folder = tokenized(recipe, *data, "data.on_error={skip: 5%}")
    tokenizer = load_tokenizer(folder)
    read = [tokenizer.decode(tokens.ids_N.tolist()) for _, tokens in open_shards(folder).documents(0, 1)]
    assert read == [f"line {number}" for number in range(20)]
    with pytest.raises(DataError, match=r"a\.jsonl:8: the line is not JSON"):
        CliRunner().invoke(
            command_line(),
            ["tokenize", str(recipe), str(recipe.parent / "new"), *data, "data.on_error=stop"],
            catch_exceptions=False,
        )
    assert not list(recipe.parent.glob("new*"))


def test_a_disk_that_is_full_is_told_and_leaves_nothing(recipe, tmp_path):
    """A limit on the size of files stands for the disk: writing fails as it does there, with an OSError."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    loaded = rnd1lib.load_recipe(recipe)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DataError, match="the tokenizer cannot be written: File too large"):
            tokenize_recipe(loaded, tmp_path / "out", lambda tally, tokens: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.glob("out*"))
