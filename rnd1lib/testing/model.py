"""What a model component promises, on its flavor `tiny` (and so at the cost of importing torchtitan)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnd1lib.kinds import Build, Model, Pattern
from rnd1lib.models.config.tensor_names import HEAD, MASK_ROW
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.weights import parameters
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng

LENGTH, NEAR = 12, 2e-5


class Everything:
    """Every token sees its whole document."""

    def pattern(self, step: int) -> Pattern:
        """Always `full`."""
        return "full"


class Past:
    """Every token sees what stands before it."""

    def pattern(self, step: int) -> Pattern:
        """Always `causal`."""
        return "causal"


def config_of(component: Model) -> Mapping[str, Any]:
    """Of the flavor `tiny`."""
    return component.flavors["tiny"]


def mask_of(component: Model) -> int:
    """The last id of the vocabulary."""
    return int(config_of(component)["vocab_size"]) - 1


def empty(component: Model, config: Mapping[str, Any], mask_token_id: int | None, seed: int = 0) -> nn.Module:
    """The network without weights."""
    build = Build(mask_token_id=mask_token_id, seed=seed, sequence_length=4 * LENGTH)
    with torch.device("meta"):
        network: nn.Module = component.spec(config, build).model.build()
    return network


def drawn(component: Model, seed: int = 0) -> Any:
    """The network with its initial weights."""
    network: Any = empty(component, config_of(component), mask_of(component), seed)
    network.to_empty(device="cpu")
    network.init_states()
    return network


def network_of(component: Model) -> Any:
    """The same for every check, with weights large enough to tell tokens apart."""
    network = drawn(component, seed=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return network


def denoiser(component: Model, mask: Everything | Past | None = None) -> DiffusionLM:
    """The network as what samplers and evaluators get."""
    who: Any = mask or Everything()
    return DiffusionLM(
        network_of(component), config=config_of(component), shift=0, mask_token_id=mask_of(component), attention_mask=who
    )


def ids(component: Model, rows: int = 3) -> Tensor:
    """[rows, 12] ids, all over the vocabulary, with mask tokens among them."""
    ids_BL = torch.arange(rows * LENGTH).reshape(rows, LENGTH) * 37 % (mask_of(component) - 1)
    return torch.where(torch.arange(LENGTH) % 5 == 3, mask_of(component), ids_BL)


def demand_near(told: Tensor, meant: Tensor, what: str) -> None:
    """Logits that differ by no more than the order of a sum."""
    off = float((told - meant).abs().max() / meant.abs().max().clamp(min=1))
    demand(off < NEAR, f"{what}: the logits differ by {off:.2g} of the largest.")


@promise
def a_flavor_is_a_config_that_the_component_reads(component: Model) -> None:
    """Each is plain JSON whose model_type is one of model_types; one is called tiny, and small enough for any machine."""
    for name, config in component.flavors.items():
        plain = json.loads(json.dumps(config))
        demand(plain == dict(config), f"the flavor {name} reads back otherwise from JSON.")
        told = config.get("model_type")
        demand(told in component.model_types, f"the flavor {name} has model_type {told!r}, not one of {component.model_types}.")
    demand("tiny" in component.flavors, f"there is no flavor tiny among {', '.join(component.flavors)}.")
    size = sum(parameter.numel() for parameter in empty(component, config_of(component), None).parameters())
    demand(size < 2e7, f"tiny has {size:,} parameters.")


@promise
def every_parameter_comes_from_a_tensor(component: Model) -> None:
    """tensors(config) names each parameter once, save the mask token's row and a tied head; no tensor is read twice."""
    for name, config in component.flavors.items():
        sources = component.tensors(config)
        ours = parameters(empty(component, config, 0))
        told = [source.parameter for source in sources]
        unnamed = set(ours) - set(told) - {MASK_ROW, HEAD if config.get("tie_word_embeddings") else MASK_ROW}
        demand(not unnamed, f"{name}: no tensor makes up {sorted(unnamed)[:3]}.")
        demand(set(told) <= set(ours) and len(set(told)) == len(told), f"{name}: a parameter is named twice or does not exist.")
        read = [tensor for source in sources for tensor in source.tensors]
        demand(len(set(read)) == len(read), f"{name}: a tensor is read twice.")
        for source in sources:
            slices = len(ours[source.parameter]) if source.stacked else 1
            demand(
                len(source.tensors) == slices, f"{name}: {source.parameter} has {len(source.tensors)} tensors, not {slices}."
            )


@promise
def the_mask_tokens_row_is_a_parameter_of_its_own(component: Model) -> None:
    """With a mask token there is tok_embeddings.mask_row [width], without one there is not; the token is embedded by it."""
    network = network_of(component)
    row = parameters(network).get(MASK_ROW)
    demand(row is not None and row.dim() == 1, f"{MASK_ROW} is {None if row is None else tuple(row.shape)}.")
    demand(MASK_ROW not in parameters(empty(component, config_of(component), None)), "there is a row without a mask token.")
    embedded = network.get_submodule("tok_embeddings")(torch.tensor([[mask_of(component), 0]]))
    demand(row is not None and torch.equal(embedded[0, 0], row), "the mask token is embedded by another row.")


