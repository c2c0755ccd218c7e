import re
import shutil

import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe
from safetensors.torch import load_file, save_file

from rnd1lib import load_model
from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.origins.folder import open_folder
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.weights import folder_tensors, load_folder, parameter_name, parameters

MASK = 315
COMPONENTS = {"tied": Qwen3(), "untied": Qwen3(), "mixed": Qwen3Moe(), "every_second": Qwen3Moe()}


def loaded(shape, folders, **options):
    component, folder = COMPONENTS[shape], open_folder(folders[shape][0])
    with torch.device("meta"):
        network = component.spec(folder.config, Build(mask_token_id=MASK, sequence_length=64)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    sources = component.tensors(folder.config)
    load_folder(network, folder, sources, **options)
    return network, folder, sources


@pytest.mark.parametrize("shape", COMPONENTS)
def test_what_goes_in_comes_out_under_the_same_names(shape, written_by_transformers):
    network, folder, sources = loaded(shape, written_by_transformers)
    out = dict(folder_tensors(network, sources))
    assert set(out) == set(folder.files)
    assert all(torch.equal(tensor, folder.tensor(name)) for name, tensor in out.items())


@pytest.mark.parametrize("shape", ["mixed", "every_second"])
def test_experts_that_transformers_left_fused_are_the_same_weights(shape, written_by_transformers, tmp_path):
    theirs = written_by_transformers[shape][1]
    theirs.save_pretrained(tmp_path, save_original_format=False)
    fused, apart = open_folder(tmp_path), open_folder(written_by_transformers[shape][0])
    assert any(name.endswith("mlp.experts.gate_up_proj") for name in fused.files)
    assert dict(fused.shapes) == dict(apart.shapes)
    box = (slice(3, 7), slice(1, 5))
    for name in [name for name in fused.shapes if ".experts." in name]:
        assert torch.equal(fused.tensor(name), apart.tensor(name))
        assert torch.equal(fused.tensor(name, box), apart.tensor(name)[box])
    network, _, sources = loaded(shape, {shape: (tmp_path, theirs)})
    assert all(torch.equal(tensor, apart.tensor(name)) for name, tensor in folder_tensors(network, sources))


@pytest.mark.parametrize(
    ("dtype", "number"), [(torch.float32, torch.inf), (torch.float32, -torch.inf), (torch.bfloat16, torch.nan)]
)
@pytest.mark.parametrize("name", ["model.layers.2.mlp.experts.4.up_proj.weight", "model.norm.weight"])
def test_a_weight_that_is_no_number_is_named(name, dtype, number, written_by_transformers, tmp_path):
    folder = written_by_transformers["mixed"][0]
    tensors = {key: tensor.to(dtype) for key, tensor in load_file(folder / "model.safetensors").items()}
    tensors[name].view(-1)[5] = number
    save_file(tensors, tmp_path / "model.safetensors")
    shutil.copy(folder / "config.json", tmp_path)
    with pytest.raises(ModelError, match=rf"the weights {re.escape(name)} are not finite"):
        loaded("mixed", {"mixed": (tmp_path, None)})
    with pytest.raises(ModelError, match=rf"the weights {re.escape(name)} are not finite"):
        load_model(tmp_path, dtype="bfloat16")


@pytest.mark.parametrize("shape", ["tied", "untied"])
def test_the_trained_row_leaves_in_its_table(shape, written_by_transformers):
    network, folder, sources = loaded(shape, written_by_transformers, mask_row=FirstRow("zero"))
    before = folder.tensor("model.embed_tokens.weight")
    table = dict(folder_tensors(network, sources))["model.embed_tokens.weight"]
    assert torch.equal(table[MASK], torch.zeros(48))
    assert torch.equal(table[:MASK], before[:MASK])
    assert torch.equal(network.tok_embeddings.weight[MASK], before[MASK])


def test_a_folder_that_does_not_fit_changes_nothing(written_by_transformers):
    network, _, sources = loaded("untied", written_by_transformers)
    before = {name: value.detach().clone() for name, value in parameters(network).items()}
    with pytest.raises(ModelError, match=r"lm_head\.weight: missing"):
        load_folder(network, open_folder(written_by_transformers["tied"][0]), sources)
    assert all(torch.equal(value, before[name]) for name, value in parameters(network).items())


def test_names_are_freed_of_what_wraps_a_layer():
    wrapped = "layers.0._orig_mod._checkpoint_wrapped_module.attention.wo.weight"
    assert parameter_name(wrapped) == "layers.0.attention.wo.weight"
