"""The TableModel of the goldens: a denoiser without a transformer, deterministic, bidirectional, dependent on position."""

from pathlib import Path

import torch
from safetensors.torch import load_file

WEIGHTS = Path(__file__).parent / "goldens" / "common" / "table_model.safetensors"


class TableModel:
    """V = 64; remembers the ids of every call and how many rows its head was asked for."""

    mask_token_id, eos_token_id, pad_token_id, bos_token_id = 63, 62, 61, 60

    def __init__(self, shift=0, bias="b", offset=0):
        self.shift, self.bias, self.offset = shift, bias, offset
        self.seen, self.rows_asked = [], []
        self.weights = {name: value.double() for name, value in load_file(WEIGHTS).items()}

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        self.seen.extend(ids_BL.tolist())
        w = self.weights
        documents_BL = torch.zeros_like(ids_BL) if documents_BL is None else documents_BL
        same_BLL = documents_BL[:, :, None] == documents_BL[:, None, :]
        positions_BL = same_BLL.tril(-1).sum(-1) + self.offset
        h_BLD = w["E"][ids_BL] + w["P"][positions_BL]
        seen_BLL = w["K"][positions_BL[:, :, None], positions_BL[:, None, :]] * same_BLL
        logits_BLV = (torch.tanh(h_BLD + seen_BLL @ h_BLD) @ w["U"] + w[self.bias]).float()
        self.rows_asked.append(rows_BL.sum().item() if rows_BL is not None else rows_BL)
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]
