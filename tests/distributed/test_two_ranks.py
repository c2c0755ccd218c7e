"""Two gloo ranks train as one does: FSDP2, expert parallelism, accumulation, resume, ranks with nothing to score."""

import json
from pathlib import Path

import pytest
from processes import run_two_ranks
from titan_runs import BLOCKS, losses, mixture, write_damaged_lines, write_recipe, write_texts

import rnd1lib

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-ranks")
    write_texts(folder)
    write_damaged_lines(folder)
    (folder / "mixture.json").write_text(json.dumps(mixture(folder)))
    return write_recipe(folder, folder)


@pytest.fixture(scope="module")
def two(recipe):
    """What each of two ranks saw."""
    run_two_ranks(Path(__file__).with_name("two_ranks.py"), recipe, recipe.parent, *BLOCKS)
    return [json.loads((recipe.parent / f"seen-{rank}.json").read_text()) for rank in (0, 1)]


def numbered(seen):
    return {int(step): loss for step, loss in seen.items()}


@pytest.mark.parametrize("layout", ["fsdp", "ep", "accumulation"])
def test_the_losses_are_those_of_one_rank(whole, two, layout):
    alone, shared = losses(whole), numbered(two[0][layout])
    assert shared.keys() == alone.keys()
    assert shared[1] == pytest.approx(alone[1], rel=1e-6)
    assert all(shared[step] == pytest.approx(alone[step], rel=1e-5) for step in alone)


def test_block_diffusion_trains_and_is_measured_as_on_one_rank(recipe, two):
    """Times a block, redrawn masks, doubled rows: experts on two ranks, four micro-batches a step, and none of it alone."""
    options = [f"run.folder={recipe.parent}/blocks-alone", "evaluators={nll: {use: nll, rows: 9, every: 6}}", *BLOCKS]
    alone = rnd1lib.train(rnd1lib.load_recipe(recipe, options))
    shared = numbered(two[0]["blocks"])
    assert len(shared) == 6 and shared[1] == pytest.approx(losses(alone)[1], rel=1e-6)
    assert all(shared[step] == pytest.approx(loss, rel=1e-5) for step, loss in losses(alone).items())
    measured = [line["nll"] for line in alone.metrics if "evaluator" in line]
    assert len(measured) == 2 and two[0]["nll of blocks"] == pytest.approx(measured, rel=1e-5)


def test_documents_and_sources_are_counted_as_on_one_rank(recipe, two):
    alone = rnd1lib.train(rnd1lib.load_recipe(recipe, [f"run.folder={recipe.parent}/mixed-alone", *mixture(recipe.parent)]))
    assert two[0]["mixed"] == [[line["documents"], line["sources"]] for line in alone.metrics]
    assert two[0]["mixed"][-1][0]["skipped"] > 0
    assert all("documents are broken, and data.on_error allows" in seen["refused"] for seen in two)


def test_quantized_experts_of_two_ranks_give_the_losses_of_one(recipe, two):
    options = [f"run.folder={recipe.parent}/one-mxfp8", "train.precision=mxfp8", "train.steps=3"]
    alone = losses(rnd1lib.train(rnd1lib.load_recipe(recipe, options)))
    assert numbered(two[0]["mxfp8"]) == pytest.approx(alone, rel=1e-3)


def test_the_corrupted_global_batch_is_the_same(recipe, whole, two, monkeypatch):
    from rnd1lib.titan.trainer import DiffusionTrainer

    plain, alone = DiffusionTrainer.post_dataloading_process, {}

    def watch(self, input_dict, labels):
        ids, labels, extra = plain(self, input_dict, labels)
        alone[self.step] = ids.tolist()
        return ids, labels, extra

    monkeypatch.setattr(DiffusionTrainer, "post_dataloading_process", watch)
    rnd1lib.train(rnd1lib.load_recipe(recipe, [f"run.folder={recipe.parent}/watched", "run.stop_after=2"]))
    mask = whole.model().mask_token_id
    assert sum(row.count(mask) for row in alone[2]) > 20
    assert two[0]["corrupted"] == two[1]["corrupted"] == alone[2]


def test_each_rank_holds_half_of_the_experts_and_tokens_cross_ranks(two):
    for rank in two:
        assert rank["whole experts"] == [8] and rank["experts"] == [4]
        assert rank["crossed"] > 100


def test_a_resumed_run_is_bit_equal(two):
    assert two[0]["resumed"] == two[0]["ep"]
    assert two[0]["digests"]["resumed"] == two[0]["digests"]["ep"]


def test_a_checkpoint_of_two_ranks_goes_on_with_one(recipe, two):
    folder = recipe.parent
    rnd1lib.train(rnd1lib.load_recipe(recipe, [f"run.folder={folder}/ep", "train.steps=8"]))
    whole = rnd1lib.train(rnd1lib.load_recipe(recipe, [f"run.folder={folder}/longer", "train.steps=8"]))
    metrics = [json.loads(line) for line in (folder / "ep/metrics.jsonl").read_text().splitlines()]
    shared = {line["step"]: line["loss"] for line in metrics if "loss" in line}
    assert all(shared[step] == pytest.approx(loss, rel=1e-5) for step, loss in losses(whole).items())


def test_a_rank_with_nothing_to_score_takes_part(two):
    assert all(0 < loss < 10 for loss in two[0]["one rank scores nothing"].values())


def test_a_batch_with_nothing_maskable_has_loss_zero(two):
    assert set(two[0]["nothing maskable"].values()) == {0.0}


def test_ranks_agree_on_the_checkpoint_to_go_on_from_and_a_save_that_fails_on_one_is_tried_again(recipe, two):
    assert two[0]["damaged"] == two[0]["ep"] and [rank["failed"] for rank in two] == [[], ["__1_0.distcp"]]
    names = sorted(path.name.partition("-")[2][:9] for path in (recipe.parent / "damaged/checkpoints").iterdir())
    assert names == ["1", "2", "3.damaged", "6"]


def test_a_gradient_that_one_rank_alone_finds_not_finite_is_passed_over_by_both(recipe, two):
    assert [rank["skipped"] for rank in two] == [[False, True, False]] * 2
    assert sorted(path.name for path in (recipe.parent / "spoilt/non_finite").iterdir()) == [
        f"step-2-rank-{rank}.safetensors" for rank in (0, 1)
    ]


def test_evaluators_and_samples_agree_between_ranks(recipe, two):
    alone = rnd1lib.train(
        rnd1lib.load_recipe(
            recipe, [f"run.folder={recipe.parent}/alone", "train.steps=1", "evaluators={nll: {use: nll, rows: 9}}"]
        )
    )
    expected = [line["nll"] for line in alone.metrics if "evaluator" in line]
    assert two[0]["nll"] == two[1]["nll"] and two[0]["nll"] == pytest.approx(expected, rel=1e-5)
