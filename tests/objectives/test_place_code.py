"""The code of a place: turns that undo each other, words that can be read from it again, the same numbers everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.model.segments import IGNORE
from omma.objectives.place_code import STAYING, WHERE, PlaceCode

TABLE = torch.from_numpy(np.random.default_rng(1).standard_normal((500, 256))).float() / 16
TABLE -= TABLE.mean(0)
NOTHING = len(TABLE)


@pytest.fixture(scope="module")
def code() -> PlaceCode:
    return PlaceCode(8, 256, (4, 6))


def coded(code: PlaceCode, held_NTS: torch.Tensor, table: torch.Tensor = TABLE) -> torch.Tensor:
    """With one mark at most in a slot, and all of it."""
    there = (held_NTS >= 0) & (held_NTS < NOTHING)
    return code(held_NTS[..., None], there[..., None].float(), table)


def told(code: PlaceCode, rows: torch.Tensor, table: torch.Tensor = TABLE) -> torch.Tensor:
    """The codes of those rows of slots, in the first places of a picture each, without where these are."""
    length = (table - table.mean(0)).norm(dim=-1).mean()
    pictures = torch.cat([rows[:, None], torch.full((len(rows), 23, rows.shape[1]), NOTHING)], 1)
    return coded(code, pictures, table)[:, 0] - code.where[0] * WHERE * length


def test_a_turn_is_undone(code: PlaceCode) -> None:
    for slot in range(8):
        turned = code.turn(slot, TABLE)
        assert (code.likeness(slot, turned, TABLE).argmax(1) == torch.arange(NOTHING)).all()
        torch.testing.assert_close(turned.norm(dim=-1), TABLE.norm(dim=-1))
        assert int((turned == TABLE).all(0).sum()) >= 128, "half of the numbers stay where they are"
        assert not torch.equal(turned, code.turn((slot + 1) % 8, TABLE))


def test_the_same_numbers_everywhere() -> None:
    """Parts trained on different machines are to meet."""
    small = PlaceCode(2, 4, (1, 2))
    assert small.order.tolist() == [[2, 1, 0, 3], [0, 1, 2, 3]]
    assert small.signs.tolist() == [[1.0, 1.0, -1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]]
    assert not small.state_dict(), "nothing to be saved"


def test_a_code_by_hand(code: PlaceCode) -> None:
    none = [NOTHING] * 6
    found = told(code, torch.tensor([[3, 7, *none], [3, IGNORE, *none], [NOTHING, NOTHING, *none]]))
    first, second = code.turn(0, TABLE[3:4])[0], code.turn(1, TABLE[7:8])[0]
    torch.testing.assert_close(found[0], first + second)
    torch.testing.assert_close(found[1], first)
    assert float(found[2].norm()) == pytest.approx(float(TABLE.norm(dim=-1).mean()), rel=1e-5), "as long as a word"


def test_shares_by_hand(code: PlaceCode) -> None:
    """Half a word, and half of the place holds nothing; two words in one slot."""
    held = torch.full((1, 24, 8, 2), NOTHING)
    share = torch.zeros(1, 24, 8, 2)
    held[0, 0, 2, 0], share[0, 0, 2, 0] = 3, 0.5
    held[0, 1, 2], share[0, 1, 2] = torch.tensor([3, 7]), torch.tensor([1.0, 0.25])
    found = code(held, share, TABLE)[0] - code.where * WHERE * TABLE.norm(dim=-1).mean()
    half, two = code.turn(2, TABLE[3:4])[0] / 2, code.turn(2, TABLE[3:4] + TABLE[7:8] / 4)[0]
    torch.testing.assert_close(found[0], half + found[2] / 2)
    torch.testing.assert_close(found[1], two)


HELD = st.dictionaries(st.integers(0, 7), st.integers(0, NOTHING - 1), min_size=1, max_size=3)


# Of three, two may look like the third where it stands if they are the same.
@settings(deadline=None)
@given(HELD.filter(lambda held: len(set(held.values())) == len(held)))
def test_what_a_place_holds_can_be_read_again(code: PlaceCode, held: dict[int, int]) -> None:
    row = torch.tensor([[held.get(slot, NOTHING) for slot in range(8)]])
    found = told(code, row)
    for slot, word in held.items():
        assert int(code.likeness(slot, found, TABLE).argmax()) == word


def test_a_word_is_more_like_itself_where_it_stands(code: PlaceCode) -> None:
    words = torch.arange(NOTHING)
    found = told(code, torch.stack([words, *[torch.full_like(words, NOTHING)] * 7], 1))
    there, elsewhere = ((code.likeness(slot, found, TABLE).diag() / TABLE.pow(2).sum(-1)).mean() for slot in (0, 5))
    assert float(there) == pytest.approx(1, abs=0.05) and float(elsewhere) == pytest.approx(STAYING, abs=0.05)


def test_what_all_words_have_in_common_says_nothing(code: PlaceCode) -> None:
    held = torch.tensor([[3, 7] + [NOTHING] * 6, [NOTHING] * 8])
    torch.testing.assert_close(told(code, held, TABLE + torch.randn(256)), told(code, held))


def test_gradients_reach_the_words_that_are_held(code: PlaceCode) -> None:
    table = TABLE.clone().requires_grad_()
    told(code, torch.tensor([[5] + [NOTHING] * 7, [NOTHING] * 8]), table).pow(2).sum().backward()
    assert table.grad is not None
    # The others only have a part in the mean.
    assert table.grad[5].norm() > 50 * table.grad[6].norm()


def test_where_a_place_is_is_told(code: PlaceCode) -> None:
    """Whatever stands there; from it row and column can be read through one linear map, and neighbors are alike."""
    torch.manual_seed(1)
    held = torch.randint(0, NOTHING, (50, 24, 8)).where(torch.rand(50, 24, 8) < 0.1, NOTHING)
    found = coded(code, held).flatten(0, 1)
    rows, columns = (torch.arange(24) // 6).float().repeat(50), (torch.arange(24) % 6).float().repeat(50)
    for place in (rows, columns):
        system = torch.cat([found, torch.ones(len(found), 1)], 1)
        fitted = system @ torch.linalg.lstsq(system, place[:, None]).solution
        assert (fitted[:, 0].round() == place).float().mean() > 0.8
    assert code.where.norm(dim=-1).mean() == pytest.approx(1, abs=1e-5)
    likeness = code.where @ code.where.T
    assert (likeness[0, 1] > likeness[0, 2:6]).all() and (likeness[0, 6] > likeness[0, 12::6]).all()
    waves = PlaceCode(8, 256, (8, 12)).where.view(8, 12, -1)
    between = waves.view(4, 2, 6, 2, -1).mean((1, 3)).flatten(0, 1)
    assert float(torch.cosine_similarity(between, code.where).min()) > 0.9, "finer grids say the same"
