"""The peers' golden cases as runs of ours: for each peer, what its names and numbers mean in this library.

A function a peer gives (name, run) for each of its cases. `run(parity)` says whether what we make, with the peer's `parity` or
by default, is what the peer's own code made: not the last canvas alone, but each one on the way where those were recorded.
"""

import functools
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

import torch
from replay import Fixed, cases, chosen, passes_through, probed, quotas, replayed, same_text, tensors
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.samplers.dream import Dream
from rnd1_plugins.samplers.factor import Factor
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from rnd1_plugins.samplers.threshold import Threshold
from table import TableModel

import rnd1lib
from rnd1lib.sampling.generation import generate, infill

CACHES = {"generate": None, "generate_with_prefix_cache": "prefix", "generate_with_dual_cache": "dual"}
PROMPT = 8  # tokens of Fast-dLLM's
Cases = Iterator[tuple[str, Callable[[bool], bool]]]


@functools.cache
def load(path, mask="bidirectional", block_length=None, **said):
    """A model of the goldens; loaded when its first case is run."""
    entry = {"use": mask} | ({"block_length": block_length} if block_length else {})
    return rnd1lib.load_model(path, attention_mask=entry, **said)


def rnd1(folder) -> Cases:
    """diffusion_sample on the TableModel and on a model of RND1's own, RND1LM.generate, the filters."""
    for case in cases(folder, "rnd1/golden_sample_table.json"):
        yield case["name"], partial(rnd1_sample, lambda: TableModel(shift=1), case)
    filtered = tensors(folder, "rnd1/golden_filters.safetensors")
    for name in sorted(set(filtered) - {"logits"}):
        yield f"filter {name}", partial(rnd1_filter, filtered, name)
    if (folder / "rnd1/model").exists():
        model = partial(load, folder / "rnd1/model")
        for case in cases(folder, "rnd1/golden_sample.json"):
            yield f"model {case['name']}", partial(rnd1_sample, model, case)
        for case in cases(folder, "rnd1/golden_generate.json"):
            yield f"generate {case['name']}", partial(rnd1_generate, model, case)


def rnd1_sample(load, case, parity):
    model, kwargs = load(), case["kwargs"]
    options = chosen(kwargs, "eb_gamma", "top_k", "top_p")
    sampler = Rnd1Entropy(steps=kwargs["num_steps"], parity="rnd1" if parity else None, **options)
    done = infill(model, [case["initial"]], sampler=sampler)
    when = case["reveal_step"]
    theirs = [{i for i, k in enumerate(when) if k == step} for step in sorted(set(when)) if step >= 0]
    ours = [set(step.committed_BL[0].nonzero()[:, 0].tolist()) for step in done.steps]
    return done.sequences == [case["final"]] and ours == theirs and done.forward_calls <= case["forward_calls"]


def rnd1_generate(load, case, parity):
    model, kwargs, final = load(), case["kwargs"], case["final"][0]
    sampler = Rnd1Entropy(steps=8, parity="rnd1" if parity else None)
    if "infill_length" in kwargs:  # of which the last one is a slot for the end, behind the suffix
        gap = [model.mask_token_id] * (kwargs["infill_length"] - parity)
        canvas = [*kwargs["prefix_ids"][0], *gap, *kwargs["suffix_ids"][0], *[model.pad_token_id] * parity]
        return infill(model, [canvas], sampler=sampler).sequences == [final]
    prompt = kwargs["inputs"][0]
    return same_text(generate(model, [prompt], sampler=sampler, max_new_tokens=len(final) - len(prompt)).sequences[0], final)


def rnd1_filter(made, name, parity):
    """The probability of the best word, and the entropy, of what the filter leaves."""
    numbers = [float(part) for part in name.replace("top_", "").replace("then_", "").split("_") if part[0].isdigit()]
    filters = {"top_p": numbers[-1]} if name.startswith("top_p") or "then_p" in name else {}
    filters |= {"top_k": int(numbers[0])} if name.startswith("top_k") else {}
    log_p_NV = made[name].log_softmax(-1)
    entropy_N = -(log_p_NV.exp() * log_p_NV.clamp(min=-1e9)).sum(-1)
    best = probed(lambda scores: scores.log_prob, made["logits"], log_p_NV.amax(-1), **filters)
    return best and probed(lambda scores: scores.entropy, made["logits"], entropy_N, **filters)


