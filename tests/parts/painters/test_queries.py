"""Queries: one step, what is learned of features or through a painting network that stays as it is, and numbers that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.painters import PAINTERS
from omma.parts.painters.base import Dice, Sampling
from omma.parts.painters.queries import DreamQueries, QueryPainter
from parts.painters.drawn_by_var import CANVAS, WIDTH, hidden_of, step_of, trunk_of
from parts.tokenizers.test_diffusion import built as tokenizer_of
from parts.tokenizers.test_diffusion import views

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

RESAMPLER = {"type": "resampler", "queries": 4, "heads": 2}


def built(kind: str, **config: Any) -> QueryPainter:
    tokenizer = tokenizer_of()
    torch.manual_seed(0)
    painter: QueryPainter = PAINTERS.parse({"type": kind, "canvas": CANVAS, **config}, where="painter").build(
        tokenizer=tokenizer, length=4, width=WIDTH
    )
    with torch.no_grad():
        painter.queries.normal_()
    return painter.eval()


@torch.no_grad()
@pytest.mark.parametrize(
    ("kind", "config"),
    [("queries", {"queries": 4}), ("queries", {"queries": 9, "output": RESAMPLER}), ("dream-queries", {"queries": 7})],
)
def test_one_step_is_what_was_learned(kind: str, config: dict[str, Any]) -> None:
    trunk, painter = trunk_of(), built(kind, **config)
    start = trunk.embed_tokens(torch.tensor([0, 3]))
    (drawn,) = painter.draw(step_of(trunk, start, painter), start, Sampling(), Dice([1, 2]))
    assert drawn.shape == (2, painter.codes, 24)
    read = painter.target(painter.tokenizer, views())
    lesson = painter.lesson(read, start, Dice([1, 2]))
    assert lesson.slots.shape == (2, config["queries"] + 1, WIDTH) and torch.equal(lesson.slots[:, 0], start)
    hidden = hidden_of(trunk, painter, read, torch.tensor([0, 3]), Dice([1, 2]))
    torch.testing.assert_close(painter.vectors(hidden), drawn, atol=1e-5, rtol=1e-4)
    if kind == "queries":
        expected = ((drawn - read) ** 2).mean((1, 2))
    else:
        assert read.shape == (2, 3, 16, 16) and len(set(lesson.seeds)) == 2
        expected = painter.tokenizer.denoising_losses(read, drawn, lesson.seeds)
    torch.testing.assert_close(painter.losses(hidden, read, lesson), expected, atol=1e-5, rtol=1e-4)
    assert lesson.seeds == painter.lesson(read, start, Dice([1, 2])).seeds


def test_dreams_learn_through_a_network_that_stays_as_it_is() -> None:
    painter = built("dream-queries", queries=3, output={"type": "mlp"})
    assert isinstance(painter, DreamQueries)
    painter.tokenizer.requires_grad_(False)
    start = torch.randn(2, WIDTH, requires_grad=True)
    read = painter.target(painter.tokenizer, views())
    lesson = painter.lesson(read, start, Dice([1, 2]))
    painter.losses(lesson.slots * 2, read, lesson).sum().backward()
    for name, parameter in painter.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in painter.tokenizer.parameters())


def test_as_many_vectors_as_are_read() -> None:
    with pytest.raises(BadInput, match=r"queries: expected as many vectors as the image tokenizer reads in a picture, 4, found 6"):
        built("queries", queries=6)
    assert built("queries", queries=6, output=RESAMPLER).codes == 4
