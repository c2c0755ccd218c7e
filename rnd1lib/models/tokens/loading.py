"""The tokenizer of a folder, ours or a published one, or of a GGUF file.

A folder is read as plain data: `tokenizer.json`, and for the special ids `tokenizer_config.json`,
`special_tokens_map.json` or `config.json`, whichever names one first. Code in a folder is never run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import read_header
from rnd1lib.models.tokens.gguf_vocabulary import tokenizer_of
from rnd1lib.models.tokens.tokenizer import ROLES, Tokenizer

LARGEST_BYTES = 256 * 2**20
"""More than any tokenizer in use (the largest take some 40 MB); a folder from outside must not fill the memory."""


def load_tokenizer(folder: str | Path) -> Tokenizer | None:
    """Reads a folder's tokenizer, ours or a published one, or a GGUF file's; None where there is no tokenizer.json.

    ModelError: a file that is broken or larger than 256 MB.
    """
    folder = Path(folder)
    if folder.is_file():
        return tokenizer_of(read_header(folder))
    if not (folder / "tokenizer.json").is_file():
        return None
    try:
        tokens = tokenizers.Tokenizer.from_str(_read(folder / "tokenizer.json"))
    except Exception as error:  # the library raises nothing more specific
        raise ModelError(f"{folder / 'tokenizer.json'} is no tokenizer: {error}.") from error
    tokens.no_truncation()  # a published file may say how much to cut off or to pad
    tokens.no_padding()
    config = _mapping(folder / "tokenizer_config.json")
    config.pop("auto_map", None)
    if (folder / "chat_template.jinja").is_file():
        config["chat_template"] = _read(folder / "chat_template.jinja")
    names = _mapping(folder / "special_tokens_map.json") | config
    ids = {f"{role}_id": _token_id(tokens, role, names, _mapping(folder / "config.json")) for role in ROLES}
    return Tokenizer(tokens=tokens, config=config, **ids)


def _token_id(tokens: tokenizers.Tokenizer, role: str, names: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """The id of a role: by the token's name, else the model's own; a name that is null says that there is none."""
    name = names.get(role)
    if isinstance(name, Mapping):  # an AddedToken written out
        name = name.get("content")
    if isinstance(name, str):
        token_id = tokens.token_to_id(name)
        if token_id is not None:
            return int(token_id)
    elif role in names:
        return None
    token_id = config.get(f"{role}_id")
    if isinstance(token_id, list):  # several ends: the first is the end of text
        token_id = next(iter(token_id), None)
    return token_id if isinstance(token_id, int) else None


def _read(path: Path) -> str:
    if path.stat().st_size > LARGEST_BYTES:
        raise ModelError(f"{path} is larger than {LARGEST_BYTES // 2**20} MB, so it is no file of a tokenizer.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8: {error}.") from error


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object.")
    return value
