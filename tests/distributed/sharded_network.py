"""Runs on two ranks: a network sharded over the ranks must hold, score and give back what the whole one does."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from rnd1_plugins.models.llada import Llada
from rnd1_plugins.models.llada_moe import LladaMoe
from rnd1_plugins.models.llama import Llama
from rnd1_plugins.models.qwen2 import Qwen2
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe
from torch.distributed.checkpoint.state_dict_saver import save
from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
from torchtitan.distributed import ParallelDims
from torchtitan.distributed.utils import set_spmd_backend

from rnd1lib import load_model
from rnd1lib.kinds import Build, Group
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.folder import open_folder
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.models.weights import folder_tensors, load_folder, parameters
from rnd1lib.titan.checkpoint.commit import CommittingWriter, Save
from rnd1lib.titan.optimizer.group_table import unmoved
from rnd1lib.titan.optimizer.moved import Beginning

MASK = 4000
FROZEN = frozenset({"tok_embeddings.weight", "lm_head.weight"})


def whole(component, config, mask=MASK):
    with torch.device("meta"):
        network = component.spec(config, Build(mask_token_id=mask, seed=5, sequence_length=64)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    return network


def sharded(component, config, expert_parallel, mask=MASK):
    parallelism = ParallelismConfig(expert_parallel_degree=expert_parallel, spmd_backend="partial_dtensor")
    spec = component.spec(config, Build(mask_token_id=mask, seed=5, sequence_length=64, frozen=FROZEN))
    spec.model.update_from_config(config=SimpleNamespace(parallelism=parallelism))
    with torch.device("meta"):
        network = spec.model.build()
    spec.parallelize_fn(
        network,
        parallel_dims=ParallelDims.from_config(parallelism, dist.get_world_size()),
        training=TrainingConfig(mixed_precision_param="float32"),
        parallelism=parallelism,
        compile_config=CompileConfig(),
        ac_config=None,
        dump_folder="",
    )
    network.to_empty(device="cpu")
    network.init_states()
    return network


def loss_of(network, ids_BL, rows_BL):
    positions_BL = torch.arange(ids_BL.shape[1]).expand(ids_BL.shape)
    hidden = network(ids_BL, positions=positions_BL)[rows_BL]
    labels = torch.arange(len(hidden))
    return network.lm_head(hidden, labels=labels, weights=torch.ones(len(hidden)), never=MASK)


def compare(component, expert_parallel, folder):
    config, rank = component.flavors["tiny"], dist.get_rank()
    alone, shared = whole(component, config), sharded(component, config, expert_parallel)
    sources = component.tensors(config)
    if expert_parallel > 1:
        experts = shared.get_parameter("layers.0.moe.routed_experts.inner_experts.w1_EFD").to_local()
        assert experts.shape[0] == config["num_experts"] // expert_parallel, experts.shape
    expected, gathered = dict(folder_tensors(alone, sources)), dict(folder_tensors(shared, sources))
    assert all(torch.equal(gathered[name], tensor) for name, tensor in expected.items())

    ids_BL = torch.randint(0, MASK, (2, 16), generator=torch.Generator().manual_seed(1))
    ids_BL[:, 3] = MASK
    rows_BL = torch.zeros_like(ids_BL, dtype=torch.bool)
    rows_BL[0, : 5 * rank] = True  # none on the first rank
    facts = {"config": config, "shift": 1, "mask_token_id": MASK, "attention_mask": Bidirectional()}
    ours, theirs = (DiffusionLM(network, **facts) for network in (shared, alone))
    torch.testing.assert_close(ours.logits(ids_BL), theirs.logits(ids_BL), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.logits(ids_BL, rows_BL=rows_BL), theirs.logits(ids_BL)[rows_BL], atol=1e-5, rtol=1e-4)
    caches = [model.prefill(ids_BL) for model in (ours, theirs)]
    at_BS = torch.tensor([[2, 9, 15], [0, 3, 4]])
    asked = {"at_BS": at_BS, "rows_BS": rows_BL[:, :3]}
    few, fewer = (
        model.extend(cache, ids_BL.gather(1, at_BS) - 1, **asked) for model, cache in zip((ours, theirs), caches, strict=True)
    )
    torch.testing.assert_close(few, fewer, atol=1e-5, rtol=1e-4)

    loss_of(shared, ids_BL, rows_BL).backward()
    everyones = torch.zeros_like(rows_BL)
    everyones[0, :5] = True
    loss_of(alone, ids_BL, everyones).backward()
    alones = parameters(alone)
    for name, parameter in parameters(shared).items():
        assert (parameter.grad is None) == (name in FROZEN), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad.full_tensor(), alones[name].grad, atol=1e-6, rtol=1e-3, msg=name)

    load_folder(shared, open_folder(folder), sources, mask_row=FirstRow("mean", trained=MASK))
    (table_name,) = sources[0].tensors
    table = open_folder(folder).tensor(table_name)
    row = parameters(shared)["tok_embeddings.mask_row"].full_tensor()
    torch.testing.assert_close(row, table[:MASK].mean(0))
    for name, tensor in folder_tensors(shared, sources):
        written = open_folder(folder).tensor(name)
        if name == table_name:
            written[MASK] = row
        assert torch.equal(tensor, written), name
    measure(shared)


def grow(component, expert_parallel, folder):
    """A table and head that grow by a block: every rank finds the rows of its own shard, old, new or both."""
    config, rows = component.flavors["tiny"], component.flavors["tiny"]["vocab_size"]
    larger, sources = config | {"vocab_size": rows + 64}, component.tensors(config)
    shared, alone = sharded(component, larger, expert_parallel, mask=rows), whole(component, larger, mask=rows)
    for network in (shared, alone):
        load_folder(network, open_folder(folder), sources, mask_row=FirstRow("mean", trained=rows))
    gathered = dict(folder_tensors(shared, sources))
    assert all(torch.equal(gathered[name], tensor) for name, tensor in folder_tensors(alone, sources))
    table = open_folder(folder).tensor("model.embed_tokens.weight")
    torch.testing.assert_close(gathered["model.embed_tokens.weight"][rows:], table.mean(0).expand(64, -1))


def reshard_run(component, path):
    """A run that two ranks of an expert-parallel group saved fills shards of FSDP alone, and one device."""
    config, sources = component.flavors["tiny"], component.tensors(component.flavors["tiny"])
    run, trained = RunFolder(path), sharded(component, config, 2)
    if dist.get_rank() == 0:
        run.model.mkdir(parents=True)
        run.recipe.write_text("about: a run\n")
        (run.model / "config.json").write_text(json.dumps(config))
        Facts(shift=1, mask_token_id=MASK, attention_mask={"use": "bidirectional"}).write(run.model)
    saved = Save(folder=run.checkpoints, step=3, id="0", world_size=2, recipe="")
    save(trained.state_dict(), storage_writer=CommittingWriter(saved))
    dist.barrier()
    expected = dict(folder_tensors(trained, sources))
    other = sharded(component, config, 1)
    for value in parameters(other).values():
        value.detach().to_local().fill_(torch.nan)
    load_folder(other, open_model(path), sources)
    for network in (other, load_model(path).network):
        assert all(torch.equal(tensor, expected[name]) for name, tensor in folder_tensors(network, sources))


@torch.no_grad()
def measure(network):
    """Half of a group's weights, those of the second rank, are twice as large as they were: every rank says so of all."""
    scale, group = parameters(network)["norm.weight"], Group("norms", "norm", torch.finfo(torch.float32).eps / 2, 0.0)
    scale.to_local().fill_(1.0)
    beginning = Beginning(network, [(group, ["norm.weight"])])
    scale.to_local().mul_(1 + dist.get_rank())
    moved = beginning.moved()
    assert abs(moved["norms_rms"] - 0.5**0.5) < 1e-9 and moved["norms_max"] == 1.0, moved
    assert unmoved(group, [scale]) == (2.0, 0.5)


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    set_spmd_backend("partial_dtensor")
    compare(Qwen3Moe(), 2, Path(sys.argv[1]) / "moe")
    compare(Qwen3Moe(), 1, Path(sys.argv[1]) / "moe")
    compare(Qwen3(), 1, Path(sys.argv[1]) / "dense")
    compare(Qwen2(), 1, Path(sys.argv[1]) / "biased")
    compare(LladaMoe(), 2, Path(sys.argv[1]) / "unscaled")
    compare(Llama(), 1, Path(sys.argv[1]) / "plain")
    compare(Llada(), 1, Path(sys.argv[1]) / "renamed")
    grow(Qwen3Moe(), 2, Path(sys.argv[1]) / "moe")
    grow(Qwen3(), 1, Path(sys.argv[1]) / "dense")
    reshard_run(Qwen3Moe(), Path(sys.argv[1]) / "run")
    if dist.get_rank() == 0:
        print("sharded and whole agree")
    dist.destroy_process_group()
