"""A folder in the hub's layout stands for a data set there; nothing here leaves the machine."""

import json

import pytest
from rnd1_plugins.data.hub import Hub

from rnd1lib import build, load_recipe
from rnd1lib.errors import DataError, RecipeError
from rnd1lib.kinds import Document

CARD = """---
configs:
- {config_name: plain, data_files: plain/*.jsonl, default: true}
- {config_name: other, data_files: other/*}
---
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "README.md").write_text(CARD)
    for name, shards in {"plain": 3, "other": 1}.items():
        (folder / name).mkdir()
        for shard in range(shards):
            lines = [json.dumps({"text": f"{name} {shard}.{row}", "number": row}) for row in range(7 + shard)]
            (folder / name / f"{shard}.jsonl").write_text("\n".join(lines) + "\n")
    return str(folder)


def texts(items):
    return [item.content for item in items if isinstance(item, Document)]


def test_the_default_configuration_or_the_one_that_is_named_is_read(folder):
    assert texts(Hub(path=folder).documents(0, 1))[:2] == ["plain 0.0", "plain 0.1"]
    assert texts(Hub(path=folder, name="other").documents(0, 1)) == [f"other 0.{row}" for row in range(7)]


def test_shards_are_dealt_out_to_streams_and_shared_where_there_are_too_few(folder):
    data = Hub(path=folder)
    assert {text[:7] for text in texts(data.documents(1, 2))} == {"plain 1"}
    assert {text[:7] for text in texts(data.documents(0, 2))} == {"plain 0", "plain 2"}
    assert texts(data.documents(4, 7)) == [f"plain 1.{row}" for row in (1, 3, 5, 7)]
    assert texts(data.documents(6, 7)) == [f"plain 0.{row}" for row in (2, 5)]


def test_a_cursor_is_small_and_a_second_resume_goes_on_as_the_first(folder):
    data = Hub(path=folder)
    whole = list(data.documents(0, 2))
    resumed = list(data.documents(0, 2, whole[4].cursor))
    assert resumed == whole[5:]
    assert list(data.documents(0, 2, resumed[3].cursor)) == whole[9:]
    assert json.dumps(whole[4].cursor) == '{"shard": 0, "row": 4}'


def test_a_row_that_holds_no_text_is_named(folder):
    items = list(Hub(path=folder, name="other", key="number").documents(0, 1))
    assert items[2].reason == f"hub: {folder}: row 2 of shard 0: 'number' holds no text, but int."
    (missing, *_) = Hub(path=folder, name="other", key="body").documents(0, 1)
    assert missing.reason.endswith("row 0 of shard 0: there is no key 'body'. Keys: 'text', 'number'.")


@pytest.mark.parametrize(("options", "what"), [({"name": "third"}, "third"), ({"split": "test"}, "test")])
def test_a_configuration_or_split_that_is_not_there_is_an_error(folder, options, what):
    with pytest.raises(DataError, match=rf"hub: .* cannot be opened: ValueError: .*{what}"):
        list(Hub(path=folder, **options).documents(0, 1))


def test_a_folder_with_code_and_no_data_is_an_error_and_the_code_is_not_run(tmp_path):
    (tmp_path / f"{tmp_path.name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(DataError, match="cannot be opened"):
        list(Hub(path=str(tmp_path)).documents(0, 1))
    assert not (tmp_path / "ran").exists()


def test_a_damaged_shard_ends_the_run(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n{"text": broken\n')
    with pytest.raises(DataError, match=r"hub: .* cannot be read: "):
        list(Hub(path=str(tmp_path)).documents(0, 1))


def test_epochs_of_what_is_not_counted_beforehand_are_refused_in_a_sentence(folder):
    assert build("data", "hub", path=folder).endless
    overrides = ["train.epochs=1", f"data={{use: mix, sources: {{a: {{use: hub, path: {folder}}}}}}}"]
    with pytest.raises(RecipeError, match=r"train\.epochs: the documents of 'mix' are not counted beforehand"):
        load_recipe("tiny/moe", overrides)
    with pytest.raises(ValueError, match="path: '' names no data set"):
        Hub(path="")
