"""All pictures of a folder: order, what counts as one, and folders without."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from omma.data.sources import SOURCES
from omma.errors import BadInput


def source(folder: Path):
    return SOURCES.parse({"type": "pictures", "folder": str(folder)}, where="data").build()


def test_pictures_by_path_whatever_their_folders(tmp_path: Path) -> None:
    for number, path in enumerate(("b.png", "a/z.JPG", "a/c.webp", "a/b/d.png")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10 + number, 8), "red").save(tmp_path / path)
    (tmp_path / "notes.txt").write_text("no picture")
    found = source(tmp_path)
    samples = [found.sample(index) for index in range(found.length)]
    assert [sample.id for sample in samples] == [f"pictures/{path}" for path in ("a/b/d.png", "a/c.webp", "a/z.JPG", "b.png")]
    assert [sample.images[0].load().size[0] for sample in samples] == [13, 12, 11, 10]
    assert all(len(sample.turns) == 1 and not sample.turns[0].text for sample in samples)


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected pictures, files that end in .png.*found none"):
        source(tmp_path)
    with pytest.raises(BadInput, match="nothing of that name"):
        source(tmp_path / "nowhere")
