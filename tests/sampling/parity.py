"""Every golden case of the peers' samplers, run: `python tests/sampling/parity.py [FOLDER]` prints what is equal.

A case is compared, or has a reason here why it is not. FOLDER holds the goldens; by default the collection beside the project,
else the small copy in the tree. Nothing but the reasons is written down.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "sampling")]
import peers  # noqa: E402

SHARED = TESTS.parent.parent / "shared" / "goldens"
PEERS = {"rnd1": peers.rnd1, "llada": peers.llada, "dream": peers.dream, "fastdllm": peers.fastdllm, "dllm": peers.dllm}
ITS_DRAWS = "draws from torch's generator, call by call; here the law is tested instead (test_laws.py)"
ALL_ROWS = "one quota for all rows of a batch, so that a row depends on its batch mates"
MASKS_STAY = "leaves or writes mask ids, which are no words"
NO_ORDER = "its entropies are NaN under a filter, so the order is chance"
TEMPERED = "greedy words in the order of tempered entropies; here temperature 0 ranks by the plain ones"
BORDERS = "its padding on the left moves the borders of the blocks"
REASONS = {
    "rnd1": {
        "suffix_only": "writes the mask id at position 0, which no row predicts under shift 1; infill refuses such a canvas",
        "topk1": NO_ORDER, "topk4": NO_ORDER, "topk50": NO_ORDER, "topp0.9": NO_ORDER, "topp0.5": NO_ORDER,
        "temp0.0": "divides by 1e-8: all entropies are 0 and the order is chance",
        "temp0.7": TEMPERED, "temp2.0": TEMPERED,
        "no_room": "an error there; here the prompt comes back",
        "stochastic_seed0": ITS_DRAWS, "mask_in_prefix": MASKS_STAY,
        "filter top_p_0.1": "keeps two words where one holds top_p; here a nucleus of one stays one",
    },
    "llada": {
        "cfg1.5_no_attention_mask": "an error of its own: guidance uses a name that is not defined without an attention mask",
        "bad_block": "wants blocks that divide the length; here the last one may be short",
        "random_seed1_block8": "its uniforms were not recorded", "temperature1.0_seed0": ITS_DRAWS,
        "mask_in_prompt": MASKS_STAY, "mask_in_prompt_1block": MASKS_STAY, "mask_predicted": MASKS_STAY,
    },
    "dream": {
        "origin_seed1": "its uniforms were not recorded", "entropy_algtemp_seed0": ITS_DRAWS,
        "rows_differ_much": ALL_ROWS, "rows_differ_in_masks": ALL_ROWS, "mask_predicted_batch2": MASKS_STAY,
    },
    "fastdllm": {
        "prefix_steps4_block4": "an IndexError of its own at one step a block",
        "dual_steps4_block4": "an IndexError of its own at one step a block",
    },
    "dllm": {
        "table_cfg1.5_keep": "cfg_keep_tokens, which guidance does not forget: no such option here",
        "table_suppress": "suppress_tokens: no such option here",
        "table_begin_suppress": "begin_suppress_tokens: no such option here",
        "table_mask_in_prompt": MASKS_STAY, "table_mask_predicted": MASKS_STAY, "table_stochastic_seed0": ITS_DRAWS,
        "table_infill_shift": "fills position 0, which no row predicts under shift 1; infill refuses such a canvas",
        "blocks qwen3_steps6_block5": BORDERS, "blocks qwen3_batch_uneven": BORDERS,
    },
}  # fmt: skip


class Case(NamedTuple):
    """A golden case. equal(parity): whether ours is theirs, with the peer's parity or by default. reason: why not compared."""

    peer: str
    name: str
    equal: Callable[[bool], bool]
    reason: str | None


def every_case(peer: str, folder: Path) -> list[Case]:
    """All cases of a peer's samplers in a folder of goldens."""
    reasons = REASONS[peer]
    named = {
        name: reasons.get(name.removesuffix(" cached"), reasons.get(name.removeprefix("model ")))
        for name, _ in PEERS[peer](folder)
    }
    return [Case(peer, name, equal, named[name]) for name, equal in PEERS[peer](folder)]


def main(folder: Path) -> None:
    print("peer      cases  compared  equal  explained  equal without parity")
    explained, need_parity = [], []
    for peer in PEERS:
        cases = every_case(peer, folder)
        compared = [case for case in cases if case.reason is None]
        equal = [case for case in compared if case.equal(True)]
        plain = [case for case in equal if case.equal(False)]
        print(f"{peer:9} {len(cases):5} {len(compared):9} {len(equal):6} {len(cases) - len(compared):10} {len(plain):21}")
        explained += [f"{peer} {case.name}: {case.reason}" for case in cases if case.reason]
        need_parity += [f"{peer} {case.name}" for case in equal if case not in plain]
        need_parity += [f"{peer} {case.name}: NOT EQUAL" for case in compared if case not in equal]
    print("\nEqual with the peer's parity alone:", *need_parity, sep="\n  ")
    print("\nNot compared, and why:", *explained, sep="\n  ")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # that caches are approximate, in each case of Fast-dLLM's
    with torch.no_grad():
        main(Path(sys.argv[1]) if sys.argv[1:] else SHARED if SHARED.is_dir() else TESTS / "goldens")
