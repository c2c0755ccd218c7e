"""The model that training, evaluation and sampling share: ids in, raw logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from rnd1lib.errors import ModelError
from rnd1lib.kinds import AttentionMask, Noise
from rnd1lib.models.attention import Kernel, positions_in_documents
from rnd1lib.models.forward import extended_states, hidden_states
from rnd1lib.models.key_values import KeyValues
from rnd1lib.models.tokens.tokenizer import Tokenizer


class DiffusionLM:
    """A network with what makes it a diffusion language model.

    network: torchtitan's decoder, whole or sharded (then every rank makes the same calls). config: its config.json as plain
    data. shift: 1 if row i predicts token i + 1. step: the finished training steps, which an annealed mask asks for.
    name: what it is called where texts of it are shown; its folder's or hub's name if it was loaded, else its architecture.
    reading: a line that says shift, mask token and attention, and who says so, of a model that was loaded.
    kernel: "flex" to compute masks with flex attention, which on a GPU is compiled anew for each length of rows.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        config: Mapping[str, Any],
        shift: int,
        mask_token_id: int | None,
        attention_mask: AttentionMask,
        step: int = 0,
        eos_token_id: int | None = None,
        pad_token_id: int | None = None,
        bos_token_id: int | None = None,
        tokenizer: Tokenizer | None = None,
        noise: Noise | None = None,
        kernel: Kernel = "sdpa",
        reading: str = "",
    ) -> None:
        self.network, self.config = network, config
        self.name = str(config.get("model_type", "model"))
        self.shift, self._mask_token_id, self.reading = shift, mask_token_id, reading
        self.attention_mask, self.step, self.kernel = attention_mask, step, kernel
        self.eos_token_id, self.pad_token_id, self.bos_token_id = eos_token_id, pad_token_id, bos_token_id
        self.tokenizer, self.noise = tokenizer, noise

    @property
    def mask_token_id(self) -> int:
        """The id that stands for a token to be predicted. Raises ModelError for a model without one."""
        if self._mask_token_id is None:
            raise ModelError(
                "This model has no mask token. A causal one writes a token a step without any: sampler left_to_right, no "
                "steps, no guidance. Else name one of its tokens: --mask-token ID_OR_NAME of rnd1 sample and infill, "
                "load_model(..., mask_token_id=...), or rnd1_config.json in its folder: "
                '{"shift": 1, "mask_token_id": ..., "attention_mask": {"use": "causal"}}.'
            )
        return self._mask_token_id

    @property
    def has_mask_token(self) -> bool:
        """Whether `mask_token_id` can be asked for."""
        return self._mask_token_id is not None

    @property
    def end_token_ids(self) -> tuple[int, ...]:
        """All that end a text, where config.json lists several: chat models end texts and turns."""
        said = self.config.get("eos_token_id")
        return tuple(said) if isinstance(said, list) else ()

    @property
    def vocab_size(self) -> int:
        """The width of the logits, padding of the table included."""
        return int(self.config["vocab_size"])

    @property
    def context_length(self) -> int:
        """The most tokens of one row: for so many positions the network has rotations."""
        return len(self.network.get_buffer("layers.0.attention.rope.cache"))

    @property
    def device(self) -> torch.device:
        """Where the network is, and ids are moved to."""
        return next(self.network.parameters()).device

    @property
    def block_length(self) -> int | None:
        """Behind which a token sees nothing: 1 under a causal mask, the block of a block-causal one; None: it sees the rest.

        Blocks count from the start of the row. Keys and values that are kept stay exact only where this is a number.
        """
        match self.attention_mask.pattern(self.step):
            case "causal":
                return 1
            case "custom":
                return getattr(self.attention_mask, "block_length", None)
            case "full":
                return None

    @torch.no_grad()
    def logits(self, ids_BL: Tensor, *, rows_BL: Tensor | None = None, documents_BL: Tensor | None = None) -> Tensor:
        """Raw, unshifted logits [B, L, V] in the network's dtype; with `rows_BL` (bool) [rows_BL.sum(), V], the head on those.

        documents_BL: any integer a token; a token sees its own document alone, in which positions count from 0. Left out,
        each row is one document. Raises ModelError for rows that are longer than the network's positions.
        """
        self._check_length(ids_BL.shape[1])
        return self._logits(ids_BL, rows_BL, documents_BL)

    @torch.no_grad()
    def prefill(
        self, ids_BL: Tensor, *, rows_BL: Tensor | None = None, lengths_B: Tensor | None = None, room: int | None = None
    ) -> KeyValues:
        """`logits`, in `.logits` of what it returns, with every layer's keys and values for `extend`, a slot a position.

        lengths_B: what lies behind is padding. room: slots of a row, L by default. Raises ModelError as `logits` does.
        """
        length, room = ids_BL.shape[1], ids_BL.shape[1] if room is None else room
        self._check_length(max(length, room))
        places_M = torch.arange(room, device=self.device)
        written_BM = (places_M < (length if lengths_B is None else lengths_B.to(self.device)[:, None])).expand(len(ids_BL), -1)
        cache = KeyValues(written_BM)
        padding_BL = None if lengths_B is None else (~written_BM[:, :length]).long()
        cache.logits = self._logits(ids_BL, rows_BL, padding_BL, cache)
        return cache

    @torch.no_grad()
    def extend(
        self,
        cache: KeyValues,
        ids_BS: Tensor,
        *,
        at_BS: Tensor,
        rows_BS: Tensor | None = None,
        of_B: Tensor | None = None,
    ) -> Tensor:
        """Raw logits [B, S, V], or [rows_BS.sum(), V], of the tokens `ids_BS` at positions `at_BS`; only these are run.

        at_BS: int64, -1 where there is no token (rows may be ragged). of_B: their rows in the cache; all, in order, by
        default. Their keys and values replace those of their slots; they see every slot of their row that was ever written,
        as far as the mask allows. So with all other tokens unchanged since they were run, this is what `logits` gives.
        """
        ids_BS, at_BS = ids_BS.to(self.device), at_BS.to(self.device)
        of_B = None if of_B is None else of_B.to(self.device)
        hidden_BSD = extended_states(self.network, self.attention_mask, self.step, ids_BS, cache, at_BS, of_B)
        return self._head(hidden_BSD if rows_BS is None else hidden_BSD[rows_BS.to(self.device)])

    def _logits(
        self, ids_BL: Tensor, rows_BL: Tensor | None, documents_BL: Tensor | None, cache: KeyValues | None = None
    ) -> Tensor:
        ids_BL = ids_BL.to(self.device)
        if documents_BL is None:
            positions_BL = torch.arange(ids_BL.shape[1], device=self.device).expand(ids_BL.shape)
        else:
            documents_BL = documents_BL.to(self.device)
            positions_BL = positions_in_documents(documents_BL)
        mask, step = self.attention_mask, self.step
        hidden_BLD = hidden_states(
            self.network, mask, step, ids_BL, documents_BL, positions_BL, kernel=self.kernel, cache=cache
        )
        return self._head(hidden_BLD if rows_BL is None else hidden_BLD[rows_BL.to(self.device)])

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.network.get_submodule("lm_head")(hidden)
        reshard(self.network)
        return logits

    def _check_length(self, length: int) -> None:
        if length > self.context_length:
            raise ModelError(f"A row of {length} tokens is longer than this network's {self.context_length} positions.")


def reshard(network: nn.Module) -> None:
    """After a forward pass without a backward one: FSDP keeps the head whole for it; a save would find compute dtypes."""
    if not isinstance(network, FSDPModule):  # torchtitan shards the whole wherever it shards a part
        return
    for module in network.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
