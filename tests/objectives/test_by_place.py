"""What stands in each patch: which patch, in which order, the loss by hand, and what is asked at all; for words and letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from omma.data.images import MemoryImage
from omma.data.sample import Box, Sample, assistant, user
from omma.errors import BadInput
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.objectives.by_place import ASKED, BLANK, LINE, line_by_line
from omma.objectives.spelling import CHARACTERS
from toy_training import gradients, samples, step_of, toy_model

CONVOLUTIONS = {
    "type": "transformers",
    "architecture": {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic",
    },
    "cls": "none",
    "tap": -1,
}  # fmt: skip


def objective_of(model: Any = None, **config: Any) -> Any:
    torch.manual_seed(1)
    model = toy_model(projector=None, backbone=None) if model is None else model
    return OBJECTIVES.parse({"type": "transcription", "tap": -1} | config, where="objective").build(model=model)


def page(*words: Box, boxes: tuple[Box, ...] = (), size: tuple[int, int] = (64, 64)) -> Sample:
    picture = MemoryImage(Image.new("RGB", size), key=f"page {size}")
    return Sample("page", (user(picture), assistant("a page")), words=words, boxes=boxes)


def held(objective: Any, sample: Sample) -> dict[tuple[int, int], str]:
    """What each patch holds, as text; patches without anything are left out."""
    term = objective.term()
    found = term.held(sample)[0].reshape(*term.grid, -1)
    texts = {}
    for row, column in np.ndindex(*term.grid):
        marks = [int(mark) for mark in found[row, column] if mark != term.nothing]
        if marks:
            spelled = "".join(CHARACTERS[mark] for mark in marks) if objective.config.type == "spelling" else None
            texts[row, column] = objective.tokenizer.decode(marks) if spelled is None else spelled
    return texts


def test_tokens_stand_where_their_characters_do() -> None:
    objective = objective_of()
    # Eight characters over four patches of 16 pixels: two each.
    assert held(objective, page(Box(0, 20, 64, 28, "12345678"))) == {
        (1, 0): "12", (1, 1): "34", (1, 2): "56", (1, 3): "78",
    }  # fmt: skip


def test_characters_whose_places_are_known_stand_there() -> None:
    places = ((2.0, 20.0), (5.0, 20.0), (9.0, 20.0), (50.0, 24.0))
    word = Box(0, 16, 64, 28, "1234", places)
    assert held(objective_of(), page(word)) == {(1, 0): "123", (1, 3): "4"}
    assert held(objective_of(type="spelling"), page(word)) == {(1, 0): "123", (1, 3): "4"}


def test_lines_in_one_patch_are_told_one_after_the_other() -> None:
    objective = objective_of()
    found = held(objective, page(Box(4, 40, 10, 46, "7"), Box(1, 33, 7, 39, "5"), Box(60, 0, 64, 6, "9")))
    assert found == {(2, 0): "57", (0, 3): "9"}


@given(st.permutations(range(6)), st.floats(-0.2, 0.2))
def test_a_leaning_line_is_read_from_left_to_right(order: list[int], slope: float) -> None:
    line = [(x / 6, 0.5 + slope * x / 6, x) for x in range(6)]
    assert line_by_line([line[i] for i in order]) == [0, 1, 2, 3, 4, 5]
    below = [(x / 6, 0.5 + 0.25 + LINE + slope * x / 6, 10 + x) for x in range(6)]
    assert line_by_line([*below, *line]) == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]


def test_what_a_patch_cannot_hold_is_left_out() -> None:
    assert held(objective_of(slots=2), page(Box(0, 0, 16, 8, "1234"))) == {(0, 0): "12"}


def test_a_picture_that_is_no_square_is_padded_first() -> None:
    assert held(objective_of(), page(Box(0, 0, 8, 8, "5"), size=(64, 32))) == {(1, 0): "5"}


def test_boxes_count_where_they_say_more_than_the_words() -> None:
    objective = objective_of()
    assert held(objective, page(boxes=(Box(0, 0, 16, 16, "red"),))) == {(0, 0): " red"}
    assert held(objective, page(Box(50, 50, 60, 60, "red,"), boxes=(Box(0, 0, 16, 16, "Red"),))).keys() == {(3, 3)}
    assert (0, 0) in held(objective, page(Box(50, 50, 60, 60, "red"), boxes=(Box(0, 0, 16, 16, "red 4"),)))


def test_letters_are_those_that_are_printed() -> None:
    objective = objective_of(type="spelling")
    # Six characters over four patches; the space, the accent and what is not printed are none.
    found = held(objective, page(Box(0, 20, 64, 28, "Ab 4.\u00e9"), boxes=(Box(0, 48, 10, 60, "3"),)))
    assert found == {(1, 0): "a", (1, 1): "b", (1, 2): "4", (1, 3): "."} or found == {(1, 0): "ab", (1, 2): "4."}


@pytest.mark.parametrize(("kind", "tap", "side"), [("spelling", -2, 8), ("transcription", -1, 4), ("spelling", 0, 8)])
def test_each_hidden_state_has_its_own_grid(kind: str, tap: int, side: int) -> None:
    model = toy_model(projector=None, backbone=None, encoder=CONVOLUTIONS)
    objective = objective_of(model, type=kind, tap=tap)
    assert objective.term().grid == [side, side]
    losses, found = gradients(model, objective, step_of(objective, samples(3, world="documents", task="describe")))
    assert losses[kind] > 0
    assert any(name.startswith("encoder.") and gradient.abs().max() > 0 for name, gradient in found.items())


@pytest.mark.parametrize("kind", ["transcription", "spelling"])
def test_the_loss_by_hand(kind: str) -> None:
    objective = objective_of(type=kind, slots=2)
    sample = page(Box(0, 20, 64, 28, "12345678"))
    step = step_of(objective, [sample])
    (batch,) = step.micro_batches
    asked = batch[f"{kind}.held"]
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    with torch.no_grad():
        found = float(objective.losses(tensors)[kind])
        features = objective.norm(objective.hidden_states(tensors["views"])[:-1][-1])[0]
        expected = 0.0
        for slot, patch in np.ndindex(2, 16):
            scores = objective.maps[slot](features[patch])
            if kind == "transcription":
                scores = scores @ torch.cat([objective.table, objective.nothing[None]]).T * 10
            target = int(asked[0, patch, slot])
            if target != IGNORE:
                weight = 1.0 if target < objective.nothing_number else BLANK / ASKED
                expected -= float(scores.log_softmax(-1)[target]) * weight
    assert found == pytest.approx(expected, rel=1e-4)
    nothing = (asked == objective.nothing_number).sum()
    assert objective.weights(batch) == {kind: pytest.approx(8 + BLANK / ASKED * nothing)}


@pytest.mark.parametrize("kind", ["transcription", "spelling"])
def test_of_the_places_that_hold_nothing_a_share_is_asked(kind: str) -> None:
    term = objective_of(type=kind, slots=3).term()
    asked = blank = 0
    for sample in samples(20, task="describe") + samples(20, world="documents", task="describe"):
        whole, found = term.held(sample), term.tokens(sample)
        assert (found == term.tokens(sample)).all(), "the same ones each time"
        assert ((found == whole) | ((found == IGNORE) & (whole == term.nothing))).all()
        asked, blank = asked + (found == term.nothing).sum(), blank + (whole == term.nothing).sum()
    assert asked / blank == pytest.approx(ASKED, abs=0.05)


def test_only_the_first_of_several_pictures_is_read() -> None:
    """Places are known of it alone; the others neither teach nor count."""
    model = toy_model(projector=None, backbone=None)
    objective = objective_of(model)
    one, several = samples(2, task="describe"), samples(2, world="panels", task="describe")
    weight = objective.weights(step_of(objective, several).micro_batches[0])["transcription"]
    assert weight == pytest.approx(
        sum(float(((held != 2048) & (held != IGNORE)).sum() + BLANK / ASKED * (held == 2048).sum()) for held in (
            objective.term().tokens(sample)[:1] for sample in several))
    )  # fmt: skip
    losses, found = gradients(model, objective, step_of(objective, [*one, *several]))
    assert losses["transcription"] > 0
    assert any(name.startswith("encoder.") and gradient.abs().max() > 0 for name, gradient in found.items())
    assert not any("table" in name for name in found), "the language model is only looked up"


def test_a_strategy_of_many_views_is_refused() -> None:
    model = toy_model(projector=None, backbone=None, resolution={"type": "closest-aspect", "size": 32})
    with pytest.raises(BadInput, match=r"model\.resolution: expected a resolution strategy with one view .* found closest-aspect"):
        objective_of(model)
