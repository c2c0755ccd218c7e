"""Which documents are kept from training, for validation: those of lowest sha256, so the choice depends on content alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import torch

from rnd1lib.data.faults import Faults
from rnd1lib.data.reading import inspected_documents
from rnd1lib.kinds import Conversation, Data

Content = str | Sequence[int] | torch.Tensor | Conversation

SHARE = 0.01
FEWEST = 16


def held_out(data: Data, faults: Faults | None = None) -> Callable[[Content], bool]:
    """Says of a document's content whether it is held out: 1 % of the documents, at least 16, at most half of them.

    A finite source is read once, as one stream, and its broken documents are weighed by `faults`; of an `endless` one every
    document whose sha256 is below 1 % of the largest is held out. Copies of a document fall on the same side, and so do the
    answers of one conversation, since the later ones have the earlier ones in their prompt. The streams of a run play no part.
    """
    if getattr(data, "endless", False):
        limit = int(SHARE * 2**256).to_bytes(32, "big")
        return lambda content: _digest(content) < limit
    digests = sorted(
        {_digest(document.content) for document in inspected_documents(data, faults or Faults()) if len(document.content)}
    )
    chosen = frozenset(digests[: min(max(FEWEST, round(SHARE * len(digests))), len(digests) // 2)])
    return lambda content: _digest(content) in chosen


def _digest(content: Content) -> bytes:
    if isinstance(content, Conversation):
        content = json.dumps(_opening(content), sort_keys=True)
    if isinstance(content, str):
        return sha256(content.encode()).digest()
    return sha256(torch.as_tensor(content, dtype=torch.int64).numpy().tobytes()).digest()


def _opening(conversation: Conversation) -> list[Mapping[str, Any]]:
    """The messages up to the first answer: alike for every answer of a conversation."""
    messages = conversation.messages
    roles = [message["role"] for message in messages]
    return list(messages[: roles.index(roles[-1]) + 1])
