"""How much of a picture a linear map of features tells: everything if the features are the codes, chance if they are noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omma.data.sample import Sample
from omma.objectives import OBJECTIVES
from omma.zoo.probe import Probe
from toy_training import samples, toy_model


@pytest.fixture
def probe() -> Probe:
    torch.manual_seed(1)
    model = toy_model(projector=None, backbone=None)
    return Probe(OBJECTIVES.parse({"type": "transcription", "tap": -1}, where="objective").build(model=model))


PAGES = [*samples(4, world="documents", task="describe"), *samples(2, world="charts", task="describe")]


def test_features_have_a_one_at_the_end(probe: Probe) -> None:
    features = probe.features(PAGES)
    assert features.shape == (6, 16, probe.transcription.width + 1) and (features[..., -1] == 1).all()


def test_codes_tell_everything(probe: Probe, monkeypatch: Any) -> None:
    def perfect(pages: list[Sample]) -> Tensor:
        codes = probe.transcription.code(*probe.held(pages), probe.transcription.table)
        return torch.cat([codes, torch.ones_like(codes[..., :1])], -1).double()

    monkeypatch.setattr(probe, "features", perfect)
    monkeypatch.setattr("omma.zoo.probe.RIDGE", 1e-9)
    probe.fit(PAGES)
    characters, names = probe.told(PAGES)
    assert characters is not None and names is not None
    # These pages are small: names of several things, and characters, share a patch, and are too many to be taken apart again.
    assert characters.value > 0.8 and names.value > 0.5


def test_noise_tells_next_to_nothing(probe: Probe, monkeypatch: Any) -> None:
    monkeypatch.setattr(probe, "features", lambda pages: torch.randn(len(pages), 16, 9, dtype=torch.float64))
    probe.fit(PAGES)
    characters, names = probe.told(PAGES)
    assert characters is not None and characters.value < 0.5
    assert names is not None and names.value < 0.3


def test_what_is_not_there_has_no_share(probe: Probe) -> None:
    shapes = samples(3, task="describe")
    probe.fit(shapes)
    characters, names = probe.told(shapes)
    assert characters is None and names is not None
