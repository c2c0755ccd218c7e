"""A document's tokens: ids that the model knows, and which of them may be masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from rnd1lib.errors import DataError
from rnd1lib.kinds import Conversation, Document

Encode = Callable[[str], Sequence[int]]
"""Text to ids."""
EncodeConversation = Callable[[Sequence[Mapping[str, Any]]], tuple[Sequence[int], Sequence[int]]]
"""Messages to the ids of the prompt, which is all but the last of them, and the ids of the answer."""


class Tokens(NamedTuple):
    """A document for the packer: ids (int64) and which of them may be masked (bool), [N] each; pad_to as in `Document`."""

    ids_N: Tensor
    maskable_N: Tensor
    pad_to: int | Literal["row"] | None = None


@dataclass(frozen=True)
class Encoding:
    """What makes tokens of documents. vocab_size, mask_token_id: ids that no document may hold, if they are known."""

    text: Encode
    conversation: EncodeConversation | None = None
    vocab_size: int | None = None
    mask_token_id: int | None = None

    def __call__(self, document: Document) -> Tokens:
        """The document's tokens. DataError: ids that the model does not know, or a conversation that is none."""
        content = document.content
        if isinstance(content, Conversation):
            assert self.conversation is not None
            prompt, answer = self.conversation(content.messages)
            ids_N = _ids([*prompt, *answer])
            maskable_N = torch.arange(len(ids_N)) >= len(prompt)
        else:
            ids_N = _ids(self.text(content) if isinstance(content, str) else content)
            maskable = torch.ones(len(ids_N)) if document.maskable is None else document.maskable
            maskable_N = torch.as_tensor(maskable, dtype=torch.bool)
        self._check(ids_N)
        return Tokens(ids_N, maskable_N, document.pad_to)

    def _check(self, ids_N: Tensor) -> None:
        unknown_N = ids_N < 0
        if self.vocab_size is not None:
            unknown_N |= ids_N >= self.vocab_size
        if self.mask_token_id is not None:
            unknown_N |= ids_N == self.mask_token_id
        if not unknown_N.any():
            return
        position = int(unknown_N.nonzero()[0, 0])
        token = int(ids_N[position])
        is_mask = token == self.mask_token_id
        what = "the mask token, which no text may hold" if is_mask else f"not in [0, {self.vocab_size or 'inf'})"
        raise DataError(f"token {token} at position {position} is {what}.")


def _ids(ids: Sequence[int] | Tensor) -> Tensor:
    return torch.as_tensor(ids, dtype=torch.int64)


def fault(document: Document, error: DataError) -> str:
    """What is wrong with a document and where it stands, in a sentence."""
    return f"the document that ends at {json.dumps(document.cursor)[:200]}: {error}"
