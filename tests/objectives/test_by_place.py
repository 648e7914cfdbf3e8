"""What stands in each patch: which patch, which part of it, the loss by hand, and what is asked at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omma.data.images import MemoryImage
from omma.data.sample import Box, Sample, assistant, user
from omma.errors import BadInput
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES, patch_marks
from omma.objectives.patch_marks import ASKED, BORDER
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
    settings = {"type": "transcription", "tap": -1, "parts": (1, 4)} | config
    return OBJECTIVES.parse(settings, where="objective").build(model=model)


def page(*words: Box, boxes: tuple[Box, ...] = (), size: tuple[int, int] = (64, 64)) -> Sample:
    picture = MemoryImage(Image.new("RGB", size), key=f"page {size}")
    return Sample("page", (user(picture), assistant("a page")), words=words, boxes=boxes)


def held(objective: Any, sample: Sample) -> dict[tuple[int, int], str]:
    """What each patch holds, as text, every mark in one alone; patches without anything are left out."""
    term = objective.term()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patch_marks, "BORDER", 0)
        found = term.held(sample)["mark"][0].reshape(*term.grid, -1)
    texts = {}
    for row, column in np.ndindex(*term.grid):
        marks = [int(mark) for mark in found[row, column] if mark != term.nothing]
        if marks:
            texts[row, column] = objective.tokenizer.decode(marks)
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


def test_each_part_of_a_patch_has_a_slot_of_its_own() -> None:
    objective = objective_of(parts=(2, 2), names=1)
    term = objective.term()
    sample = page(Box(3, 42, 5, 46, "7"), Box(9, 33, 15, 39, "5"), Box(9, 41, 15, 47, "9"))
    found = term.held(sample)["mark"][0, ..., 0].reshape(4, 4, 5)
    numbers = {str(digit): objective.tokenizer.convert_tokens_to_ids(str(digit)) for digit in (5, 7, 9)}
    assert found[2, 0].tolist() == [term.nothing, numbers["5"], numbers["7"], numbers["9"], term.nothing]
    assert (np.delete(found.reshape(16, 5), 8, axis=0) == term.nothing).all()


@pytest.fixture(scope="module")
def letters() -> Any:
    return objective_of(names=0).term()


@settings(deadline=None)
@given(st.integers(0, 3), st.floats(-3.9, 1.9))
def test_a_mark_that_crosses_a_border_moves_no_other(letters: Any, column: int, shift: float) -> None:
    """From the patch before into this one, say: where the others stand is as it was."""
    still = tuple((16 * column + x, 24.0) for x in (6.0, 10.0, 14.0))
    alone = letters.held(page(Box(0, 16, 64, 30, "345", still)))[0, ..., 0]
    moved = letters.held(page(Box(0, 16, 64, 30, "2345", ((16 * column + 2.0 + shift, 24.0), *still))))[0]
    there = alone["mark"] != letters.nothing
    assert there.sum() == 3
    assert ((moved == alone[..., None]) & there[..., None]).any(-1).sum() == 3


@settings(deadline=None)
@given(st.floats(0, 64, exclude_max=True), st.floats(0, 64, exclude_max=True), st.floats(0, 0.4), st.floats(0, 0.4))
def test_where_a_mark_stands_is_told_without_jumps(letters: Any, x: float, y: float, right: float, down: float) -> None:
    """All of it is told, and a small shift moves a small share of it."""

    def shares(x: float, y: float) -> Any:
        held = letters.held(page(Box(0, 0, 1, 1, "3", ((x, y),))))[0]
        assert ((held["mark"] != letters.nothing) == (held["share"] > 0)).all()
        return held["share"].sum(-1)

    before, after = shares(x, y), shares(min(x + right, 63.9), min(y + down, 63.9))
    assert before.sum() == pytest.approx(1) and after.sum() == pytest.approx(1)
    # Parts of 4 x 16 pixels, and half of a mark on either side within 1.6 of a border.
    assert np.abs(after - before).sum() <= 2 * (right + down) / (2 * 16 * BORDER) + 1e-5


def test_a_mark_on_a_border_stands_on_both_sides() -> None:
    objective = objective_of(parts=(1, 2), names=0)
    term = objective.term()
    number = objective.tokenizer.convert_tokens_to_ids("3")

    def told(x: float, y: float) -> dict[tuple[int, int], float]:
        held = term.held(page(Box(0, 0, 1, 1, "3", ((x, y),))))[0].reshape(4, 4, 2, 2)
        assert set(held["mark"][held["share"] > 0].tolist()) == {number}
        found = held["share"][..., 0].reshape(4, 8)
        return {(int(row), int(part)): pytest.approx(float(found[row, part])) for row, part in zip(*found.nonzero(), strict=True)}

    assert told(8, 8) == {(0, 0): 0.5, (0, 1): 0.5}, "two parts of a patch"
    assert told(15.2, 8) == {(0, 1): 0.75, (0, 2): 0.25}, "two patches"
    assert told(4, 32.8) == {(1, 0): 0.25, (2, 0): 0.75}, "two rows"
    assert told(16, 16) == {(0, 1): 0.25, (0, 2): 0.25, (1, 1): 0.25, (1, 2): 0.25}
    assert told(0.1, 63.9) == {(3, 0): 1.0}, "the picture's own border"
    assert told(2, 13) == {(0, 0): 1.0}


def test_of_three_marks_in_one_part_the_largest_shares_stay_then_the_upper_and_the_left() -> None:
    objective = objective_of(parts=(1, 2))
    # Parts of 8 pixels, marks in the middle of four: all in one, then three.
    assert held(objective, page(Box(0, 0, 16, 8, "1234"))) == {(0, 0): "1234"}
    assert held(objective, page(Box(1, 2, 7, 8, "789"))) == {(0, 0): "78"}
    assert held(objective, page(Box(1, 8, 7, 14, "7"), Box(3, 0, 5, 6, "9"), Box(1, 0, 3, 6, "8"))) == {(0, 0): "89"}
    on_the_border = Box(0, 0, 1, 1, "2", ((8.0, 1.0),))
    found = objective.term().held(page(on_the_border, Box(2, 8, 6, 14, "79")))["mark"][0, 0, 0]
    assert objective.tokenizer.decode(found) == "79", "the upper one has less of a share"


def test_marks_in_one_part_share_its_chances() -> None:
    """A mark that stands there with half of it leaves the other half to nothing; of two whole ones each has half."""
    objective = objective_of(parts=(1, 2), names=0)
    one, two = (objective.tokenizer.convert_tokens_to_ids(digit) for digit in "12")
    marks, shares = torch.tensor([[one, objective.nothing], [one, two]]), torch.tensor([[0.5, 0.0], [1.0, 1.0]])
    chances = objective._chances(marks, shares)
    torch.testing.assert_close(chances.sum(-1), torch.ones(2))
    assert chances[0, one] == 0.5 and chances[0, -1] == 0.5 and chances[1, one] == 0.5 and chances[1, two] == 0.5


def test_names_are_written_across_their_things() -> None:
    objective = objective_of(parts=(1, 1))
    assert held(objective, page(boxes=(Box(16, 0, 48, 16, "red 4 blue"),))) == {(0, 1): " red", (0, 2): "4", (0, 3): " blue"}
    assert held(objective, page(boxes=(Box(34, 0, 42, 64, "red 4 blue"),))) == {(1, 2): " red", (2, 2): "4", (3, 2): " blue"}
    # Hardly higher than wide.
    assert held(objective, page(boxes=(Box(20, 20, 40, 44, "red 4"),))) == {(2, 1): " red", (2, 2): "4"}


def test_names_end_with_the_picture_and_where_there_is_no_room_beside_others() -> None:
    assert held(objective_of(), page(boxes=(Box(48, 0, 64, 16, "red 4"),))) == {(0, 3): " red"}
    term = objective_of(names=1).term()
    (red, four) = (objective_of().tokenizer.convert_tokens_to_ids(name) for name in ("\u0120red", "4"))
    found = term.held(page(boxes=(Box(16, 2, 32, 18, "red 4"), Box(30, 0, 46, 16, "4"))))["mark"][0, ..., 0].reshape(4, 4, 5)
    # The one further up comes first; print keeps slots of its own.
    assert found[0, 1].tolist() == [term.nothing] * 4 + [red] and found[0, 2].tolist() == [term.nothing] * 4 + [four]
    assert (found != term.nothing).sum() == 2


def test_a_picture_that_is_no_square_is_padded_first() -> None:
    assert held(objective_of(), page(Box(0, 0, 8, 8, "5"), size=(64, 32))) == {(1, 0): "5"}


def test_boxes_count_where_they_say_more_than_the_words() -> None:
    objective = objective_of()
    assert held(objective, page(boxes=(Box(0, 0, 16, 16, "red"),))) == {(0, 0): " red"}
    assert held(objective, page(Box(50, 50, 60, 60, "red,"), boxes=(Box(0, 0, 16, 16, "Red"),))).keys() == {(3, 3)}
    found = held(objective, page(Box(50, 50, 60, 60, "red"), boxes=(Box(0, 0, 16, 16, "red 4"),)))
    assert found == {(3, 3): " red", (0, 0): "4"}


def test_what_print_is_for_is_not_told() -> None:
    """A box with a name of its own in which nothing is but print; a bar with a number on it is a bar."""
    objective = objective_of(parts=(1, 1))
    words = (Box(0, 0, 16, 16, "4"), Box(20, 0, 32, 16, "5"))
    assert held(objective, page(*words, boxes=(Box(0, 0, 32, 16, "red"),))) == {(0, 0): "4", (0, 1): "5"}
    assert held(objective, page(*words, boxes=(Box(0, 0, 32, 64, "red"),))) == {(0, 0): "4", (0, 1): "5", (2, 1): " red"}
    assert held(objective, page(*words, boxes=(Box(32, 0, 64, 16, "red"),))) == {(0, 0): "4", (0, 1): "5", (0, 3): " red"}


def test_words_are_spelled_as_in_a_text() -> None:
    """Whether a word is one that the vocabulary has, its letters do not know."""
    objective = objective_of()
    assert held(objective, page(Box(0, 16, 48, 32, "Green"))) == {(1, 0): " gr", (1, 1): "e", (1, 2): "en"}
    assert held(objective, page(Box(0, 16, 64, 32, "ab cd"))) == {(1, 0): " a", (1, 1): "b", (1, 2): " c", (1, 3): "d"}
    text = "".join(held(objective, page(Box(0, 16, 32, 32, "zax"), Box(32, 16, 64, 32, "qy7"))).values())
    marks = objective.tokenizer(" zax qy7", add_special_tokens=False)["input_ids"]
    assert objective.tokenizer.decode(marks) == text


def test_names_leave_out_words_that_are_printed() -> None:
    """Numbers they keep: what an axis says is not what a bar says."""
    objective = objective_of(parts=(1, 1))
    words = (Box(0, 48, 16, 64, "Fig"), Box(0, 0, 16, 16, "4"))
    found = held(objective, page(*words, boxes=(Box(40, 0, 48, 60, "fig 4 red"),)))
    assert {place: text for place, text in found.items() if place[1] > 1} == {(1, 2): "4", (2, 2): " red"}


def test_a_character_that_is_no_token_is_not_told() -> None:
    assert held(objective_of(), page(Box(0, 16, 64, 32, "a\u20acb\u00e9"))) == {(1, 0): " a", (1, 2): "b"}


@pytest.mark.parametrize(("tap", "side"), [(-2, 8), (-1, 4), (0, 8)])
def test_each_hidden_state_has_its_own_grid(tap: int, side: int) -> None:
    model = toy_model(projector=None, backbone=None, encoder=CONVOLUTIONS)
    objective = objective_of(model, tap=tap)
    assert objective.term().grid == [side, side]
    losses, found = gradients(model, objective, step_of(objective, samples(3, world="documents", task="describe")))
    assert losses["transcription"] > 0
    assert any(name.startswith("encoder.") and gradient.abs().max() > 0 for name, gradient in found.items())


def test_the_loss_by_hand() -> None:
    objective = objective_of(parts=(1, 2), names=1)
    # The last character stands on a border of two rows.
    word = Box(0, 20, 64, 28, "1234", ((8.0, 24.0), (20.0, 24.0), (36.0, 24.0), (60.0, 32.4)))
    sample = page(word, boxes=(Box(0, 48, 8, 60, "3"),))
    step = step_of(objective, [sample])
    (batch,) = step.micro_batches
    asked = batch["transcription.held"][0, ..., 0]
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    with torch.no_grad():
        found = float(objective.losses(tensors)["transcription"])
        features = objective.hidden_states(tensors["views"])[:-1][-1][0]
        codes = objective.map(features)
        held = objective.term().held(sample)
        wanted = objective.code(*(torch.from_numpy(held[name].copy()) for name in ("mark", "share")), objective.table)[0]
        there = [patch for patch in range(16) if (asked[patch] != IGNORE).any()]
        expected = float((codes - wanted)[there].pow(2).sum())
        for slot, patch in np.ndindex(objective.slots, 16):
            likeness = objective.code.likeness(slot, codes[patch : patch + 1], objective.table)[0]
            logs = (torch.cat([likeness, torch.tensor([0.5])]) * 10).log_softmax(-1)
            if asked[patch, slot] != IGNORE:
                shares = held["share"][0, patch, slot].tolist()
                for mark, share in zip(held["mark"][0, patch, slot].tolist(), shares, strict=True):
                    expected -= share * float(logs[mark])
                expected -= (1 - sum(shares)) * float(logs[-1])
    assert found == pytest.approx(expected, rel=1e-4)
    assert 0 < held["share"][0, ..., 0].min(where=held["share"][0, ..., 0] > 0, initial=1) < 1
    nothing = (asked == objective.nothing).sum()
    # The first character stands on the border of two parts.
    assert objective.weights(batch) == {"transcription": 7 + nothing}


def test_of_the_places_that_hold_nothing_a_share_is_asked() -> None:
    term = objective_of().term()
    asked = blank = 0
    for sample in samples(20, task="describe") + samples(20, world="documents", task="describe"):
        whole, found = term.held(sample)["mark"][..., 0], term.tokens(sample)["mark"][..., 0]
        assert (found == term.tokens(sample)["mark"][..., 0]).all(), "the same ones each time"
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
        sum((objective.term().tokens(sample)["mark"][:1, ..., 0] != IGNORE).sum() for sample in several)
    )  # fmt: skip
    losses, found = gradients(model, objective, step_of(objective, [*one, *several]))
    assert losses["transcription"] > 0
    assert any(name.startswith("encoder.") and gradient.abs().max() > 0 for name, gradient in found.items())
    assert not any("table" in name for name in found), "the language model is only looked up"


def test_features_are_transcribed_as_a_projector_reads_them() -> None:
    """Divided by the encoder's scale, and with no norm in between."""
    model = toy_model(projector=None, backbone=None, encoder=CONVOLUTIONS | {"scale": 4.0})
    objective = objective_of(model)
    model.encoder.eval()
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(objective.read(model.encoder.hidden_states(pixels)), model.encoder(pixels))


def test_a_cls_feature_has_no_place() -> None:
    vit = {
        "model_type": "vit", "image_size": 32, "patch_size": 8, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    model = toy_model(projector=None, backbone=None, encoder={"type": "transformers", "architecture": vit, "cls": "drop", "tap": -1})
    model.encoder.eval()
    pixels = torch.randn(2, 3, 32, 32)
    objective = objective_of(model)
    hidden = model.encoder.hidden_states(pixels)
    assert objective.read(hidden).shape == (2, 16, 16)
    losses, _ = gradients(model, objective, step_of(objective, samples(2, task="describe")))
    assert losses["transcription"] > 0
    torch.testing.assert_close(objective.read(hidden), model.encoder(pixels))


def test_a_strategy_of_many_views_is_refused() -> None:
    model = toy_model(projector=None, backbone=None, resolution={"type": "closest-aspect", "size": 32})
    with pytest.raises(BadInput, match=r"model\.resolution: expected a resolution strategy with one view .* found closest-aspect"):
        objective_of(model)
