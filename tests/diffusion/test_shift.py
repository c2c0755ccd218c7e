"""The shift moves what is known of tokens to the rows that predict them, and never around the end."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.diffusion import document_starts, rows_that_predict, to_rows


@given(rows=st.integers(1, 4), width=st.integers(1, 12))
def test_row_i_holds_the_token_that_it_predicts(rows, width):
    ids = torch.arange(rows * width).view(rows, width)
    assert torch.equal(to_rows(ids, 0, -100), ids)
    shifted = to_rows(ids, 1, -100)
    assert shifted.shape == ids.shape and (shifted[:, -1] == -100).all()
    for i in range(width - 1):
        assert torch.equal(shifted[:, i], ids[:, i + 1])


def test_position_zero_has_no_row_under_the_shift():
    positions = torch.tensor([[True, False, True]])
    assert rows_that_predict(positions, 1).tolist() == [[False, True, False]]
    assert rows_that_predict(positions, 0).tolist() == [[True, False, True]]


def test_a_document_starts_where_its_number_changes():
    assert document_starts(torch.tensor([[4, 4, 7, 4, 4]])).tolist() == [[True, False, True, True, False]]
