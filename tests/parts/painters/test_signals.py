"""Signals: one step, the distance from what a text model has of the text, published sizes, and numbers that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.painters import PAINTERS
from omma.parts.painters.base import Dice, Sampling
from omma.parts.painters.signals import Signals
from omma.parts.projectors import PROJECTORS
from parts.painters.drawn_by_var import CANVAS, WIDTH, hidden_of, step_of, trunk_of
from parts.tokenizers.test_text_diffusion import built as tokenizer_of

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

OUTPUT = {"type": "encoder-decoder", "queries": 8, "width": 16, "heads": 2, "inner": 32, "layers": 2}


def built(**config: Any) -> Signals:
    tokenizer = tokenizer_of()
    torch.manual_seed(0)
    settings = {"type": "signals", "canvas": CANVAS, "signals": 3, "output": OUTPUT, **config}
    painter: Signals = PAINTERS.parse(settings, where="painter").build(tokenizer=tokenizer, length=8, width=WIDTH)
    with torch.no_grad():
        painter.signals.normal_()
    return painter.eval()


@torch.no_grad()
def test_one_step_is_what_was_learned() -> None:
    trunk, painter = trunk_of(), built()
    start = trunk.embed_tokens(torch.tensor([0, 3]))
    (drawn,) = painter.draw(step_of(trunk, start, painter), start, Sampling(), Dice([1, 2]))
    assert drawn.shape == (2, 8, 24)
    told = torch.randint(1104, (2, 8))
    read = painter.target(painter.tokenizer, torch.zeros(2, 40, 40, 3, dtype=torch.uint8), told)
    assert torch.equal(read, tokenizer_of().vectors(told))
    lesson = painter.lesson(read, start, Dice([1, 2]))
    # What announces the picture is the first of the three.
    assert lesson.slots.shape == (2, 3, WIDTH) and torch.equal(lesson.slots[:, 0], start)
    hidden = hidden_of(trunk, painter, read, torch.tensor([0, 3]), Dice([1, 2]))
    torch.testing.assert_close(painter.vectors(hidden, lesson.slots), drawn, atol=1e-5, rtol=1e-4)
    # Hidden states and what was read of the same places, both.
    expected = painter.output(hidden + lesson.slots)
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=1e-4)
    distance = torch.stack([(expected - read)[:, place].square().sum(-1).sqrt() for place in range(8)]).mean(0)
    torch.testing.assert_close(painter.losses(hidden, read, lesson), distance, atol=1e-5, rtol=1e-4)
    assert painter.losses(hidden, drawn, lesson).max() < 1e-4, "no loss where both are the same"


def test_everything_of_it_learns_and_nothing_of_what_paints() -> None:
    painter = built()
    read = painter.target(painter.tokenizer, torch.zeros(1), torch.randint(1104, (2, 8)))
    lesson = painter.lesson(read, torch.randn(2, WIDTH, requires_grad=True), Dice([1, 2]))
    painter.losses(lesson.slots * 2, read, lesson).sum().backward()
    for name, parameter in painter.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in painter.tokenizer.parameters())


@pytest.mark.parametrize(("queries", "width", "published"), [(77, 768, 31_958_784), (77, 1024, 32_090_112), (1, 512, 31_788_544)])
def test_sizes_are_the_published_ones(queries: int, width: int, published: int) -> None:
    """For pictures, films and sounds."""
    with torch.device("meta"):
        output = PROJECTORS.parse({"type": "encoder-decoder", "queries": queries}, where="output").build(d_in=4096, d_out=width)
    assert sum(p.numel() for p in output.parameters()) == published


def test_as_many_vectors_as_of_a_text() -> None:
    with pytest.raises(BadInput, match=r"output: expected one that makes as many vectors as the text model has of a text, 8, found 5"):
        built(output={**OUTPUT, "queries": 5})
    with pytest.raises(BadInput, match=r"heads: expected a divisor of the width 16, found 3"):
        built(output={**OUTPUT, "heads": 3})
