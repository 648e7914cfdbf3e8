"""The code of a place: turns that undo each other, words that can be read from it again, the same numbers everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.model.segments import IGNORE
from omma.objectives.place_code import STAYING, PlaceCode

TABLE = torch.from_numpy(np.random.default_rng(1).standard_normal((500, 256))).float() / 16
TABLE -= TABLE.mean(0)
NOTHING = len(TABLE)


@pytest.fixture(scope="module")
def code() -> PlaceCode:
    return PlaceCode(8, 256)


def test_a_turn_is_undone(code: PlaceCode) -> None:
    for slot in range(8):
        turned = code.turn(slot, TABLE)
        assert (code.likeness(slot, turned, TABLE).argmax(1) == torch.arange(NOTHING)).all()
        torch.testing.assert_close(turned.norm(dim=-1), TABLE.norm(dim=-1))
        assert int((turned == TABLE).all(0).sum()) >= 128, "half of the numbers stay where they are"
        assert not torch.equal(turned, code.turn((slot + 1) % 8, TABLE))


def test_the_same_numbers_everywhere() -> None:
    """Parts trained on different machines are to meet."""
    small = PlaceCode(2, 4)
    assert small.order.tolist() == [[2, 1, 0, 3], [0, 1, 2, 3]]
    assert small.signs.tolist() == [[1.0, 1.0, -1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]]
    assert not small.state_dict(), "nothing to be saved"


def test_a_code_by_hand(code: PlaceCode) -> None:
    none = [NOTHING] * 6
    found = code(torch.tensor([[3, 7, *none], [3, IGNORE, *none], [NOTHING, NOTHING, *none]]), TABLE)
    first, second = code.turn(0, TABLE[3:4])[0], code.turn(1, TABLE[7:8])[0]
    torch.testing.assert_close(found[0], first + second)
    torch.testing.assert_close(found[1], first)
    assert float(found[2].norm()) == pytest.approx(float(TABLE.norm(dim=-1).mean()), rel=1e-5), "as long as a word"


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 7), st.integers(0, NOTHING - 1), min_size=1, max_size=3))
def test_what_a_place_holds_can_be_read_again(code: PlaceCode, held: dict[int, int]) -> None:
    row = torch.tensor([[held.get(slot, NOTHING) for slot in range(8)]])
    found = code(row, TABLE)
    for slot, word in held.items():
        assert int(code.likeness(slot, found, TABLE).argmax()) == word


def test_a_word_is_more_like_itself_where_it_stands(code: PlaceCode) -> None:
    words = torch.arange(NOTHING)
    found = code(torch.stack([words, *[torch.full_like(words, NOTHING)] * 7], 1), TABLE)
    there, elsewhere = ((code.likeness(slot, found, TABLE).diag() / TABLE.pow(2).sum(-1)).mean() for slot in (0, 5))
    assert float(there) == pytest.approx(1, abs=0.05) and float(elsewhere) == pytest.approx(STAYING, abs=0.05)


def test_what_all_words_have_in_common_says_nothing(code: PlaceCode) -> None:
    held = torch.tensor([[3, 7] + [NOTHING] * 6, [NOTHING] * 8])
    torch.testing.assert_close(code(held, TABLE + torch.randn(256)), code(held, TABLE))


def test_gradients_reach_the_words_that_are_held(code: PlaceCode) -> None:
    table = TABLE.clone().requires_grad_()
    code(torch.tensor([[5] + [NOTHING] * 7, [NOTHING] * 8]), table).pow(2).sum().backward()
    assert table.grad is not None
    # The others only have a part in the mean.
    assert table.grad[5].norm() > 50 * table.grad[6].norm()
