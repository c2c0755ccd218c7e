"""The largest difference of a logit from transformers': `python tests/models/parity_of_logits.py` prints it for each
architecture, attention mask, dtype of the folder and dtype of the network.

transformers computes with eager attention and an explicit mask [B, 1, L, L], made here from what the masks promise.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path[:0] = [str(Path(__file__).parent)]
import architectures  # noqa: E402
from architectures import ARCHITECTURES, MASK  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

import rnd1lib  # noqa: E402
from rnd1lib.diffusion import hash_uniform  # noqa: E402

LENGTH, BLOCK, SEED, STEPS, STEP = 36, 8, 3, 10, 4
TOLERANCE = 1e-4  # in float32: |logits| reach 40, and eager and fused attention of one code differ by 1e-5
ROUNDING = 1.25  # in bfloat16: how much further from float32 than transformers in bfloat16; not above 1.15 when last seen
PACKED = torch.tensor([[0] * 11 + [1] * 9 + [2] * 16, [5] * 7 + [0] * 29])
Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Mask(NamedTuple):
    """entry: of a recipe. sees: by positions in a document, query and key. documents_BL: None where a row is one."""

    entry: dict[str, Any]
    sees: Rule
    step: int = 0
    documents_BL: torch.Tensor | None = None


CAUSAL = Mask({"use": "causal"}, lambda q, k: k <= q)
BOTH_WAYS = Mask({"use": "bidirectional"}, lambda q, k: k >= 0)
BLOCKS = Mask({"use": "block_causal", "block_length": BLOCK}, lambda q, k: k // BLOCK <= q // BLOCK)
ANNEALING = Mask(
    {"use": "annealing", "steps": STEPS, "seed": SEED},
    lambda q, k: (k <= q) | (hash_uniform(SEED, "opened", torch.tensor(STEP), q, k) < (STEP + 1) / STEPS),
    STEP,
)
BAND = Mask({"use": "band_annealing", "steps": STEPS}, lambda q, k: k <= q + 8, 1)  # 3.2 of 16 doublings: 2^3 * 1.2 - 1
MASKS = {
    "causal": CAUSAL,
    "bidirectional": BOTH_WAYS,
    "block_causal": BLOCKS,
    "annealing": ANNEALING,
    "band": BAND,
    "causal, packed": CAUSAL._replace(documents_BL=PACKED),
    "bidirectional, packed": BOTH_WAYS._replace(documents_BL=PACKED),
    "block_causal, packed": BLOCKS._replace(documents_BL=PACKED),
    "annealing, packed": ANNEALING._replace(documents_BL=PACKED),
}
FULL, HALF = torch.float32, torch.bfloat16
DTYPES = [(FULL, FULL), (HALF, FULL), (HALF, HALF)]  # of the folder, and of the network that is loaded from it
WIDTH = 23  # of a column


def ids_with_masks() -> torch.Tensor:
    """[2, L], every fifth a mask token, and behind some of them the last token, whose id is larger."""
    ids_BL = torch.randint(0, 310, (2, LENGTH), generator=torch.Generator().manual_seed(1))
    ids_BL[:, ::5] = MASK
    ids_BL[:, 1::10] = 319
    return ids_BL


@torch.no_grad()
def transformers_logits(theirs: Any, mask: Mask) -> torch.Tensor:
    """float32 [2, L, V]: eager attention, `mask` as a float mask, positions from 0 in each document."""
    ids_BL = ids_with_masks()
    documents_BL = torch.zeros_like(ids_BL) if mask.documents_BL is None else mask.documents_BL
    starts_BL = torch.tensor([[row.tolist().index(document) for document in row.tolist()] for row in documents_BL])
    positions_BL = torch.arange(LENGTH) - starts_BL
    sees_BLL = mask.sees(positions_BL[:, :, None], positions_BL[:, None, :])
    sees_BLL = sees_BLL & (documents_BL[:, :, None] == documents_BL[:, None, :])
    added = torch.zeros(sees_BLL.shape, dtype=theirs.dtype).masked_fill(~sees_BLL, torch.finfo(theirs.dtype).min)
    return theirs(ids_BL, attention_mask=added[:, None], position_ids=positions_BL).logits.float()


class Pair(NamedTuple):
    """Our network and transformers' from one folder, and transformers' in float32."""

    ours: Any
    theirs: Any
    exact: Any


def pair(name: str, stored: torch.dtype, computed: torch.dtype, folder: Path) -> Pair:
    """Both networks of an architecture; `folder` is written."""
    architectures.write(name, folder, stored)
    theirs, exact = (_eager(folder / "transformers", dtype) for dtype in (computed, torch.float32))
    return Pair(rnd1lib.load_model(folder, dtype=computed, mask_token_id=MASK), theirs, exact)


def _eager(folder: Path, dtype: torch.dtype) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


class Difference(NamedTuple):
    """The largest of ours from transformers'; and how far from transformers in float32 half of the rows are at most.

    ours, theirs: as root mean square of a row. A route that rounding turns moves a row far, so that no mean is taken.
    """

    largest: float
    ours: float
    theirs: float


def difference(models: Pair, mask: Mask) -> Difference:
    """Under one attention mask."""
    model, options = models.ours, dict(mask.entry)
    model.attention_mask, model.step = rnd1lib.build("attention_mask", options.pop("use"), **options), mask.step
    ours = model.logits(ids_with_masks(), documents_BL=mask.documents_BL).float()
    theirs, exact = (transformers_logits(each, mask) for each in (models.theirs, models.exact))
    rounding = [float((each - exact).square().mean(-1).sqrt().median()) for each in (ours, theirs)]
    return Difference(float((ours - theirs).abs().max()), *rounding)


def main() -> None:
    for stored, computed in DTYPES:
        half = computed == torch.bfloat16
        print(f"\n{stored} folder in {computed}".replace("torch.", ""), end=": the largest difference of a logit")
        print(", and the median rounding of ours / theirs" * half)
        print(f"{'':34}" + "".join(f"{mask:>{WIDTH}}" for mask in MASKS))
        for name in ARCHITECTURES:
            with tempfile.TemporaryDirectory() as folder:
                models = pair(name, stored, computed, Path(folder))
            found = [difference(models, mask) for mask in MASKS.values()]
            cells = [f"{each.largest:.1e}" + f" {each.ours:.3f}/{each.theirs:.3f}" * half for each in found]
            print(f"{name:34}" + "".join(f"{cell:>{WIDTH}}" for cell in cells), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable_progress_bar()
    main()
