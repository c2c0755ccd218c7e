"""A real GGUF file against transformers: python tests/models/real_gguf.py FILE [MASK_TOKEN].

Every tensor bit for bit with transformers' dequantised one, the import with what it takes, ids of texts, and greedy text token
for token with transformers' `generate`.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

import rnd1lib
from rnd1lib.models.importing import import_model
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.writing.comparison import same_bits

PROMPTS = [
    "The capital of France is",
    "Water boils at 100 degrees, and freezes at",
    "def fibonacci(n):\n    ",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
    "In 1969,  12 people",
]
NEW_TOKENS = 32


def main(file: Path, mask_token: str) -> None:
    """Prints a line a comparison; the first that fails ends it."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        done = import_model(file, Path(folder) / "plain")
        taken, peak = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(done.decided)
        print(f"import: {done.tensors} tensors, {done.bytes / 1e6:.0f} MB, {taken:.1f} s, peak {peak:.0f} MiB of this process")
        compare_tensors(file)
        masked = import_model(file, Path(folder) / "masked", mask_token=mask_token)
        print(masked.decided)
        compare_texts(done.path, masked.path)


def compare_tensors(file: Path) -> None:
    """transformers' whole dequantised file is in memory here, which is no part of the import."""
    ours = open_gguf(file)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config_of(file))
    theirs = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=empty)["tensors"]
    equal = [name for name, tensor in theirs.items() if same_bits(ours.tensor(name), tensor)]
    print(
        f"tensors: {len(equal)} of {len(theirs)} equal to transformers' dequantised ones, bit for bit; {len(ours.shapes)} read"
    )
    assert len(equal) == len(theirs) == len(ours.shapes)


def config_of(file: Path):
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(file.parent, gguf_file=file.name)


def compare_texts(plain: Path, masked: Path) -> None:
    """The plain folder in transformers, the one with a mask token here, from left to right."""
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(plain, dtype=torch.float32), AutoTokenizer.from_pretrained(plain)
    ours = rnd1lib.load_model(masked)
    ids_1L = torch.tensor([ours.tokenizer.encode(" ".join(PROMPTS))])
    with torch.no_grad():
        print(
            f"logits: largest difference {(rnd1lib.load_model(plain).logits(ids_1L) - theirs(ids_1L).logits).abs().max():.1e}"
        )
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")
        assert ours.tokenizer.encode(prompt) == ids.input_ids[0].tolist()
        expected = theirs.generate(**ids, max_new_tokens=NEW_TOKENS, do_sample=False)[0].tolist()
        answer = rnd1lib.generate(ours, [prompt], sampler="left_to_right", max_new_tokens=NEW_TOKENS)
        print(f"text: {answer.texts[0]!r}")
        assert without_end(answer.sequences[0], ours.eos_token_id) == without_end(expected, ours.eos_token_id), expected
    print(f"texts: {len(PROMPTS)} of {len(PROMPTS)} equal to transformers' greedy ones, {NEW_TOKENS} tokens each")


def without_end(ids: list[int], end: int) -> list[int]:
    """An answer that ends itself may be returned with its end or without."""
    return ids[:-1] if ids[-1] == end else ids


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(sys.argv[2:3] or ["<empty_output>"]))
