"""The shape of a step in the field's own samplers, at temperature 0 and batch 1, for comparison with `generate`.

Written from their descriptions: which rows get logits, which copies and which passes over [rows, V] are made, in which dtype.
The network is the same one of ours in all of them; the mask token is ruled out, since theirs may commit it.
"""

import torch
from torch import Tensor

from rnd1lib.kinds import Denoiser


def _canvas(model: Denoiser, prompt: list[int], new: int) -> Tensor:
    return torch.tensor([prompt + [model.mask_token_id] * new])


def _all_logits(model: Denoiser, ids_BL: Tensor) -> Tensor:
    logits_BLV = model.logits(ids_BL)
    logits_BLV[..., model.mask_token_id] = -1e9
    return logits_BLV


def _shifted(values: Tensor) -> Tensor:
    """The values of the row before, as a copy; the first row keeps its own."""
    return torch.cat([values[:, :1], values[:, :-1]], 1)


def rnd1(model: Denoiser, prompt: list[int], new: int, steps: int) -> list[int]:
    """RND1's `diffusion_sample`: log-softmax, argmax and entropy of every row, each shifted by a copy."""
    ids_BL = _canvas(model, prompt, new)
    for step in range(steps):
        log_BLV = torch.log_softmax(_all_logits(model, ids_BL) / 1.0, -1)
        token_BL = _shifted(log_BLV.argmax(-1))
        entropy_BL = _shifted(-(log_BLV.exp() * log_BLV).sum(-1))
        masked_BL = ids_BL == model.mask_token_id
        stay = new * (steps - step - 1) // steps
        stays_BL = torch.zeros_like(masked_BL)
        stays_BL[0, entropy_BL.masked_fill(~masked_BL, -torch.inf)[0].topk(stay).indices] = True
        ids_BL = torch.where(masked_BL & ~stays_BL, token_BL, ids_BL)
    return ids_BL[0].tolist()


def llada(model: Denoiser, prompt: list[int], new: int, steps: int, block: int, *, float64: bool = False) -> list[int]:
    """LLaDA's `generate`: argmax and softmax of every row, quotas a block. float64: Fast-dLLM's softmax, without its caches."""
    ids_BL = _canvas(model, prompt, new)
    per_block = steps // (new // block)
    for start in range(len(prompt), len(prompt) + new, block):
        for step in range(per_block):
            logits_BLV = _all_logits(model, ids_BL)
            token_BL = logits_BLV.argmax(-1)
            probability_BLV = torch.softmax(logits_BLV.to(torch.float64) if float64 else logits_BLV, -1)
            confidence_BL = probability_BLV.gather(-1, token_BL[..., None])[..., 0]
            confidence_BL[:, start + block :] = -torch.inf
            masked_BL = ids_BL == model.mask_token_id
            quota = block // per_block + (step < block % per_block)
            place_k = confidence_BL.masked_fill(~masked_BL, -torch.inf)[0].topk(quota).indices
            ids_BL[0, place_k] = token_BL[0, place_k]
    return ids_BL[0].tolist()


def fast_dllm(model: Denoiser, prompt: list[int], new: int, steps: int, block: int) -> list[int]:
    """Fast-dLLM's `generate` without a cache: LLaDA's with its softmax in float64."""
    return llada(model, prompt, new, steps, block, float64=True)


def fast_dllm_cached(model: Denoiser, prompt: list[int], new: int, steps: int, block: int, *, dual: bool) -> list[int]:
    """Fast-dLLM with its prefix or dual cache.

    A block's first step runs all, the others the block and, without `dual`, what is behind it; logits and a softmax in
    float64 of every row that is run.
    """
    ids_BL = _canvas(model, prompt, new)
    per_block = steps // (new // block)
    for start in range(len(prompt), len(prompt) + new, block):
        stop = start + block if dual else ids_BL.shape[1]
        for step in range(per_block):
            if step == 0:
                cache = model.prefill(ids_BL)
                logits_BSV = cache.logits[:, start:stop]
            else:
                logits_BSV = model.extend(cache, ids_BL[:, start:stop], at_BS=torch.arange(start, stop)[None])
                logits_BSV = logits_BSV.view(1, stop - start, -1)
            logits_BSV[..., model.mask_token_id] = -1e9
            token_BS = logits_BSV.argmax(-1)
            confidence_BS = logits_BSV.to(torch.float64).softmax(-1).gather(-1, token_BS[..., None])[..., 0]
            inside_S = torch.arange(start, stop) < start + block
            masked_BS = (ids_BL[:, start:stop] == model.mask_token_id) & inside_S
            quota = block // per_block + (step < block % per_block)
            place_k = confidence_BS.masked_fill(~masked_BS, -torch.inf)[0].topk(quota).indices
            ids_BL[0, start + place_k] = token_BS[0, place_k]
    return ids_BL[0].tolist()


def dream(model: Denoiser, prompt: list[int], new: int, steps: int, top_p: float, eps: float = 1e-3) -> list[int]:
    """Dream's `diffusion_generate` with `maskgit_plus`: logits of every row shifted by a copy, a sort of the masked ones."""
    ids_BL, times = _canvas(model, prompt, new), torch.linspace(1, eps, steps + 1)
    for step in range(steps):
        masked_BL = ids_BL == model.mask_token_id
        logits_NV = _shifted(_all_logits(model, ids_BL))[masked_BL]
        ordered_NV, order_NV = logits_NV.sort(descending=True)
        removed_NV = ordered_NV.softmax(-1).cumsum(-1) > top_p
        removed_NV[:, 1:], removed_NV[:, 0] = removed_NV[:, :-1].clone(), False
        removed_NV = torch.zeros_like(removed_NV).scatter_(-1, order_NV, removed_NV)
        probability_NV = logits_NV.masked_fill(removed_NV, torch.finfo(logits_NV.dtype).min).softmax(-1)
        confidence_N, token_N = probability_NV.max(-1)
        last = step + 1 == steps
        quota = len(token_N) if last else int(len(token_N) * (1 - times[step + 1] / times[step]))
        chosen_k = confidence_N.topk(quota).indices
        filled_N = torch.full_like(token_N, model.mask_token_id)
        filled_N[chosen_k] = token_N[chosen_k]
        ids_BL[masked_BL] = filled_N
    return ids_BL[0].tolist()


def dllm(model: Denoiser, prompt: list[int], new: int, steps: int) -> list[int]:
    """dllm's MDLM sampler: logits of every row shifted by a copy, argmax and softmax of all, quotas rounded half to even."""
    ids_BL = _canvas(model, prompt, new)
    for step in range(steps):
        logits_BLV = _shifted(_all_logits(model, ids_BL))
        token_BL = logits_BLV.argmax(-1)
        confidence_BL = logits_BLV.softmax(-1).gather(-1, token_BL[..., None])[..., 0]
        masked_BL = ids_BL == model.mask_token_id
        t, s = torch.tensor(1 - step / steps), torch.tensor(1 - (step + 1) / steps)
        left = int(masked_BL.sum())
        quota = left if step + 1 == steps else int(torch.round(left * (1 - s / t)))
        place_k = confidence_BL.masked_fill(~masked_BL, -torch.inf)[0].topk(quota).indices
        ids_BL[0, place_k] = token_BL[0, place_k]
    return ids_BL[0].tolist()
