"""Several pictures on one sheet."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omma.data.images import MemoryImage
from omma.data.montage import GAP, SHEET, Montage, corners


def plain(width: int, height: int, colour: tuple[int, int, int]) -> MemoryImage:
    return MemoryImage(Image.new("RGB", (width, height), colour), f"{width}x{height} {colour}")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=12))
def test_every_picture_is_there_whole_and_nothing_else(sizes: list[tuple[int, int]]) -> None:
    images = [plain(*size, (place + 1, 0, 200)) for place, size in enumerate(sizes)]
    montage = Montage(tuple(images))
    sheet = montage.load()
    assert sheet.size == montage.size and sheet.mode == "RGB"
    pixels = np.asarray(sheet).copy()
    for image, (left, top), (width, height) in zip(images, corners(sizes), sizes, strict=True):
        part = pixels[top : top + height, left : left + width]
        assert (part == np.asarray(image.load())).all()
        part[:] = SHEET
    assert (pixels == SHEET).all()


def test_reading_order_and_gaps() -> None:
    montage = Montage(tuple(plain(10, 10, (place, 0, 0)) for place in range(3)))
    assert corners([(10, 10)] * 3) == [(0, 0), (10 + GAP, 0), (0, 10 + GAP)] and montage.size == (20 + GAP, 20 + GAP)
    assert corners([(10, 10)]) == [(0, 0)] and Montage(montage.images[:1]).size == (10, 10)
    assert corners([(3, 9), (5, 2)]) == [(0, 0), (5 + GAP, 0)] and corners([(1, 1)] * 5)[3:] == [(0, 1 + GAP), (1 + GAP, 1 + GAP)]


def test_keys_tell_pictures_and_their_order_apart() -> None:
    one, two = plain(4, 4, (1, 0, 0)), plain(4, 4, (2, 0, 0))
    keys = {Montage(images).key for images in ((one, two), (two, one), (one,), (one, one, two))}
    assert len(keys) == 4 and one.key not in keys
    again = pickle.loads(pickle.dumps(Montage((one, two))))
    assert again.key in keys and again.load().tobytes() == Montage((one, two)).load().tobytes()


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Montage(())
