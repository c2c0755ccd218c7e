"""What the tests of the routers' losses share: the gradients of a run's only step, and the same by a plain computation."""

from functools import partial

import torch
import torch.nn.functional as F
from torch.distributed.tensor import DTensor

from rnd1lib.models.attention import attention_masks
from rnd1lib.models.weights import parameters
from rnd1lib.titan.optimizer.groups import RecipeOptimizers
from rnd1lib.titan.trainer import DiffusionTrainer

STILL = ("lr_groups={use: uniform, lr: 0.0}", "train.steps=1", "train.clip=1.0e+9")
"""One step that clips nothing and moves nothing, so that the model that it leaves is the one that it was taken on."""


def watch(patch):
    """patch(class, name, function) puts a watching method in place; the last step's micro-batches and whole gradients."""
    seen = {}
    begin, body, update = DiffusionTrainer.train_step, DiffusionTrainer._forward_backward_body, RecipeOptimizers.step

    def watched_step(self, rows):
        seen.update(micro_batches=[], network=self.network)
        return begin(self, rows)

    def watched_body(self, ids, labels, total, extra):
        batch = extra["batch"]
        part = {"ids": ids, "labels": labels, "total": total, "weights": extra["weights"]}
        part |= {"documents": batch.documents_BL, "positions": batch.positions_BL}
        never = [] if self.diffusion.mask_token_id is None else [self.diffusion.mask_token_id]
        seen["micro_batches"].append({"never": torch.tensor(never, dtype=torch.int64)} | part)
        return body(self, ids, labels, total, extra)

    def watched_update(self, *arguments, **options):
        seen["gradients"] = {name: whole(each.grad) for name, each in parameters(seen["network"]).items()}
        return update(self, *arguments, **options)

    patch(DiffusionTrainer, "train_step", watched_step)
    patch(DiffusionTrainer, "_forward_backward_body", watched_body)
    patch(RecipeOptimizers, "step", watched_update)
    return seen


def whole(gradient):
    return (gradient.full_tensor() if isinstance(gradient, DTensor) else gradient).clone()


def plain(model, micro_batches, *, balance, z):
    """Gradients by name, and each router loss by layer, of all micro-batches of all ranks: the losses simply added up."""
    network, said = model.network.requires_grad_(True), {"balance": {}, "z": {}}
    for part in micro_batches:
        logits = []
        gates = [layer.moe.router.gate for layer in network.layers.values()]
        hooks = [gate.register_forward_hook(partial(keep, logits)) for gate in gates]
        seen = attention_masks(model.attention_mask, 0, part["documents"], part["positions"])
        rows_BLV = network.lm_head(network(part["ids"], positions=part["positions"], attention_masks=seen))
        rows_BLV = rows_BLV.index_fill(-1, part["never"], -torch.inf)
        nll = F.cross_entropy(rows_BLV.flatten(0, 1), part["labels"].flatten(), reduction="none")
        scored = part["weights"].flatten() != 0
        loss = (nll[scored] * part["weights"].flatten()[scored]).sum() / part["total"]
        for number, layer_logits in zip(network.layers, logits, strict=True):
            for name, coefficient, value in zip(said, (balance, z), router_losses(layer_logits.flatten(0, 1)), strict=True):
                loss = loss + coefficient * value / len(micro_batches)
                said[name][number] = said[name].get(number, 0) + value.item() / len(micro_batches)
        loss.backward()
        for hook in hooks:
            hook.remove()
    return {name: value.grad for name, value in parameters(network).items()}, said


def keep(logits, gate, inputs, output):
    logits.append(output)


def router_losses(logits_NE, k=2):
    """balance and z of one layer, written out."""
    experts = logits_NE.shape[1]
    share_E = F.one_hot(logits_NE.topk(k).indices, experts).sum(1).float().mean(0)
    balance = experts * sum(share_E[i] * logits_NE.softmax(-1)[:, i].mean() for i in range(experts))
    return balance, (logits_NE.exp().sum(-1).log() ** 2).mean()
