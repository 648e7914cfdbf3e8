"""Regression of visual embeddings: what fills the slots, an oracle that reproduces them, and drawing as teacher forcing has it."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import torch
from torch import Tensor

from omma.parts.painters import PAINTERS, Painter
from omma.parts.painters.base import Dice, Sampling
from parts.painters.drawn_by_var import CANVAS, WIDTH, hidden_of, step_of, trunk_of

LENGTH, NUMBERS = 6, 10


def built() -> Painter:
    torch.manual_seed(0)
    painter = PAINTERS.parse({"type": "regression", "canvas": CANVAS}, where="painter").build(
        tokenizer=SimpleNamespace(width=NUMBERS), length=LENGTH, width=WIDTH
    )
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter.normal_(0, 0.3)
    return painter.eval()


def vectors(count: int = 2) -> Tensor:
    return torch.randn(count, LENGTH, NUMBERS, generator=torch.Generator().manual_seed(1))


def test_slots_hold_the_vectors_before() -> None:
    painter, start, read = built(), torch.randn(2, WIDTH), vectors()
    lesson = painter.lesson(read, start, Dice([0, 0]))
    assert torch.equal(lesson.slots[:, 0], start) and lesson.learned.all() and lesson.learned.shape == (2, LENGTH)
    torch.testing.assert_close(lesson.slots[:, 1:], read[:, :-1] @ painter.up.weight.T)
    hidden = torch.randn(2, LENGTH, WIDTH)
    expected = ((hidden @ painter.down.weight.T - read) ** 2).mean((1, 2))
    torch.testing.assert_close(painter.losses(hidden, read, lesson), expected)


@torch.no_grad()
def test_what_is_drawn_is_what_teacher_forcing_says() -> None:
    """The vectors that come out, put in, come out again; whatever the seed, and beside others as alone."""
    trunk, painter = trunk_of(), built()
    start = trunk.embed_tokens(torch.tensor([0, 3]))
    steps = list(painter.draw(step_of(trunk, start), start, Sampling(), Dice([5, 6])))
    assert [found.shape for found in steps] == [(2, number, NUMBERS) for number in range(1, LENGTH + 1)]
    assert all(torch.equal(later[:, : before.shape[1]], before) for before, later in pairwise(steps))
    hidden = hidden_of(trunk, painter, steps[-1], torch.tensor([0, 3]), Dice([0, 0]))
    torch.testing.assert_close(painter.down(hidden), steps[-1], atol=1e-5, rtol=1e-4)
    *_, alone = painter.draw(step_of(trunk, start[1:]), start[1:], Sampling(), Dice([9]))
    torch.testing.assert_close(alone, steps[-1][1:], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_an_oracle_reproduces_the_vectors() -> None:
    """A Transformer that knows what comes next: the chain does not drift."""
    painter, read = built(), vectors(1)
    inverse = torch.linalg.pinv(painter.down.weight)
    place = 0

    def oracle(slots: Tensor, *, keep: bool = True) -> Tensor:
        nonlocal place
        place += 1
        return (read[:, place - 1] @ inverse.T)[:, None]

    *_, found = painter.draw(oracle, torch.zeros(1, WIDTH), Sampling(), Dice([0]))
    torch.testing.assert_close(found, read, atol=1e-4, rtol=1e-4)
