"""Drawing until an end: what is learned, where drawing stops, and that neither depends on what is beside a picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.backbones.var import VarModel
from omma.parts.painters.base import Dice, Sampling
from omma.parts.painters.raster_to_end import RasterToEnd
from omma.parts.quantizers.vq import Vq
from omma.parts.tokenizers.base import NO_CODE
from parts.painters.drawn_by_var import drawn, hidden_of, painter_of, steps, trunk_of

LENGTH, CODES = 30, 20


class Reads:
    """An image tokenizer that reads these codes."""

    def __init__(self, codes: Tensor) -> None:
        self.codes = codes

    def read(self, views: Tensor) -> Tensor:
        return self.codes


def built(**config: Any) -> tuple[VarModel, RasterToEnd]:
    torch.manual_seed(0)
    painter = painter_of(Vq.Config(codes=CODES, width=4).build(), LENGTH, type="raster-to-end", **config)
    assert isinstance(painter, RasterToEnd)
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter.normal_(0, 0.3)
    return trunk_of(), painter.eval()


def codes_of(*counts: int) -> Tensor:
    codes = torch.randint(0, CODES, (len(counts), LENGTH), generator=torch.Generator().manual_seed(0))
    return codes.masked_fill(torch.arange(LENGTH) >= torch.tensor(counts)[:, None], NO_CODE)


def target_of(painter: RasterToEnd, codes: Tensor) -> Tensor:
    return painter.target(Reads(codes), torch.empty(0), None)  # type: ignore[arg-type]


def counts(drawn: Tensor) -> list[int]:
    return (drawn != NO_CODE).sum(1).tolist()  # type: ignore[no-any-return]


def test_codes_and_the_end_are_learned_and_nothing_behind_it() -> None:
    _, painter = built()
    assert (painter.slots, painter.codes, painter.end) == (LENGTH + 1, LENGTH, CODES)
    codes = codes_of(4, LENGTH, 1)
    target = target_of(painter, codes)
    assert target[0].tolist() == [*codes[0, :4].tolist(), CODES, *[NO_CODE] * (LENGTH - 4)]
    assert target[1].tolist() == [*codes[1].tolist(), CODES]
    lesson = painter.lesson(target, torch.zeros(3, 32), Dice([0, 0, 0]))
    assert lesson.learned.sum(1).tolist() == [5, LENGTH + 1, 2]
    torch.testing.assert_close(lesson.slots[0, 1:5], painter.head.embed(codes[0, :4]) + painter.places[1:5])


def test_losses_are_means_over_what_is_there() -> None:
    trunk, painter = built()
    target, classes = target_of(painter, codes_of(4, 17)), torch.tensor([0, 1])
    lesson = painter.lesson(target, trunk.embed_tokens(classes), Dice([0, 0]))
    hidden = hidden_of(trunk, painter, target, classes, Dice([0, 0]))
    losses = painter.losses(hidden, target, lesson)
    for number, count in enumerate((5, 18)):
        logits = painter.head.predict(hidden[number, :count])
        torch.testing.assert_close(losses[number], torch.nn.functional.cross_entropy(logits, target[number, :count]))
    losses.sum().backward()
    for name, parameter in painter.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    # What stands behind the end has no part in it.
    longer = target.clone()
    longer[0, 5:] = 3
    again = hidden_of(trunk, painter, longer, classes, Dice([0, 0]))
    torch.testing.assert_close(again[0, :5], hidden[0, :5])


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_a_picture_is_the_same_alone_and_beside_longer_ones(guidance: float) -> None:
    trunk, painter = built(least=2)
    sampling = Sampling(guidance=guidance)
    classes, seeds = [0, 1, 2, 3, 0, 1], [5, 6, 7, 8, 9, 10]
    together = drawn(trunk, painter, classes, sampling, seeds)
    assert together.shape == (6, LENGTH) and together.max() < CODES
    assert len(set(counts(together))) > 2, "pictures of several lengths"
    # Nothing stands behind the end.
    assert all((row[:count] >= 0).all() for row, count in zip(together, counts(together), strict=True))
    for number in range(6):
        alone = drawn(trunk, painter, classes[number : number + 1], sampling, seeds[number : number + 1])
        assert torch.equal(alone[0], together[number])


@torch.no_grad()
def test_codes_are_those_that_teacher_forcing_would_draw() -> None:
    """In one pass over everything, up to the end of each picture."""
    trunk, painter = built(least=3)
    codes = drawn(trunk, painter, [0, 3], Sampling(top_k=7), [5, 6])
    hidden = hidden_of(trunk, painter, target_of(painter, codes), torch.tensor([0, 3]), Dice([0, 0]))
    logits, dice, sampling = painter.head.predict(hidden), Dice([5, 6]), Sampling(top_k=7)
    logits[:, :3, CODES] = -torch.inf
    for place in range(max(counts(codes)) + 1):
        found = dice.choose(sampling.filtered(logits[:, place : place + 1]))[:, 0]
        for number, count in enumerate(counts(codes)):
            if place <= count < LENGTH:
                assert found[number] == (CODES if place == count else codes[number, place])


def test_the_least_and_the_most() -> None:
    trunk, painter = built(least=6, most=11)
    found = counts(drawn(trunk, painter, [0, 1, 2, 3] * 4, Sampling(temperature=4.0), list(range(16))))
    assert min(found) >= 6 and max(found) <= 11 and len(set(found)) > 2
    # Where the end is sure it comes as soon as it may, where it never comes the most is drawn.
    for layer, count in ((100.0, 6), (-100.0, 11)):
        head = painter.head

        def predict(hidden: Tensor, layer: float = layer) -> Tensor:
            logits = torch.zeros(*hidden.shape[:-1], CODES + 1)
            logits[..., CODES] = layer
            return logits

        head.predict = predict  # type: ignore[method-assign, assignment]
        for guidance in (0.0, 3.0):
            taken = list(steps(trunk, painter, [0, 1], Sampling(guidance=guidance), [1, 2]))
            assert counts(taken[-1]) == [count, count] and taken[-1].shape == (2, 11)
            assert [len(one[0]) for one in taken[:-1]] == list(range(1, len(taken)))
            # The end takes a step of its own, where it is not known to come.
            assert len(taken) == (7 if count == 6 else 11)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"least": 31}, r"model\.painter\.least: expected at most the 30 codes that the image tokenizer has of a picture, found 31"),
        ({"most": 31}, r"model\.painter\.most: expected at most the 30 codes that the image tokenizer has of a picture, found 31"),
        ({"least": 9, "most": 8}, r"at least 9 codes as the most"),
        ({"head": {"type": "factorised", "bits": [2, 3]}}, r"bits whose sum is that of 21 codes \(5\), found 2 \+ 3, 32 codes"),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(**config)
