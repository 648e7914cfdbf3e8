"""Grounded captioning: places are told right, in the frame of the view, and nothing outside a place is seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.sample import Box, Sample
from omma.errors import BadInput
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.objectives.captioning import PlaceEmbedding, inside
from toy_training import gradients, samples, step_of, toy_model

shares = st.floats(0, 1)


def captioning(**config: Any) -> Any:
    model = toy_model(projector=None, backbone=None)
    torch.manual_seed(1)
    settings = {"type": "captioning", "layers": 1, "max_tokens": 64, "tap": -1, **config}
    return OBJECTIVES.parse(settings, where="objective").build(model=model)


def test_labels_are_written_at_their_places() -> None:
    """A wide picture is padded to a square, so heights shrink and everything moves to the middle."""
    term = captioning(grounded=1.0).term()
    (sample,) = samples(1, task="describe")
    width, height = sample.images[0].size
    box = Box(0, 0, width / 2, height, "Red Star")
    written = term.tokens(Sample("one", sample.turns, boxes=(box,)))
    assert term.tokenizer.decode(written.ids) == "<s> red star;</s>"
    side = max(width, height)
    left, top = (side - width) // 2 / side, (side - height) // 2 / side
    expected = (left + width / side / 4, top + height / side / 2, width / side / 2, height / side)
    places = [place for place in written.places if place is not None]
    assert len(places) == len(written.ids) - 2
    assert all(place == pytest.approx(expected) for place in places)


def test_the_place_stands_where_the_next_token_is_predicted() -> None:
    objective = captioning(grounded=1.0)
    term = objective.term()
    written = term.tokens(samples(1, task="describe")[0])
    arrays = term.collate([written])
    length = len(written)
    assert arrays["ids"][0, :length].tolist() == written.ids
    assert arrays["labels"][0, : length - 1].tolist() == written.ids[1:]
    assert (arrays["labels"][0, length - 1 :] == IGNORE).all()
    for position, place in enumerate(written.places[1:]):
        found = arrays["places"][0, position]
        assert np.isnan(found).all() if place is None else found == pytest.approx(place)


def test_the_share_of_grounded_samples() -> None:
    term = captioning(grounded=0.5).term()
    grounded = [any(term.tokens(sample).places) for sample in samples(200, task="describe")]
    assert 70 < sum(grounded) < 130
    none = captioning().term()
    assert not any(any(none.tokens(sample).places) for sample in samples(20, task="describe"))


@settings(deadline=None)
@given(shares, shares, shares, shares)
def test_a_place_shows_the_cells_that_it_touches(x: float, y: float, width: float, height: float) -> None:
    side = 4
    seen = inside(torch.tensor([[[x, y, width, height]]], dtype=torch.float64), side * side)[0, 0].view(side, side)
    assert seen.any()
    for row in range(side):
        for column in range(side):
            clear = 1e-6
            across = x - width / 2 < (column + 1) / side - clear and x + width / 2 > column / side + clear
            down = y - height / 2 < (row + 1) / side - clear and y + height / 2 > row / side + clear
            if across and down:
                assert seen[row, column]


def test_no_place_shows_everything() -> None:
    assert inside(torch.full((1, 2, 4), math.nan), 16).all()
    assert (PlaceEmbedding(8)(torch.full((1, 2, 4), math.nan)) == 0).all()


def test_features_outside_a_place_change_nothing() -> None:
    objective = captioning(grounded=1.0)
    step = step_of(objective, samples(1, task="describe"))
    batch = {key: torch.from_numpy(value) for key, value in step.micro_batches[0].items()}
    own = {key.removeprefix("captioning."): value for key, value in batch.items() if key.startswith("captioning.")}
    own["places"] = torch.where(own["places"].isnan(), own["places"], torch.tensor([0.1, 0.1, 0.05, 0.05]))
    own["labels"] = torch.where(own["places"].isnan().any(-1), IGNORE, own["labels"])
    hidden = list(objective.hidden_states(batch["views"]))
    before = objective.loss(tuple(hidden), batch["view_counts"], own)
    tap = objective.config.tap - 1
    changed = hidden[tap].clone()
    changed[:, 1:] += 1
    hidden[tap] = changed
    assert torch.equal(objective.loss(tuple(hidden), batch["view_counts"], own), before)
    changed[:, :1] += torch.randn(changed.shape[-1])
    assert not torch.equal(objective.loss(tuple(hidden), batch["view_counts"], own), before)


def test_a_place_is_in_the_first_picture_alone() -> None:
    objective = captioning(grounded=1.0)
    step = step_of(objective, samples(1, world="panels", task="describe"))
    batch = {key: torch.from_numpy(value) for key, value in step.micro_batches[0].items()}
    own = {key.removeprefix("captioning."): value for key, value in batch.items() if key.startswith("captioning.")}
    own["labels"] = torch.where(own["places"].isnan().any(-1), IGNORE, own["labels"])
    assert (own["labels"] != IGNORE).any()
    hidden = list(objective.hidden_states(batch["views"]))
    before = objective.loss(tuple(hidden), batch["view_counts"], own)
    tap = objective.config.tap - 1
    hidden[tap] = torch.cat([hidden[tap][:1], hidden[tap][1:] + torch.randn(hidden[tap].shape[-1])])
    assert torch.equal(objective.loss(tuple(hidden), batch["view_counts"], own), before)


def test_any_longest_caption_is_possible() -> None:
    """Rows are padded to multiples of eight, beyond a limit that is none."""
    objective = captioning(max_tokens=29)
    step = step_of(objective, samples(4, task="describe"))
    assert max(batch["captioning.ids"].shape[1] for batch in step.micro_batches) == 32
    losses, _ = gradients(objective.model, objective, step)
    assert math.isfinite(losses["captioning"])


def test_places_need_one_whole_view() -> None:
    model = toy_model(projector=None, backbone=None, resolution={"type": "windows", "canvas": (64, 32), "size": 32})
    objective = OBJECTIVES.parse({"type": "captioning", "grounded": 0.5}, where="objective")
    with pytest.raises(BadInput, match=r"objective\.grounded: expected a resolution strategy with one view of the whole picture"):
        objective.build(model=model)
