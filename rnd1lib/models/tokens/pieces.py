"""One token by itself, as a person is shown it: where a character has several tokens, each shows its bytes."""

from __future__ import annotations

import re

import tokenizers

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
UNDECODED = re.compile("[\udc80-\udcff]+")


def piece(tokens: tokenizers.Tokenizer, token_id: int) -> str:
    """The token's text, with the space before it; what is no whole character as `⟨E4 B8⟩`; `⟨id 9⟩` for an id without one."""
    token = tokens.id_to_token(token_id)
    if token is None:
        return f"⟨id {token_id}⟩"
    before = tokens.encode("a", add_special_tokens=False).ids  # some decoders drop a space at the start of a text
    text = _decode(tokens, [*before, token_id]).removeprefix(_decode(tokens, before))
    raw = _bytes_of(token) if REPLACEMENT in text else None
    return text if raw is None else UNDECODED.sub(_shown, raw.decode("utf-8", "surrogateescape"))


def _decode(tokens: tokenizers.Tokenizer, ids: list[int]) -> str:
    return str(tokens.decode(ids, skip_special_tokens=False))


def _shown(undecoded: re.Match[str]) -> str:
    return f"⟨{undecoded[0].encode('utf-8', 'surrogateescape').hex(' ').upper()}⟩"


def _bytes_of(token: str) -> bytes | None:
    """The bytes of a token of a byte-level vocabulary or of a SentencePiece fallback; None: it is neither."""
    if fallback := FALLBACK.fullmatch(token):
        return bytes.fromhex(fallback[1])
    try:
        return bytes(BYTE_OF[letter] for letter in token)
    except KeyError:
        return None


def _byte_alphabet() -> dict[str, int]:
    """Which letter stands for which byte in a byte-level vocabulary: itself where it can be seen, else one from 256 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(unseen)}


BYTE_OF = _byte_alphabet()
