"""Fixtures that tests of several folders share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """A function from a data set's name to its folder; it skips the test where the real data is not at hand."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("OMMA_SHARED_DATA", beside))

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(
                f"the real {name} data is not at hand: put it into {name}/ of the folder named by OMMA_SHARED_DATA"
            )
        return root / name

    return folder
