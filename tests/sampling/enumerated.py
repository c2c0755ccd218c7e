"""What a sampler should produce, worked out by enumeration on a model whose conditionals are exact.

Nothing here uses the library's samplers, scores or loop: a rule is written out for one row, every draw and every choice is
followed with its probability, and what comes out is the law of the row's canvases, step by step.
"""

import math
from collections import Counter
from itertools import combinations, permutations, product
from typing import NamedTuple

import torch

WORDS, MASK = 3, 3
START = (MASK, MASK, 1, MASK)


class Joint:
    """A denoiser that knows a random joint law of four words: its logits are the exact conditionals, and it loves the mask."""

    mask_token_id, eos_token_id, pad_token_id, bos_token_id, vocab_size, shift = MASK, None, None, None, WORDS + 1, 0

    def __init__(self, noise=None, seed=2):
        self.noise = noise
        weights = torch.rand(WORDS ** len(START), generator=torch.Generator().manual_seed(seed)).double() ** 3
        self.law = dict(zip(product(range(WORDS), repeat=len(START)), (weights / weights.sum()).tolist(), strict=True))
        self._place_values = torch.tensor([(WORDS + 1) ** i for i in range(len(START))])
        self._conditionals = {}
        self._logits = torch.full(((WORDS + 1) ** len(START), len(START), WORDS + 1), 9.0)
        for canvas in product(range(WORDS + 1), repeat=len(START)):
            for place in range(len(START)):
                odds = torch.tensor(self.conditional(canvas, place)).log()
                self._logits[int((self._place_values * torch.tensor(canvas)).sum()), place, :WORDS] = odds.float()

    def conditional(self, canvas, place):
        """[p(word)] at a place, given the words of the canvas at the other places."""
        if (canvas, place) not in self._conditionals:
            mass = [0.0] * WORDS
            for text, p in self.law.items():
                if all(a in (MASK, b) or i == place for i, (a, b) in enumerate(zip(canvas, text, strict=True))):
                    mass[text[place]] += p
            self._conditionals[canvas, place] = [m / sum(mass) for m in mass]
        return self._conditionals[canvas, place]

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        logits_BLV = self._logits[(ids_BL * self._place_values).sum(-1)]
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]


class Look(NamedTuple):
    """A step of one row. places: masked. plain, law: place -> probabilities, of the model and as drawn from. tokens: drawn."""

    places: list
    plain: dict
    law: dict
    tokens: dict
    step: int
    steps: int

    def entropy(self, place):
        return -sum(p * math.log(p) for p in self.plain[place] if p)

    def margin(self, place):
        second, first = sorted(self.plain[place])[-2:]
        return first - second

    def confidence(self, place):
        return self.plain[place][self.tokens[place]]


def filtered(p, temperature=1.0, top_k=None, top_p=None, of_all=False):
    """Temperature, the k best, the smallest set of these with top_p (of_all: with top_p of all words, as Dream has it)."""
    weights = [q ** (1 / temperature) for q in p]
    best = sorted(range(len(p)), key=lambda v: -weights[v])[:top_k]
    kept, share, total = set(), 0.0, sum(weights if of_all else (weights[v] for v in best))
    for v in best:
        if top_p is None or share < top_p * total:
            kept.add(v)
        share += weights[v]
    return [w / sum(weights[v] for v in kept) if v in kept else 0.0 for v, w in enumerate(weights)]


def even(masks, step, steps):
    return masks // steps + (step < masks % steps)


def best(score, quota=even):
    """The `quota` places of highest score."""

    def choose(look):
        order = sorted(look.places, key=lambda place: -score(look, place))
        yield frozenset(order[: quota(START.count(MASK), look.step, look.steps)]), 1.0

    return choose


def any_of(quota=even):
    """As many places as the quota says, each set of them as likely as any other."""

    def choose(look):
        sets = list(combinations(look.places, quota(START.count(MASK), look.step, look.steps)))
        for chosen in sets:
            yield frozenset(chosen), 1 / len(sets)

    return choose


def in_turn(score, quota=even):
    """One place after the other, each drawn from softmax(score) over those that are left (Plackett and Luce)."""

    def choose(look):
        number = min(quota(START.count(MASK), look.step, look.steps), len(look.places))
        for order in permutations(look.places, number):
            p, left = 1.0, set(look.places)
            for place in order:
                p *= math.exp(score(look, place)) / sum(math.exp(score(look, other)) for other in left)
                left -= {place}
            yield frozenset(order), p

    return choose


def alone(rate):
    """Each place by itself with probability rate(step, steps)."""

    def choose(look):
        p = rate(look.step, look.steps)
        for hits in product((True, False), repeat=len(look.places)):
            yield (
                frozenset(i for i, hit in zip(look.places, hits, strict=True) if hit),
                math.prod(p if h else 1 - p for h in hits),
            )

    return choose


def step_law(model, canvas, choose, step, steps, law, everywhere=False):
    """Canvas -> probability after one step. everywhere: places that are filled may be masked again, as P2 does."""
    generated = [i for i, token in enumerate(START) if token == MASK]
    places = generated if everywhere else [i for i in generated if canvas[i] == MASK]
    plain = {i: model.conditional(canvas, i) for i in places}
    drawn = {i: filtered(plain[i], **law) for i in places}
    after = Counter()
    for tokens in product(range(WORDS), repeat=len(places)):
        p = math.prod(drawn[i][v] for i, v in zip(places, tokens, strict=True))
        look = Look(places, plain, drawn, dict(zip(places, tokens, strict=True)), step, steps)
        for chosen, q in choose(look) if p else ():
            filled = {i: look.tokens[i] if canvas[i] == MASK else canvas[i] for i in chosen}
            after[tuple(filled.get(i, MASK if i in places else canvas[i]) for i in range(len(canvas)))] += p * q
    return after


def canvases(model, choose, steps, law, everywhere=False):
    """Law of the row's canvases after each of the steps: a tuple of them -> probability. A full row stays as it is."""
    paths, known = {(): 1.0}, {}
    for step in range(steps):
        grown = Counter()
        for path, p in paths.items():
            canvas = path[-1] if path else START
            if (canvas, step) not in known:
                full = Counter({canvas: 1.0})
                known[canvas, step] = (
                    full if MASK not in canvas else step_law(model, canvas, choose, step, steps, law, everywhere)
                )
            for after, q in known[canvas, step].items():
                grown[(*path, after)] += p * q
        paths = grown
    return paths


def texts(model, choose, steps, law):
    """Law of the last canvas alone: for many steps, where there are too many paths."""
    now = Counter({START: 1.0})
    for step in range(steps):
        after = Counter()
        for canvas, p in now.items():
            for other, q in step_law(model, canvas, choose, step, steps, law).items() if MASK in canvas else [(canvas, 1.0)]:
                after[other] += p * q
        now = after
    return now
