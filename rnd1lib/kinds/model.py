"""The contract of a model component: which network, in which sizes, and how Hugging Face names its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec


def experts_of(config: Mapping[str, Any]) -> int:
    """How many experts a layer of a network has, by its config.json; 0 for a dense one, and for what is no number."""
    said = config.get("num_experts") or config.get("num_local_experts")
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0


class TensorSource(NamedTuple):
    """One parameter of the network and the Hugging Face tensors that make it up.

    With `stacked` the tensors are the slices of the parameter along its first dimension (grouped experts).
    """

    parameter: str
    tensors: Sequence[str]
    stacked: bool = False


class Build(NamedTuple):
    """What a network needs to know beyond its config: the core fills it in.

    mask_token_id: the row that is a parameter of its own (None: a model without a mask token). seed: of the initial
    weights. sequence_length: rows of the RoPE cache. compute_dtype: "float32" or "bfloat16", of the experts.
    frozen: names of parameters that do not learn. loss: "chunked" or "liger", who computes the LM head's cross entropy.
    """

    mask_token_id: int | None = None
    seed: int = 0
    sequence_length: int = 2048
    compute_dtype: str = "float32"
    frozen: frozenset[str] = frozenset()
    loss: Literal["chunked", "liger"] = "chunked"


@runtime_checkable
class Model(Protocol):
    """A family of networks. `config` is always a Hugging Face config.json as plain data, whoever wrote it.

    flavors: name -> config. model_types: the `model_type` values of folders that this component reads. layouts: the names
    of the folder layouts that it writes. torchtitan is imported inside `spec` only.
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]]
    model_types: ClassVar[Sequence[str]]
    layouts: ClassVar[Sequence[str]]

    def spec(self, config: Mapping[str, Any], build: Build) -> ModelSpec:
        """torchtitan's ModelSpec of that network."""

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Every parameter of the network (save the mask row) and the Hugging Face tensors that make it up."""

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """The config.json of an exported folder in one of `layouts`."""
