"""Runs on two ranks: several trainings in one process.

Writes what it saw to OUT/seen-RANK.json; `test_two_ranks.py` asks about it.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

import rnd1lib
from rnd1lib.diffusion import IGNORE
from rnd1lib.errors import DataError
from rnd1lib.titan import trainer
from rnd1lib.titan.checkpoint import commit

RECIPE, OUT, BLOCKS = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
EP = "titan.parallelism.expert_parallel_degree=2"
MIXTURE = json.loads((OUT / "mixture.json").read_text())
seen: dict[str, object] = {}
plain_targets = trainer.DiffusionTrainer.post_dataloading_process


def losses(result):
    return {line["step"]: line["loss"] for line in result.metrics if "loss" in line}


def train(name, *overrides):
    return rnd1lib.train(rnd1lib.load_recipe(RECIPE, [f"run.folder={OUT / name}", *overrides]))


def digest(folder):
    model = rnd1lib.load_model(folder)
    whole = hashlib.sha256()
    for name, value in sorted(model.network.named_parameters()):
        whole.update(name.encode() + value.numpy().tobytes())
    return whole.hexdigest()


def watch(self, input_dict, labels):
    ids, labels, extra = plain_targets(self, input_dict, labels)
    if self.step == 2:
        mine = [torch.empty_like(ids) for _ in range(dist.get_world_size())]
        dist.all_gather(mine, ids.contiguous())
        seen["corrupted"] = torch.cat(mine).tolist()
        seen["experts"] = sorted({len(p.to_local()) for name, p in self.network.named_parameters() if "inner_experts" in name})
        seen["whole experts"] = sorted({p.shape[0] for name, p in self.network.named_parameters() if "inner_experts" in name})
    return ids, labels, extra


def count_crossings():
    """Counts the tokens that this rank sends to the other one in an expert-parallel forward."""
    from torch.distributed import _functional_collectives as collectives

    plain, sent = collectives.all_to_all_single, []

    def counted(tensor, output_split_sizes, input_split_sizes, group, *rest):
        if input_split_sizes is not None and tensor.ndim == 2:
            sent.append(sum(int(n) for r, n in enumerate(input_split_sizes) if r != dist.get_rank()))
        return plain(tensor, output_split_sizes, input_split_sizes, group, *rest)

    for module in list(sys.modules.values()):
        if getattr(module, "all_to_all_single", None) is plain:
            module.all_to_all_single = counted
    return sent


def damage_and_fail(step):
    """A bit of what rank 1 saved in this step is flipped; the next file that rank 1 brings to the disk does not get there."""
    shards = sorted((OUT / f"damaged/checkpoints/step-{step}").glob("__1_*.distcp"))
    if dist.get_rank():
        data = bytearray(shards[0].read_bytes())
        data[len(data) // 2] ^= 1
        shards[0].write_bytes(data)
    plain, failed = commit.flush, []

    def flush(path):
        if dist.get_rank() and not failed:
            failed.append(path.name)
            raise OSError("no such disk")
        plain(path)

    commit.flush = flush
    return failed


def spoil_a_gradient_of_rank_one():
    """From now on: in step 2 an expert's gradient, which rank 1 alone holds, is no number. Which steps a rank skips is seen."""
    plain_clip, plain_step = trainer.dist_utils.clip_grad_norm_, trainer.DiffusionTrainer.train_step
    steps, skipped = [], []

    def spoilt(parameters, *rest, **options):
        if len(steps) == 2 and dist.get_rank():
            next(p for p in parameters if len(p.to_local()) == 4).grad.to_local()[0] = float("nan")
        return plain_clip(parameters, *rest, **options)

    def watched(self, rows):
        steps.append(self.step)
        result = plain_step(self, rows)
        skipped.append(result.skipped)
        return result

    trainer.dist_utils.clip_grad_norm_, trainer.DiffusionTrainer.train_step = spoilt, watched
    return skipped


def main():
    trainer.DiffusionTrainer.post_dataloading_process = watch
    seen["fsdp"] = losses(train("fsdp"))
    sent = count_crossings()
    seen["ep"] = losses(train("ep", EP))
    seen["crossed"] = sum(sent)
    seen["accumulation"] = losses(train("accumulation", EP, "train.micro_batch_rows=2"))
    blocks = train("blocks", EP, "train.micro_batch_rows=2", "evaluators={nll: {use: nll, rows: 9, every: 6}}", *BLOCKS)
    seen["blocks"] = losses(blocks)
    seen["nll of blocks"] = [line["nll"] for line in blocks.metrics if "evaluator" in line]
    train("mixed", *MIXTURE, "run.stop_after=2")
    seen["mixed"] = [[line["documents"], line["sources"]] for line in train("mixed", *MIXTURE).metrics]
    try:
        train("refused", *MIXTURE, "data.on_error={skip: 0.1%}")
    except DataError as error:
        seen["refused"] = str(error)
    seen["mxfp8"] = losses(train("mxfp8", EP, "train.precision=mxfp8", "train.steps=3"))
    train("resumed", EP, "run.stop_after=3")
    seen["resumed"] = losses(train("resumed", EP))

    def rank_one_scores_nothing(self, input_dict, labels):
        ids, labels, extra = plain_targets(self, input_dict, labels)
        return ids, torch.full_like(labels, IGNORE) if dist.get_rank() else labels, extra

    trainer.DiffusionTrainer.post_dataloading_process = rank_one_scores_nothing
    seen["one rank scores nothing"] = losses(train("nothing", EP, "train.steps=2"))

    def nothing_maskable(self, input_dict, labels):
        return plain_targets(self, input_dict, torch.full_like(labels, IGNORE))

    trainer.DiffusionTrainer.post_dataloading_process = nothing_maskable
    seen["nothing maskable"] = losses(train("empty", EP, "train.steps=2"))
    trainer.DiffusionTrainer.post_dataloading_process = plain_targets
    evaluated = train(
        "evaluated",
        EP,
        "train.steps=1",
        "evaluators={nll: {use: nll, rows: 9}}",
        "callbacks={s: {use: sample, steps: 4, max_new_tokens: 8}}",
    )
    seen["nll"] = [line["nll"] for line in evaluated.metrics if "evaluator" in line]
    seen["digests"] = {name: digest(OUT / name) for name in ("ep", "resumed", "fsdp")} if int(os.environ["RANK"]) == 0 else {}
    saves = ["titan.checkpoint.interval=1", "titan.checkpoint.async_mode=async"]
    train("damaged", EP, *saves, "run.stop_after=3")
    seen["failed"] = damage_and_fail(3)
    seen["damaged"] = losses(train("damaged", EP))
    seen["skipped"] = spoil_a_gradient_of_rank_one()
    train("spoilt", EP, "train.steps=3")
    (OUT / f"seen-{os.environ['RANK']}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
