"""Configuration of RND1 folders for transformers 5: Qwen3-MoE's, whose sizes are those that config.json gives."""

from typing import Any

from transformers import Qwen3MoeConfig


class RND1Config(Qwen3MoeConfig):
    """A Qwen3-MoE that attends both ways, and how it is sampled; every size that is given is kept.

    moe_backend: which kernels other programs of RND1 run the experts with. num_diffusion_steps: forward passes of a
    sample. mask_token_id: the token that stands for one to be predicted.
    """

    model_type = "rnd1"

    def __init__(
        self,
        *,
        moe_backend: str = "hf",
        num_diffusion_steps: int = 256,
        mask_token_id: int | None = 151669,
        is_causal: bool = False,
        rope_scaling: Any = None,
        sliding_window: Any = None,
        **others: Any,
    ) -> None:
        # RND1 writes false where transformers knows null alone.
        super().__init__(rope_scaling=rope_scaling or None, sliding_window=sliding_window or None, **others)
        self.moe_backend, self.num_diffusion_steps, self.mask_token_id = moe_backend, num_diffusion_steps, mask_token_id
        self.is_causal = is_causal