@promise
def initial_weights_are_functions_of_seed_and_name(component: Model) -> None:
    """The same seed, the same bits; another seed, others; no generator of the process is moved."""
    with no_process_rng():
        one = parameters(drawn(component, seed=3))
    torch.rand(1)
    two, other = parameters(drawn(component, seed=3)), parameters(drawn(component, seed=4))
    moved = [name for name in one if not torch.equal(one[name], two[name])]
    demand(not moved, f"{', '.join(moved[:3])} differ between two networks of one seed.")
    fixed = [name for name in one if one[name].dim() > 1 and torch.equal(one[name], other[name])]
    demand(not fixed, f"{', '.join(fixed[:3])} do not depend on the seed.")


@promise
def the_head_gives_the_rows_that_are_asked_for(component: Model) -> None:
    """logits [B, L, V], and with rows_BL those rows of it in order."""
    model, ids_BL = denoiser(component), ids(component)
    whole_BLV = model.logits(ids_BL)
    shape = (*ids_BL.shape, int(config_of(component)["vocab_size"]))
    demand(tuple(whole_BLV.shape) == shape, f"the logits are {tuple(whole_BLV.shape)}, not {shape}.")
    rows_BL = ids_BL == mask_of(component)
    demand_near(model.logits(ids_BL, rows_BL=rows_BL), whole_BLV[rows_BL], "rows asked for and all rows")


@promise
def a_row_does_not_depend_on_its_batch_mates(component: Model) -> None:
    """A row by itself has the logits that it has in a batch."""
    model, ids_BL = denoiser(component), ids(component)
    together = model.logits(ids_BL)
    for number, row in enumerate(ids_BL):
        demand_near(model.logits(row[None])[0], together[number], f"row {number} alone")


@promise
def a_token_sees_its_own_document_alone(component: Model) -> None:
    """Documents of a packed row, side by side or interleaved, have the logits that each has as a row of its own."""
    for mask in (Everything(), Past()):
        model, ids_BL = denoiser(component, mask), ids(component)
        for documents_L in (torch.arange(LENGTH) // 5, torch.arange(LENGTH) % 2):
            packed = model.logits(ids_BL, documents_BL=documents_L.expand(ids_BL.shape))
            for document in sorted(set(documents_L.tolist())):
                places = (documents_L == document).nonzero()[:, 0]
                alone = model.logits(ids_BL[:, places])
                demand_near(packed[:, places], alone, f"document {document} of {documents_L.tolist()}")


@promise
def the_attention_mask_decides_who_is_seen(component: Model) -> None:
    """Another last token changes every row under the full mask, and the last row alone under the causal one."""
    ids_BL = ids(component, 1)
    other_BL = ids_BL.clone()
    other_BL[0, -1] = 5
    for mask, first in ((Everything(), 0), (Past(), LENGTH - 1)):
        model = denoiser(component, mask)
        logits_BLV = model.logits(ids_BL)
        off_L = (logits_BLV - model.logits(other_BL)).abs().amax(-1)[0]
        changed = (off_L > NEAR * logits_BLV.abs().max()).nonzero()[:, 0].tolist()
        demand(changed == list(range(first, LENGTH)), f"under {mask.pattern(0)} the rows {changed} change.")


@promise
def gradients_reach_every_parameter(component: Model) -> None:
    """One backward pass through the scoring head: each parameter has a finite gradient, the mask token's row among them."""
    network = drawn(component, seed=1)
    ids_BL = ids(component)
    hidden_BLD = network(ids_BL, positions=torch.arange(LENGTH).expand(ids_BL.shape), attention_masks=None)
    scored_BL = ids_BL == mask_of(component)
    labels_N = torch.arange(int(scored_BL.sum()))
    network.get_submodule("lm_head")(hidden_BLD[scored_BL], labels=labels_N, never=mask_of(component)).backward()
    for name, parameter in parameters(network).items():
        reached = parameter.grad is not None and bool(parameter.grad.isfinite().all())
        demand(reached, f"{name} has no finite gradient.")
    row = parameters(network)[MASK_ROW].grad
    demand(row is not None and bool(row.any()), "the mask token's row has the gradient 0.")


@promise
def what_is_written_reads_back(component: Model) -> None:
    """folder_config of each layout is plain JSON, of one of model_types, and describes the same network."""
    config = config_of(component)
    shapes = {name: tuple(value.shape) for name, value in parameters(empty(component, config, 7)).items()}
    for layout in component.layouts:
        for bidirectional in (True, False):
            written = component.folder_config(config, layout=layout, bidirectional=bidirectional, mask_token_id=7)
            demand(json.loads(json.dumps(written)) == written, f"the config of layout {layout} is no plain JSON.")
            told = written.get("model_type")
            demand(
                told in component.model_types, f"layout {layout} says model_type {told!r}, which the component does not read."
            )
            read = {name: tuple(value.shape) for name, value in parameters(empty(component, written, 7)).items()}
            demand(read == shapes, f"layout {layout} describes another network.")
