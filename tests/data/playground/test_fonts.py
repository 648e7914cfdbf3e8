from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from omma.data.playground import fonts
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS, font, font_path
from omma.errors import BadInput


@pytest.mark.parametrize("name", TRAIN_FONTS + HELD_OUT_FONTS)
def test_every_font_has_the_letters_and_digits(name: str) -> None:
    loaded = font(name, 14)
    shapes = {bytes(loaded.getmask(c)) for c in "abcdefghijkmnopqrstuvwxyz0123456789:/-."}
    # A font without glyphs would draw the same empty box for all of them.
    assert len(shapes) == len("abcdefghijkmnopqrstuvwxyz0123456789:/-.")


def test_held_out_fonts_are_other_files() -> None:
    assert len(TRAIN_FONTS) >= 14 and len(HELD_OUT_FONTS) >= 4
    trained, held_out = ({font_path(name) for name in names} for names in (TRAIN_FONTS, HELD_OUT_FONTS))
    assert len(trained) == len(TRAIN_FONTS) and not trained & held_out


def test_an_unknown_font_lists_the_near_ones() -> None:
    with pytest.raises(BadInput, match="did you mean dejavu-sans"):
        font("dejavu-sanss", 12)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    font_path.cache_clear()
    monkeypatch.setattr(fonts, "find_spec", lambda package: None)
    with pytest.raises(BadInput, match="pip install font-source-serif-pro"):
        font_path("source-serif")


def test_a_package_without_the_file_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    font_path.cache_clear()
    (tmp_path / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location("matplotlib", tmp_path / "__init__.py")
    monkeypatch.setattr(fonts, "find_spec", lambda package: spec)
    with pytest.raises(BadInput, match=r"DejaVuSans\.ttf.*force-reinstall"):
        font_path("dejavu-sans")
