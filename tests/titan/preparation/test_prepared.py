"""What a run is built of: rows that no step trains on, and what stands before a text."""

import pytest
import torch

import rnd1lib
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.titan.preparation.plan import plan_run
from rnd1lib.titan.preparation.prepared import Prepared
from rnd1lib.titan.runner import process_group


@pytest.fixture
def prepared(tiny, tmp_path):
    """prepared(override, ...) gives a field of the run of that recipe, as `train` builds it."""

    def make(read, *overrides):
        recipe, folder = rnd1lib.load_recipe(tiny, overrides), RunFolder(tmp_path / "run")
        with process_group(recipe, folder):
            return read(Prepared(recipe, plan_run(recipe, ranks=1), folder))

    return make


def test_what_fills_up_the_last_held_out_batch_is_not_scored(prepared):
    nll = "evaluators={nll: {use: nll, every: 2, rows: 3}}"
    batches = prepared(lambda run: run.held_out_batches(3, None), nll, "train.micro_batch_rows=2")
    assert [first for first, _ in batches] == [0, 2]
    assert [batch.maskable_BL.any(1).tolist() for _, batch in batches] == [[True, True], [True, False]]


@pytest.mark.parametrize("named", [None, 7])
def test_a_text_begins_with_what_the_model_begins_with_else_with_the_end_of_the_one_before(named, prepared):
    def rows(run):
        run.model_config["bos_token_id"] = named
        return run.rows_from_the_start().batch(0, 2), run.end_token_id, run.pad_token_id

    batch, end, padding = prepared(rows, "objective=a2d_shift")
    first = batch.ids_BL[(batch.positions_BL == 0) & (batch.ids_BL != padding)]
    assert len(first) > 2 and torch.equal(first, torch.full_like(first, end if named is None else named))
