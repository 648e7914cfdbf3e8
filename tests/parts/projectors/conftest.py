"""Projectors made from plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from omma.parts.projectors import PROJECTORS, Projector


@pytest.fixture
def build() -> Callable[..., Projector]:
    """A function that makes a projector in evaluation mode, always with the same weights."""

    def make(name: str, d_in: int, d_out: int, marks: tuple[str, ...] = (), **fields: Any) -> Projector:
        torch.manual_seed(0)
        config = PROJECTORS.parse({"type": name, **fields}, where="model.projector")
        return config.build(d_in=d_in, d_out=d_out, marks=marks).eval()

    return make


@pytest.fixture
def count(build: Callable[..., Projector]) -> Callable[..., int]:
    """A function that counts the parameters of a projector at any size, without memory for them."""

    def parameters(*arguments: Any, **fields: Any) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in build(*arguments, **fields).parameters())

    return parameters
