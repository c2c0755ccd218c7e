"""What a run does with documents that are broken, and how many it says there were."""

import pytest
from titan_runs import losses, mixture, write_damaged_lines, write_texts

import rnd1lib
from rnd1lib.errors import DataError, RecipeError


@pytest.fixture
def damaged(tmp_path):
    """Two hundred lines: four broken, two empty."""
    return f"data={{use: jsonl, path: {write_damaged_lines(tmp_path)}}}"


def test_what_was_skipped_is_counted_named_and_the_same_after_a_resume(run, tmp_path, damaged, capsys):
    damaged, *steps = damaged, "train.batch_tokens=2048", "train.steps=8"
    loose = (damaged, "data.on_error={skip: 5%}", *steps)
    whole = run(*loose, f"run.folder={tmp_path}/whole")
    said = capsys.readouterr().err
    assert f"skipped: {tmp_path}/damaged.jsonl:21: the line is not JSON" in said
    assert "200 documents read for the first time: 194 kept, 0 held out, 2 dropped (empty), 4 skipped (broken)" in said
    run(*loose, "run.stop_after=2")
    resumed = run(damaged, "data.on_error={skip: 100%}", *steps)
    assert losses(resumed) == losses(whole)
    counts = [[line["documents"] for line in result.metrics] for result in (whole, resumed)]
    assert counts[0] == counts[1]
    assert counts[0][-1] == {"kept": 194, "held_out": 0, "dropped": 2, "skipped": 4}


def test_more_than_the_recipe_allows_end_the_run(run, damaged):
    with pytest.raises(DataError, match=r"documents are broken.*allows 0\.1000%"):
        run(damaged)
    with pytest.raises(DataError, match=r"4 of 200 documents are broken.*damaged\.jsonl:21: "):
        run(damaged, "evaluators={nll: {use: nll, rows: 4}}")  # which reads all documents before the first step


def test_stop_ends_at_the_first_that_is_read(run, damaged):
    with pytest.raises(DataError, match=r"damaged\.jsonl:21: .*on_error allows no broken document"):
        run(damaged, "data.on_error=stop", "evaluators={nll: {use: nll, rows: 4}}")


def test_data_that_are_broken_throughout_are_told_with_the_first_line_before_anything_is_written(run, tmp_path):
    (tmp_path / "broken.jsonl").write_text("{\n" * 3, encoding="utf-8")
    broken = f"{{use: jsonl, path: {tmp_path}/broken.jsonl}}"
    with pytest.raises(DataError, match=r"no document in it but 3 broken\. The first: .*broken\.jsonl:1: the line is not JSON"):
        run(f"data={broken}")
    with pytest.raises(
        DataError, match=r"'a' has no document that can be read\. The first that is broken: .*broken\.jsonl:1: "
    ):
        run(f"data={{use: mix, sources: {{a: {broken}, b: python_docs}}}}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["skip", "{skip: 2}", "{skip: 101%}", "{skip: much%}", "{skip: 1%, stop: 1}"])
def test_another_value_is_refused_in_a_sentence(run, value):
    with pytest.raises(RecipeError, match=r"data\.on_error: .* is neither `stop` nor \{skip: a share such as 0\.1%\}"):
        run(f"data.on_error={value}")


def test_a_mixture_says_how_many_tokens_of_a_step_came_from_each_source(run, tmp_path, damaged):
    write_texts(tmp_path)
    whole = run(*mixture(tmp_path), "train.steps=12", f"run.folder={tmp_path}/whole").metrics
    run(*mixture(tmp_path), "train.steps=12", "run.stop_after=5")
    resumed = run(*mixture(tmp_path), "train.steps=12").metrics
    assert [line["sources"] for line in resumed] == [line["sources"] for line in whole]
    assert all(line["tokens"] <= sum(line["sources"].values()) <= 512 for line in whole)
    lines, texts = (sum(line["sources"][name] for line in whole) for name in ("lines", "texts"))
    assert lines / (lines + texts) == pytest.approx(2 / 3, abs=0.06)


def test_a_run_does_not_go_on_with_other_documents_unless_told_to(run, tiny, tmp_path, damaged):
    loose = (damaged, "data.on_error={skip: 5%}")
    run(*loose, "run.stop_after=2")
    lines = tmp_path / "damaged.jsonl"
    lines.write_text(lines.read_text().replace("number 199", "number 999"))
    with pytest.raises(DataError, match=r"data have changed since .*damaged\.jsonl\. .*--accept-changed-data"):
        run(*loose)
    accepted = rnd1lib.train(rnd1lib.load_recipe(tiny, [*loose, "run.stop_after=4"]), accept_changed_data=True)
    assert max(losses(accepted)) == 4
    assert max(losses(run(*loose))) == 6  # what was accepted is what the run has now
