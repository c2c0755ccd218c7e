"""Every family of networks learns from a few texts, in longer rows as well, and goes on from a folder of its own."""

import math

import pytest
import torch
from titan_runs import losses

import rnd1lib


@pytest.mark.parametrize(
    ("model", "objective"), [("llama", "a2d_shift"), ("qwen2", "a2d_shift"), ("llada", "mdlm"), ("llada_moe", "mdlm")]
)
def test_the_loss_of_a_tiny_network_falls(run, model, objective):
    loss = losses(run(f"model.use={model}", f"objective={objective}", "train.steps=12"))
    assert all(math.isfinite(value) for value in loss.values())
    assert loss[12] < loss[1] - 0.5


def test_a_run_begins_from_a_folder_in_its_familys_own_words(run, tmp_path):
    first = run("model.use=llada", "objective=mdlm", "train.steps=12")
    folder = rnd1lib.export(first.folder, tmp_path / "exported", layout="llada")
    init = f"model={{use: llada, flavor: null, init: '{folder}', tokenizer: null}}"
    second = run(init, "objective=mdlm", "train.steps=1", f"run.folder={tmp_path}/second")
    assert losses(second)[1] < losses(first)[1] - 0.5
    assert (second.model().config["hidden_size"], second.model().shift) == (96, 0)


def test_longer_rows_and_another_rope_base_become_the_models_own(run):
    longer = ["train.steps=1", "train.sequence_length=1024", "train.batch_tokens=2048", "train.streams=2"]
    model = run("model.use=llama", "model.rope_theta=3.0e5", *longer).model()
    assert (model.config["rope_theta"], model.config["max_position_embeddings"]) == (3e5, 1024)
    assert model.network.layers["0"].attention.rope.config.theta == 3e5
    assert model.logits(torch.zeros(1, 1024, dtype=torch.long)).shape == (1, 1024, 4096)
