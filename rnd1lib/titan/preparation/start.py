"""What a run begins from: the config of its network, of the folder `model.init` or of a flavor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rnd1lib.errors import RecipeError
from rnd1lib.models.config.dimensions import with_positions
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.facts import Facts, read_facts
from rnd1lib.models.origins.folder import FACTS
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
    "intermediate_size", "moe_intermediate_size", "num_experts_per_tok", "tie_word_embeddings",
)  # fmt: skip


class Start(NamedTuple):
    """What a run begins from: the folder that `model.init` names, or nothing.

    facts: what a diffusion folder says of itself. mask_token_id: that the folder or its own tokenizer declares, if any; its
    row may have been trained.
    """

    config: dict[str, Any]
    path: str | None = None
    folder: Path | None = None
    facts: Facts | None = None
    mask_token_id: int | None = None

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The folder's own, if it has one."""
        return load_tokenizer(self.folder) if self.folder else None


def starting_point(recipe: Recipe) -> Start:
    """The network's config: of the folder `init`, which must agree with `flavor` where both are given, or of the flavor.

    In either the recipe's RoPE base, if it names one, and positions for the recipe's rows.
    """
    model, component = recipe.model, recipe.components.model
    positioned = partial(with_positions, count=recipe.train.sequence_length, rope_theta=model.rope_theta)
    flavor = dict(component.flavors[model.flavor]) if model.flavor else None
    if model.init is None:
        assert flavor is not None
        return Start(positioned(flavor))
    origin = open_model(model.init)
    config = origin.config
    if config.get("model_type") not in component.model_types:
        raise RecipeError(
            f"model.init: {model.init} has model_type {config.get('model_type')!r}, and the model '{model.use}' reads "
            f"{', '.join(component.model_types)}. Name the component that reads it as model.use."
        )
    other = [key for key in SIZES if flavor and key in flavor and key in config and flavor[key] != config[key]]
    if flavor and other:
        sizes = ", ".join(f"{key} {config[key]} (flavor: {flavor[key]})" for key in other)
        raise RecipeError(
            f"model.init: {model.init} is of another size than flavor '{model.flavor}': {sizes}. "
            "Say model.flavor=null: then it says the size."
        )
    facts = read_facts(origin.folder, config)
    diffuses = (origin.folder / FACTS).is_file() or facts.mask_token_id is not None
    own = read_facts(origin.folder, config, origin.tokenizer.mask_token_id if origin.tokenizer else None).mask_token_id
    return Start(positioned(config), model.init, origin.folder, facts if diffuses else None, own)
