"""What the peers' golden cases are replayed with: fixed logits, recorded uniforms, and what counts as the same."""

import json
from dataclasses import dataclass
from unittest.mock import patch

import torch
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.samplers.dream import Dream
from rnd1_plugins.samplers.llada import Llada
from safetensors.torch import load_file

from rnd1lib.kinds import Decision
from rnd1lib.sampling.generation import infill

ENDS = (61, 62, 316, 317, 500, 501)


class Fixed:
    """The same logits whatever it reads; the mask token is one more, and loved."""

    eos_token_id, pad_token_id, shift = None, None, 0

    def __init__(self, logits_LV, noise=None):
        self.logits_LV, self.mask_token_id, self.noise = logits_LV, logits_LV.shape[1], noise
        self.logits_LV = torch.nn.functional.pad(logits_LV, (0, 1), value=50.0)

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        logits_BLV = self.logits_LV[: ids_BL.shape[1]].expand(len(ids_BL), -1, -1)
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]


@dataclass(frozen=True, kw_only=True)
class Probe(Dream):
    """Fills everything, and keeps the scores from which Dream's sampler would decide."""

    kept = []

    def decide(self, view):
        self.kept[:] = [self.scores(view)]
        return Decision(torch.ones_like(view.position_N, dtype=torch.bool), self.kept[0].token)


def same_text(ours, theirs):
    """Equal, or ours stops where theirs ends, since nothing is kept behind the end."""
    if len(ours) < len(theirs) and (ours[-1] in ENDS or theirs[len(ours)] in ENDS):
        theirs = theirs[: len(ours)]
    return ours == theirs


def passes_through(done, recorded):
    """Every canvas of the one row is among the peer's, up to where our row ends."""
    ours = [step.ids_BL[0, : int(step.lengths_B[0])].tolist() for step in done.steps]
    return all(any(row == theirs[: len(row)] for theirs in recorded) for row in ours)


def replayed(uniform):
    """The uniforms that a peer drew, in the place of ours."""
    return patch("rnd1lib.sampling.view.hash_uniform", uniform)


def probed(statistic, logits_NV, theirs_N, **options):
    """Whether a statistic of fixed logits under filters is theirs."""
    model = Fixed(logits_NV)
    infill(model, [[model.mask_token_id] * len(logits_NV)], sampler=Probe(steps=1, **options))
    return torch.allclose(statistic(Probe.kept[0]).float(), theirs_N.float(), atol=1e-5)


def quotas(case, peer, parity):
    """Whether each row's numbers of committed tokens are those of the peer's table, zeros left out."""
    equal = True
    for masks, table in zip(case["mask_num"], case["table"], strict=True):
        logits_LV = torch.randn(masks + 1, 8, generator=torch.Generator().manual_seed(0))
        model = Fixed(logits_LV, Cosine(eps=0.0) if case.get("scheduler") == "cosine" else None)
        sampler = Llada(steps=case["steps"], parity=peer if parity else None)
        done = infill(model, [[1] + [model.mask_token_id] * masks], sampler=sampler)
        equal &= [int(step.committed_BL.sum()) for step in done.steps] == [quota for quota in table if quota]
    return equal


def cases(folder, path):
    return json.loads((folder / path).read_text())["cases"] if (folder / path).exists() else []


def tensors(folder, path):
    return load_file(folder / path) if (folder / path).exists() else {}


def chosen(kwargs, *names):
    return {name: kwargs[name] for name in names if kwargs.get(name) is not None}
