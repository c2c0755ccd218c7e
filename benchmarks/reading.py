"""Packed rows from texts, encoded as they are read, against rows from `tokens`, encoded beforehand by `rnd1 tokenize`.

Tokens a second of CPU time of one process, and the share of the places that hold text; Python's own documentation, a
vocabulary of 4096, rows of 2048 tokens. The two ways take turns. `python benchmarks/reading.py` runs 3 pairs.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

WAYS = ("texts", "tokens")
LENGTH = 2048


def measure(data: Any, tokenizer: Any) -> dict[str, float]:
    """One pass over the documents: tokens a second, and how full the rows are."""
    from rnd1lib.data import PackedRows

    end = tokenizer.eos_token_id
    packed = PackedRows(
        data,
        tokenizer.encode_document,
        sequence_length=LENGTH,
        streams=1,
        seed=0,
        shift=1,
        start_token_id=end,
        end_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
        vocab_size=tokenizer.vocab_size,
        mask_token_id=tokenizer.mask_token_id,
    )
    rows = packed.epoch_rows()
    began = time.process_time()
    packed.batch(0, rows)
    seconds = time.process_time() - began
    text, places = packed.take_filling()
    return {"tokens_per_second": text / seconds, "packed": text / places}


def main(pairs: int = 3) -> None:
    """Runs the pairs, prints a table and a JSON line."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    import rnd1lib
    from rnd1lib.models.tokens.loading import load_tokenizer
    from rnd1lib.titan.tokenization import tokenize_recipe

    with TemporaryDirectory() as folder:
        tokenize_recipe(rnd1lib.load_recipe("tiny/dense"), Path(folder) / "tokens", lambda tally, tokens: None)
        tokenizer = load_tokenizer(Path(folder) / "tokens")
        sources = [rnd1lib.build("data", "python_docs"), rnd1lib.build("data", "tokens", path=f"{folder}/tokens")]
        runs = [[measure(source, tokenizer) for source in sources] for _ in range(pairs)]
    assert len({round(run["packed"], 9) for pair in runs for run in pair}) == 1, "the two ways give different rows"
    speeds = {way: round(median(pair[place]["tokens_per_second"] for pair in runs)) for place, way in enumerate(WAYS)}
    ratio = round(median(pair[1]["tokens_per_second"] / pair[0]["tokens_per_second"] for pair in runs), 1)
    print(f"Rows of {LENGTH} tokens, {runs[0][0]['packed']:.2%} of the places hold text; one process; medians of {pairs}.\n")
    print("| | tokens a second of CPU time |\n| --- | --- |")
    for way, speed in speeds.items():
        print(f"| {way} | {speed:,} |")
    print(f"| tokens / texts, of pairs | {ratio} |\n")
    print(json.dumps({"benchmark": "reading", "packed": runs[0][0]["packed"], "medians": speeds, "ratio": ratio}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
