import pytest
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe
from transformers import AutoConfig, AutoModelForCausalLM

from rnd1lib.kinds import Model


@pytest.mark.parametrize("component", [Qwen3(), Qwen3Moe()])
def test_every_flavor_is_a_config_that_transformers_reads(component):
    assert isinstance(component, Model)
    for config in component.flavors.values():
        options = {key: value for key, value in config.items() if key != "model_type"}
        theirs = AutoConfig.for_model(config["model_type"], **options)
        assert theirs.num_hidden_layers == config["num_hidden_layers"]


@pytest.mark.parametrize("component", [Qwen3(), Qwen3Moe()])
def test_the_tiny_flavors_tensors_are_those_of_transformers(component, tmp_path):
    from safetensors import safe_open

    config = dict(component.flavors["tiny"])
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(config.pop("model_type"), **config))
    theirs.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert {name for source in component.tensors(config) for name in source.tensors} == set(file.keys())


def test_bidirectional_folders_say_so_and_causal_ones_do_not():
    config = Qwen3.flavors["tiny"]
    written = [
        Qwen3().folder_config(config, layout="qwen3", bidirectional=both_ways, mask_token_id=None)
        for both_ways in (True, False)
    ]
    assert written[0]["is_causal"] is False
    assert "is_causal" not in written[1]


def test_rnd1s_layout_has_rnd1s_fields_and_transformers_layout_none_of_them():
    config = dict(Qwen3Moe.flavors["tiny"]) | {"rope_parameters": {"rope_theta": 5e5}, "num_local_experts": 8}
    rnd1 = Qwen3Moe().folder_config(config, layout="rnd1", bidirectional=True, mask_token_id=4095)
    plain = Qwen3Moe().folder_config(rnd1, layout="qwen3_moe", bidirectional=True, mask_token_id=4095)
    fields = {"moe_backend": "hf", "num_diffusion_steps": 256, "mask_token_id": 4095}
    assert fields.items() <= rnd1.items()
    assert not fields.keys() & plain.keys()
    assert (rnd1["rope_theta"], plain["rope_theta"], plain["num_experts"], plain["rope_scaling"]) == (5e5, 5e5, 8, None)
    assert rnd1["auto_map"]["AutoModelForMaskedLM"] == "modeling_rnd.RND1LM"
