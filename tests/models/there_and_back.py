"""Folders read, written again in each layout and read back: `python tests/models/there_and_back.py` prints what is bit-equal.

Every architecture in both dtypes, in one file and in shards; and through transformers, which reads our folder and writes its
own in shards, for the families that it has classes of.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parent)]
from architectures import ARCHITECTURES, MASK, write  # noqa: E402
from parity_of_logits import ids_with_masks  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

import rnd1lib  # noqa: E402
from rnd1lib.models.writing.tensor_files import SHARD_SIZE  # noqa: E402

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SHARD_SIZES = {"one file": SHARD_SIZE, "shards": 60_000}
OTHERS = {"rnd1": ["qwen3_moe"], "qwen3_moe": ["rnd1"]}
TRANSFORMERS = {"qwen3", "qwen3_moe", "llama", "qwen2"}


def layouts(name: str) -> list[str]:
    """All that fit an architecture; its own first."""
    own = ARCHITECTURES[name].layout
    return [own, *OTHERS.get(own, [])]


def there_and_back(name: str, dtype: str, files: str, folder: Path) -> dict[str, bool]:
    """What was compared, and whether it is equal bit for bit: tensors by name, dtype and value, and logits."""
    read = write(name, folder / "in", DTYPES[dtype])
    model = _load(read, dtype)
    found: dict[str, bool] = {}
    for layout in layouts(name):
        out = rnd1lib.export(model, folder / layout, layout=layout, shard_size=SHARD_SIZES[files])
        assert (len(list(out.glob("*.safetensors"))) > 1) is (files == "shards")
        found[layout] = _same(out, read) and _same_logits(rnd1lib.load_model(out, dtype=dtype), model)
        if layout in TRANSFORMERS:
            theirs = _through_transformers(out, folder / f"{layout} of transformers", dtype)
            found[f"{layout}, transformers"] = _same(theirs, read) and _same_logits(_load(theirs, dtype), model)
    return found


def _load(folder: Path, dtype: str) -> Any:
    return rnd1lib.load_model(folder, dtype=dtype, attention_mask="bidirectional", mask_token_id=MASK)


def _through_transformers(folder: Path, to: Path, dtype: str) -> Path:
    """Read without a missing, unexpected or misshapen tensor, and written in shards."""
    theirs, said = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype], output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), said
    theirs.save_pretrained(to, max_shard_size="60KB")
    assert len(list(to.glob("*.safetensors"))) > 1
    return to


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def _same(ours: Path, theirs: Path) -> bool:
    mine, others = _tensors(ours), _tensors(theirs)
    equal = all(
        mine[name].dtype == others[name].dtype and torch.equal(mine[name], others[name]) for name in mine if name in others
    )
    return mine.keys() == others.keys() and equal


def _same_logits(ours: Any, theirs: Any) -> bool:
    return torch.equal(ours.logits(ids_with_masks()), theirs.logits(ids_with_masks()))


def main() -> None:
    for name in ARCHITECTURES:
        cells = []
        for dtype in DTYPES:
            for files in SHARD_SIZES:
                with tempfile.TemporaryDirectory() as folder:
                    found = there_and_back(name, dtype, files, Path(folder))
                unequal = [layout for layout, equal in found.items() if not equal]
                cells.append(f"{dtype}, {files}: {'NOT EQUAL ' + ', '.join(unequal) if unequal else 'equal'}")
        print(f"{name:34}{', '.join(found):62}" + "   ".join(cells), flush=True)


if __name__ == "__main__":
    logging.disable_progress_bar()
    main()