def llada(folder) -> Cases:
    """generate.py on the TableModel, and its table of quotas."""
    for case in cases(folder, "llada/golden_generate.json"):
        yield case["name"], partial(llada_generate, folder, case)
    for case in cases(folder, "llada/golden_transfer.json"):
        yield f"quota of {case['mask_num']} in {case['steps']}", partial(quotas, case, "llada")


def llada_generate(folder, case, parity):
    kwargs, remasking = case["kwargs"], case["kwargs"].get("remasking", "low_confidence")
    drawn, block = tensors(folder, "llada/golden_rand.safetensors"), kwargs["block_length"]
    steps = kwargs["steps"] // (kwargs["gen_length"] // block)
    sampler = Llada(steps=kwargs["steps"], block_length=block, remasking=remasking, parity="llada" if parity else None)

    def recorded(seed, stream, numbers, position_N, step):
        block_number = (position_N.min().item() - len(case["prompt"][0])) // block
        return drawn[f"{case['name']}/rand_{block_number * steps + step}"][0][position_N]

    equal, options = True, {"guidance": kwargs.get("cfg_scale", 0.0), "max_new_tokens": kwargs["gen_length"]}
    for index, visible in enumerate(case["attention_mask"] or [[1] * len(row) for row in case["prompt"]]):
        pads = visible.count(0)  # LLaDA pads on the left, which moves positions
        with replayed(recorded) if remasking == "random" else patch.dict({}):
            done = generate(TableModel(offset=pads), [case["prompt"][index][pads:]], sampler=sampler, **options)
        equal &= same_text(done.sequences[0], case["final"][index][pads:]) and done.forward_calls <= case["forward_calls"]
    return equal


def dream(folder) -> Cases:
    """diffusion_generate on the TableModel, and the confidences of sample_tokens."""
    for case in cases(folder, "dream/golden_sample.json"):
        yield case["name"], partial(dream_generate, folder, case)
    made = tensors(folder, "dream/golden_sample_tokens.safetensors")
    for key in sorted(key for key in made if key.endswith("/confidence")):
        yield f"tokens {key.split('/')[0]}", partial(dream_tokens, made, key.split("/")[0])


def dream_generate(folder, case, parity):
    kwargs, pads = case["kwargs"], [row.count(0) for row in case["attention_mask"] or [[]] * len(case["prompt"])]
    drawn = tensors(folder, "dream/golden_origin_rand.safetensors")
    options = chosen(kwargs, "alg", "eps", "top_k", "top_p")
    sampler = Dream(steps=kwargs["steps"], parity="dream" if parity else None, **options)
    prompts = [row[pad:] for row, pad in zip(case["prompt"], pads, strict=True)]
    recorded = lambda seed, stream, numbers, position_N, step: drawn[f"{case['name']}/rand_{step}"].flatten()  # noqa: E731
    with replayed(recorded) if kwargs["alg"] == "origin" else patch.dict({}):
        model = TableModel(shift=1, bias=case["bias"])
        done = generate(model, prompts, sampler=sampler, max_new_tokens=kwargs["max_new_tokens"])
    texts = [same_text(ours, row[pad:]) for ours, row, pad in zip(done.sequences, case["final"], pads, strict=True)]
    committed = [step.committed_BL.sum(1).tolist() for step in done.steps]
    return all(texts) and committed == [n for n in case["revealed_per_step"] if any(n)][: len(committed)]


def dream_tokens(made, name, parity):
    filters = ({"top_k": 6 if "topp" in name else 4} if "topk" in name else {}) | ({"top_p": 0.8} if "topp" in name else {})
    statistics = {"margin": lambda scores: scores.margin, "entropy": lambda scores: -scores.entropy}
    statistic = statistics.get(name.split("_")[0], lambda scores: scores.log_prob.exp())
    return probed(statistic, made["logits"], made[f"{name}/confidence"], parity="dream" if parity else None, **filters)


