"""Tesseract as a model under test. A program that stands in for it says what it was given, where the real one is not installed."""

from __future__ import annotations

import io
import shutil
import stat
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from omma.commands.under_test import under_test
from omma.data.images import BytesImage
from omma.data.playground.fonts import font
from omma.data.sample import Sample, user
from omma.errors import BadInput
from omma.evaluation.models.tesseract import Tesseract
from omma.recipe import EvaluationRecipe

PROGRAM = """#!/usr/bin/env python3
import sys
if sys.argv[1] == "--list-langs":
    print("List of available languages (1):\\neng")
elif sys.argv[1] == "--version":
    print("tesseract 9.9")
else:
    data = sys.stdin.buffer.read()
    if b"PNG" not in data[:8]:
        sys.exit("no picture")
    width = int.from_bytes(data[16:20], "big")
    if width > 500:
        sys.exit("too wide")
    print(" ".join(sys.argv[1:]), "\\n\\n", width)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def shown(*pictures: Image.Image) -> Sample:
    images = []
    for number, picture in enumerate(pictures):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        images.append(BytesImage(stream.getvalue(), f"{number}.png"))
    return Sample(id="a", turns=(user(*images, "what does it say?"),))


@pytest.mark.usefixtures("stand_in")
def test_it_is_shown_the_last_picture_enlarged() -> None:
    prompt = shown(Image.new("RGB", (10, 5)), Image.new("RGB", (40, 8)))
    blind = Sample(id="b", turns=(user("what does it say?"),))
    wide = shown(Image.new("RGB", (300, 8)))
    one, none, failed = Tesseract("eng", layout=6, enlarge=2).answer([prompt, blind, wide])
    assert (one.text, one.finish) == ("stdin stdout -l eng --psm 6 80", "stop")
    assert none.text == ""
    assert (failed.text, failed.finish, failed.error) == (None, "failed", "too wide")


@pytest.mark.usefixtures("stand_in")
def test_it_is_a_model_under_test_with_two_settings() -> None:
    found = under_test("tesseract:eng", [], EvaluationRecipe(), {"enlarge": "3"}, None)
    assert "9.9" in found.identity and "3" in found.identity
    with pytest.raises(BadInput, match=r"model tesseract:eng, setting mode: expected layout, enlarge, found mode"):
        under_test("tesseract:eng", [], EvaluationRecipe(), {"mode": "3"}, None)
    with pytest.raises(BadInput, match=r"expected a language that is installed \(eng\), found zzz"):
        under_test("tesseract:zzz", [], EvaluationRecipe(), {}, None)
    for settings in ({"layout": "14"}, {"enlarge": "0"}, {"layout": "a"}):
        with pytest.raises(BadInput, match="expected layout from 0 to 13, enlarge from 1 to 8"):
            under_test("tesseract:eng", [], EvaluationRecipe(), settings, None)


def test_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"expected the program tesseract, found none on the path; install it"):
        Tesseract("eng")


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed (apt install tesseract-ocr)")
def test_the_real_one_reads_large_print() -> None:
    picture = Image.new("RGB", (260, 50), "white")
    ImageDraw.Draw(picture).text((10, 8), "Total 12.50", fill="black", font=font("source-sans", 30))
    assert Tesseract("eng").answer([shown(picture)])[0].text == "Total 12.50"
