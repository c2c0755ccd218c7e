"""What a model card says of how its folder is opened: with rnd1lib, and with transformers."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from rnd1lib.models.writing.shipped_code import shipped_code

SAMPLING = """\
```sh
rnd1 sample FOLDER 'A prompt' --max-new-tokens 64
rnd1 infill FOLDER 'a text with [[8]] tokens missing'
```

```python
import rnd1lib

model = rnd1lib.load_model("FOLDER")
print(rnd1lib.generate(model, ["A prompt"], max_new_tokens=64).texts[0])
```
"""
FROM_THE_LEFT = """\
Token by token, from left to right:

```sh
rnd1 sample FOLDER 'A prompt' --sampler left_to_right --cache block --max-new-tokens 64
```
"""
TRANSFORMERS = Template("""\
The logits with transformers 5:

```python
from transformers import $auto

model = $auto.from_pretrained("FOLDER"$code)
```
""")
BOTH_WAYS = """\
`is_causal: false` in config.json makes it attend both ways, with the attention implementations `eager`, `sdpa` and
`flex_attention` (as run with 5.23.0). Transformers 4 ignores it and attends causally, which gives wrong logits.
`generate` of transformers goes from left to right; this model was not trained for that.
"""
ONLY_BOTH_WAYS = """\
These classes attend both ways whatever the model does, and this one is causal: its own logits are those of rnd1lib.
"""
CUSTOM = """\
This model attends neither causally nor both ways. Transformers has no such mask: it attends both ways, so that its logits
are not this model's.
"""
FOREIGN = """\
The classes that config.json names are not part of this folder. Copy their code beside it to open it with transformers.
"""


def use(config: Mapping[str, Any], *, diffusion: bool, pattern: str) -> str:
    """A section. config: the folder's config.json. diffusion: or autoregressive. pattern: of the attention mask."""
    parts = ["## How to use it\n", SAMPLING if diffusion else FROM_THE_LEFT, *_transformers(config, pattern)]
    parts.append(CUSTOM if pattern == "custom" else "")
    return "\n".join(filter(None, parts)).rstrip()


def _transformers(config: Mapping[str, Any], pattern: str) -> list[str]:
    """With which class, and who sees whom there."""
    named = config.get("auto_map")
    if named and not shipped_code(config):
        return [FOREIGN]
    auto, code = ("AutoModelForMaskedLM", ", trust_remote_code=True") if named else ("AutoModelForCausalLM", "")
    opened = TRANSFORMERS.substitute(auto=auto, code=code)
    if config.get("is_causal") is not False:
        return [opened]
    return [opened, ONLY_BOTH_WAYS if pattern == "causal" else BOTH_WAYS]
