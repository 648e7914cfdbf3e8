"""Transcription: which patch holds which tokens, the loss by hand, and that samples of several pictures are read rightly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from omma.data.images import MemoryImage
from omma.data.sample import Box, Sample, assistant, user
from omma.errors import BadInput
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.objectives.transcription import ASKED, BLANK, LETTERS, NO_LETTER
from toy_training import gradients, samples, step_of, toy_model


def objective_of(model: Any = None, **config: Any) -> Any:
    torch.manual_seed(1)
    model = toy_model(projector=None, backbone=None) if model is None else model
    return OBJECTIVES.parse({"type": "transcription", "tap": -1} | config, where="objective").build(model=model)


def page(*words: Box, boxes: tuple[Box, ...] = (), size: tuple[int, int] = (64, 64)) -> Sample:
    picture = MemoryImage(Image.new("RGB", size), key=f"page {size}")
    return Sample("page", (user(picture), assistant("a page")), words=words, boxes=boxes)


def held(objective: Any, sample: Sample) -> dict[tuple[int, int], str]:
    """What each of the 4 x 4 patches holds, as text; patches without anything are left out."""
    found = objective.term().held(sample)[0].reshape(4, 4, -1)
    texts = {}
    for row, column in np.ndindex(4, 4):
        tokens = [token for token in found[row, column] if token != len(objective.table)]
        if tokens:
            texts[row, column] = objective.tokenizer.decode(tokens)
    return texts


def test_tokens_stand_where_their_characters_do() -> None:
    objective = objective_of()
    # Eight characters over four patches of 16 pixels: two each.
    assert held(objective, page(Box(0, 20, 64, 28, "12345678"))) == {
        (1, 0): "12", (1, 1): "34", (1, 2): "56", (1, 3): "78",
    }  # fmt: skip


def test_lines_in_one_patch_are_told_one_after_the_other() -> None:
    objective = objective_of()
    found = held(objective, page(Box(4, 40, 10, 46, "7"), Box(1, 33, 7, 39, "5"), Box(60, 0, 64, 6, "9")))
    assert found == {(2, 0): "57", (0, 3): "9"}


def test_what_a_patch_cannot_hold_is_left_out() -> None:
    assert held(objective_of(slots=2), page(Box(0, 0, 16, 8, "1234"))) == {(0, 0): "12"}


def test_a_picture_that_is_no_square_is_padded_first() -> None:
    # 64 x 32 in the middle of 64 x 64: its rows begin at the second row of patches.
    assert held(objective_of(), page(Box(20, 2, 28, 10, "5"), size=(64, 32))) == {(1, 1): "5"}


def test_boxes_count_where_they_say_more_than_the_words() -> None:
    objective = objective_of()
    bar, row = Box(0, 48, 10, 60, "3"), Box(16, 0, 64, 16, "5")
    assert held(objective, page(Box(20, 2, 28, 10, "5"), boxes=(bar, row))) == {(0, 1): "5", (3, 0): "3"}
    assert held(objective, page(boxes=(bar,))) == {(3, 0): "3"}


def test_letters_stand_in_the_patches_that_print_them() -> None:
    objective = objective_of()
    found = objective.term().letters(page(Box(0, 20, 64, 28, "Ab 4.\u00e9"), boxes=(Box(0, 48, 10, 60, "3"),)))[0].reshape(4, 4, -1)
    texts = {
        (row, column): "".join(LETTERS[letter] for letter in found[row, column] if letter != NO_LETTER)
        for row, column in np.ndindex(4, 4)
        if (found[row, column] != NO_LETTER).any()
    }
    # Six characters over four patches; the space, the accent and what is not printed are none.
    assert texts == {(1, 0): "a", (1, 1): "b", (1, 2): "4", (1, 3): "."} or texts == {(1, 0): "ab", (1, 2): "4."}


@pytest.mark.parametrize("letters", [0.0, 0.5])
def test_the_loss_by_hand(letters: float) -> None:
    objective = objective_of(slots=2, letters=letters)
    sample = page(Box(0, 20, 64, 28, "12345678"))
    step = step_of(objective, [sample])
    (batch,) = step.micro_batches
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    with torch.no_grad():
        found = float(objective.losses(tensors)["transcription"])
        features = objective.norm(objective.hidden_states(tensors["views"])[:-1][-1])[0]
        expected = 0.0
        for slot, patch in np.ndindex(2, 16):
            classes = torch.cat([objective.table, objective.nothing[None]])
            chances = (objective.maps[slot](features[patch]) @ classes.T * 10).log_softmax(-1)
            target = int(batch["transcription.held"][0, patch, slot])
            if target != IGNORE:
                expected -= float(chances[target]) * (1.0 if target < len(objective.table) else BLANK / ASKED)
            letter = int(batch["transcription.letters"][0, patch, slot])
            if letters and letter != IGNORE:
                spelled = objective.spellers[slot](features[patch]).log_softmax(-1)
                expected -= letters * float(spelled[letter]) * (1.0 if letter < NO_LETTER else BLANK / ASKED)
    assert found == pytest.approx(expected, rel=1e-4)
    nothing = (batch["transcription.held"] == len(objective.table)).sum()
    assert objective.weights(batch) == {"transcription": pytest.approx(8 + BLANK / ASKED * nothing)}
    assert len(objective.spellers) == (2 if letters else 0)


def test_of_the_places_that_hold_nothing_a_share_is_asked() -> None:
    term = objective_of(slots=3).term()
    for name, whole_of, nothing in (("held", term.held, term.nothing), ("letters", term.letters, NO_LETTER)):
        asked = blank = 0
        for sample in samples(20, task="describe") + samples(20, world="documents", task="describe"):
            whole, found = whole_of(sample), term.tokens(sample)[name]
            assert (found == term.tokens(sample)[name]).all(), "the same ones each time"
            assert ((found == whole) | ((found == IGNORE) & (whole == nothing))).all()
            asked, blank = asked + (found == nothing).sum(), blank + (whole == nothing).sum()
        assert asked / blank == pytest.approx(ASKED, abs=0.05)


def test_only_the_first_of_several_pictures_is_read() -> None:
    """Places are known of it alone; the others neither teach nor count."""
    model = toy_model(projector=None, backbone=None)
    objective = objective_of(model)
    one, several = samples(2, task="describe"), samples(2, world="panels", task="describe")
    weight = objective.weights(step_of(objective, several).micro_batches[0])["transcription"]
    assert weight == pytest.approx(
        sum(float(((held != 2048) & (held != IGNORE)).sum() + BLANK / ASKED * (held == 2048).sum()) for held in (
            objective.term().tokens(sample)["held"][:1] for sample in several))
    )  # fmt: skip
    losses, found = gradients(model, objective, step_of(objective, [*one, *several]))
    assert losses["transcription"] > 0
    assert any(name.startswith("encoder.") and gradient.abs().max() > 0 for name, gradient in found.items())
    assert not any("table" in name for name in found), "the language model is only looked up"


def test_a_strategy_of_many_views_is_refused() -> None:
    model = toy_model(projector=None, backbone=None, resolution={"type": "closest-aspect", "size": 32})
    with pytest.raises(BadInput, match=r"model\.resolution: expected a resolution strategy with one view .* found closest-aspect"):
        objective_of(model)