def fastdllm(folder) -> Cases:
    """generate.py on hf/qwen3 made bidirectional, with and without caches; get_transfer_index on fixed logits."""
    for case in cases(folder, "fastdllm/golden_qwen3_adapter.json"):
        yield case["name"], partial(fastdllm_generate, folder, case)
    made = tensors(folder, "fastdllm/golden_transfer_index.safetensors")
    for key in sorted(key for key in made if key.endswith("/x0")):
        yield f"index {key.split('/')[0]}", partial(fastdllm_index, made, key.split("/")[0])


def fastdllm_generate(folder, case, parity):
    model, kwargs = load(folder / "hf/qwen3", shift=0, mask_token_id=315), case["kwargs"]
    given = {"max_new_tokens": kwargs["gen_length"], "steps": kwargs["steps"], "block_length": kwargs["block_length"]}
    sampler = Llada(parity="llada" if parity else None)
    if "threshold" in kwargs:
        sampler = Threshold(threshold=kwargs["threshold"])
    done = generate(model, [case["sequences"][0][:PROMPT]], sampler=sampler, cache=CACHES[case["function"]], **given)
    equal = same_text(done.sequences[0], case["final"][0]) and done.forward_calls <= case["forward_calls"]
    return equal and passes_through(done, case["sequences"])


def fastdllm_index(made, name, parity):
    """What the first step commits; top-k rules commit k of as many masks as there are."""
    rule, level = name.split("_")[1].rstrip("0123456789."), float(name.split("_")[1].lstrip("abcdefghijklmnopqrstuvwxyz"))
    equal = True
    for row, gaps in enumerate(made["mask_index"].bool()):
        sampler = {
            "thr": lambda: Threshold(threshold=level),
            "factor": lambda: Factor(factor=level),
            "top": lambda gaps=gaps: Llada(steps=-(-int(gaps.sum()) // int(level))),
        }[rule]()
        model = Fixed(made["logits"][row])
        canvas = made["x"][row].masked_fill(gaps, model.mask_token_id)
        first = infill(model, [canvas.tolist()], sampler=sampler).steps[0].ids_BL[0]
        equal &= torch.equal(first, made[f"{name}/x0"][row].where(made[f"{name}/transfer_index"][row] & gaps, canvas))
    return equal


def dllm(folder) -> Cases:
    """The MDLM and the block diffusion sampler (without and with a cache) on the TableModel and hf/qwen3; quotas."""
    for case in cases(folder, "dllm/golden_samplers.json"):
        blocks = case["sampler"] == "bd3lm"
        for cache in (None, "block") if blocks else (None,):
            label = f"{'blocks ' * blocks}{case['name']}{' cached' * bool(cache)}"
            yield label, partial(dllm_sample, folder, case, cache)
    for case in cases(folder, "dllm/golden_transfer.json"):
        yield f"{case['scheduler']} quota of {case['mask_num']} in {case['steps']}", partial(quotas, case, "dllm")


def dllm_sample(folder, case, cache, parity):
    kwargs, inputs, block = case["kwargs"], case["inputs"], case["kwargs"]["block_size"]
    infilled, new = case["method"] == "infill", kwargs.get("max_new_tokens", len(inputs[0]))
    blocks = -(-new // block)
    steps = blocks * kwargs.get("steps_per_block", -(-kwargs.get("steps", 0) // blocks))  # dllm rounds up
    sampler, model = Llada(steps=steps, block_length=block, parity="dllm" if parity else None), dllm_model(folder, case)
    if infilled:
        done, new = infill(model, inputs, sampler=sampler, cache=cache), 0
    else:
        done = generate(model, inputs, sampler=sampler, cache=cache, max_new_tokens=new)
    finals = [final[: len(given) + new] for final, given in zip(case["final"], inputs, strict=True)]
    texts = all(same_text(ours, theirs) for ours, theirs in zip(done.sequences, finals, strict=True))
    return texts and (not case.get("history") or passes_through(done, case["history"]))


def dllm_model(folder, case):
    shift = int(case["kwargs"].get("right_shift_logits", False))
    if case["model"].startswith("table"):
        model = TableModel(shift=shift, bias=case["model"].removeprefix("table_"))
        model.noise = Cosine(eps=0.0) if case["scheduler"] == "cosine" else None
        return model
    mask = ("block_causal", case["kwargs"]["block_size"]) if case["sampler"] == "bd3lm" else ()
    return load(folder / "hf/qwen3", *mask, shift=shift, mask_token_id=315)
