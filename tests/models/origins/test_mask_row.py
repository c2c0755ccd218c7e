"""What the mask token's row starts from, and the rows that a table gains for it."""

from dataclasses import replace

import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.origins import mask_row
from rnd1lib.models.origins.folder import open_folder
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.weights import folder_tensors, load_folder

COMPONENTS = {"tied": Qwen3(), "untied": Qwen3(), "every_second": Qwen3Moe()}
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def loaded(folders, shape, first, *, mask=315, rows=320):
    """A network for `rows` tokens, filled from a folder of 320, and the folder."""
    component, folder = COMPONENTS[shape], open_folder(folders[shape][0])
    config = {**folder.config, "vocab_size": rows}
    with torch.device("meta"):
        network = component.spec(config, Build(mask_token_id=mask, sequence_length=64)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    load_folder(network, folder, component.tensors(config), mask_row=first)
    return network, folder, component.tensors(config)


@pytest.mark.parametrize("rows_at_once", [8192, 7])
def test_the_row_begins_as_asked(rows_at_once, written_by_transformers, monkeypatch):
    """Also where the trained rows are added up a few at a time."""
    monkeypatch.setattr(mask_row, "ROWS_AT_ONCE", rows_at_once)
    table = open_folder(written_by_transformers["tied"][0]).tensor(TABLE)
    others = torch.cat([table[:3], table[4:300]])
    for mask, first, row in [
        (315, FirstRow("keep"), table[315]),
        (315, FirstRow("zero"), torch.zeros(48)),
        (315, FirstRow(7), table[7]),
        (315, FirstRow("mean", trained=300), table[:300].mean(0)),
        (315, FirstRow("mean", trained=1000), torch.cat([table[:315], table[316:]]).mean(0)),
        (3, FirstRow("mean", trained=300), others.mean(0)),
        (0, FirstRow("mean"), table[1:].mean(0)),
    ]:
        network, _, _ = loaded(written_by_transformers, "tied", first, mask=mask)
        torch.testing.assert_close(network.tok_embeddings.mask_row.detach(), row, atol=1e-7, rtol=1e-6)
        assert torch.equal(network.tok_embeddings.weight, table)


@pytest.mark.parametrize("shape", COMPONENTS)
def test_a_table_grows_by_rows_that_are_the_mean_and_nothing_else_changes(shape, written_by_transformers):
    network, folder, sources = loaded(written_by_transformers, shape, FirstRow("mean", trained=300), mask=320, rows=384)
    out = dict(folder_tensors(network, sources))
    assert set(out) == set(folder.files)
    for name, tensor in out.items():
        stored = folder.tensor(name)
        if name in (TABLE, HEAD):
            mean_D = stored[:300].mean(0)
            torch.testing.assert_close(tensor[320:], mean_D.expand(64, -1), atol=1e-7, rtol=1e-6)
            tensor = tensor[:320]
        assert torch.equal(tensor, stored), name
    assert torch.equal(network.tok_embeddings.mask_row, network.tok_embeddings.weight[320])


@pytest.mark.parametrize("first", [FirstRow("zero"), FirstRow(5)])
def test_a_new_row_can_begin_otherwise_and_those_behind_it_are_still_the_mean(first, written_by_transformers):
    network, folder, _ = loaded(written_by_transformers, "untied", first, mask=320, rows=384)
    table = folder.tensor(TABLE)
    assert torch.equal(network.tok_embeddings.mask_row, table[5] if first.start == 5 else torch.zeros(48))
    torch.testing.assert_close(network.tok_embeddings.weight[321:], table.mean(0).expand(63, -1), atol=1e-7, rtol=1e-6)


def test_a_row_that_growth_adds_is_never_the_best_guess_nor_likelier_than_the_average_token(written_by_transformers):
    network, _, _ = loaded(written_by_transformers, "untied", FirstRow("mean"), mask=320, rows=384)
    logits_BV = torch.randn(200, 48, generator=torch.Generator().manual_seed(0)) * 9 @ network.lm_head.weight.detach().T
    assert bool((logits_BV.argmax(-1) < 320).all())
    assert bool((logits_BV.softmax(-1)[:, 320:] <= 1 / 320 + 1e-7).all())


def test_a_folder_that_does_not_hold_what_its_config_says_does_not_grow(written_by_transformers):
    _, folder, sources = loaded(written_by_transformers, "untied", FirstRow())
    lying = replace(folder, config={**folder.config, "vocab_size": 300})
    network, _, _ = loaded(written_by_transformers, "untied", FirstRow(), mask=320, rows=384)
    with pytest.raises(ModelError, match=r"embed_tokens\.weight: has shape \[320, 48\], config\.json asks for \[300, 48\]"):
        load_folder(network, lying, sources)
