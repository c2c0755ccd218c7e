"""Every learning-rate policy divides the parameters of every family: each in one group, attention apart, the mask row alone."""

import pytest

import rnd1lib
from rnd1lib.models.config.tensor_names import MASK_ROW
from rnd1lib.titan.optimizer.groups import claim

FAMILIES = ["qwen3", "qwen3_moe", "llama", "qwen2", "llada", "llada_moe"]
POLICIES = [{"use": "uniform"}, *({"use": "attention_first", "setting": setting} for setting in (1, 2, 3, 4))]
POLICIES += [{"use": "attention_first", "rest": "freeze"}]
PROJECTIONS = {"qkv_linear.wq", "qkv_linear.wk", "qkv_linear.wv", "wo"}  # the report: q, k, v, o and the norms of q and k
NORMS = {"q_norm", "k_norm"}
PARTS = {  # of an attention module, without .weight and .bias
    **dict.fromkeys(("qwen3", "qwen3_moe", "llada_moe"), PROJECTIONS | NORMS),
    **dict.fromkeys(("llama", "llada", "qwen2"), PROJECTIONS),
}


def names_of(family):
    component = rnd1lib.build("model", family)
    return {flavor: [source.parameter for source in component.tensors(config)] for flavor, config in component.flavors.items()}


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_parameter_of_each_flavor_is_in_one_group(family, policy):
    options = dict(policy)
    groups = rnd1lib.build("lr_groups", options.pop("use"), **options)
    for names in names_of(family).values():
        claims = claim(groups.groups(names), names, mask_row=True)
        assert sorted(name for _, claimed in claims for name in claimed) == sorted([*names, MASK_ROW])
        if policy["use"] == "uniform":
            continue
        claimed = {group.name: set(parameters) for group, parameters in claims}
        assert claimed["mask_token"] == {MASK_ROW}
        parts = {name.partition(".attention.")[2].rpartition(".")[0] for name in claimed["attention"]}
        assert parts == PARTS[family]
        assert not any(".attention." in name for name in claimed["rest"])
        assert [group.name for group, _ in claims if group.frozen] == (["rest"] if "rest" in policy else [])


def test_qwen2s_biases_learn_with_the_projections_that_they_belong_to():
    names = names_of("qwen2")["tiny"]
    claims = claim(rnd1lib.build("lr_groups", "attention_first", rest="freeze").groups(names), names, mask_row=True)
    (attention,) = (parameters for group, parameters in claims if group.name == "attention")
    biases = [name for name in names if name.endswith(".bias")]
    assert len(biases) == 9 and set(biases) <= set(attention)
