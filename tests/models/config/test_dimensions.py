"""Positions and RoPE base that a recipe asks for, in each spelling of a config.json."""

import pytest

from rnd1lib.models.config.dimensions import with_positions
from rnd1lib.models.config.problems import rope

OLD = {"rope_theta": 1e4, "rope_scaling": None, "max_position_embeddings": 64}
NEW = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}, "max_position_embeddings": 64}


@pytest.mark.parametrize("config", [OLD, NEW, OLD | NEW], ids=["transformers 4", "transformers 5", "both"])
def test_a_rope_base_is_changed_wherever_it_is_said_and_positions_only_grow(config):
    before = {**config}
    for asked, theta, positions in ((128, 5e4, 128), (32, None, 64)):
        changed = with_positions(config, asked, theta)
        assert rope(changed)["rope_theta"] == (theta or 1e4)
        assert changed["max_position_embeddings"] == positions
    assert config == before


def test_of_two_words_for_the_kind_of_rope_the_newer_one_counts():
    for said, kind in (({"type": "linear"}, "linear"), ({"type": "linear", "rope_type": "default"}, "default")):
        assert rope({"rope_scaling": said})["rope_type"] == rope({"rope_parameters": said})["rope_type"] == kind
