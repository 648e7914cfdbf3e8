"""`omma show --image`: pages from outside, and what is said to arguments that do not go together."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import needs_chromium, told_by_frames
from omma.parts.resolution import RESOLUTIONS
from omma.recipe import load_recipe
from omma.show.systems import SYSTEMS
from show.pages import Page

PUBLISHED_640_480 = {
    "crop-square": 256,
    "pad-square": 576,
    "fit-square": 576,
    "stretch-square": 256,
    "anyres": 2340,
    "closest-aspect": 13 * 256,
    "windows": 1280,
    "iou-grid": 13 * 65,
    "slices": 5 * 64,
    "padded-grid": 3085,
    "two-branches": 256,
    "native": 16 * 22,  # and a line break behind every row
    "keep-ratio": 24 * 18,
    "pixel-budget": 27 * 20,
}
"""Tokens of a picture of 640 x 480 pixels in the published systems."""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((640, 480)).save(path)
    return path


@pytest.fixture(scope="module")
def everything(command: Any, picture: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command says, and the page."""
    path = tmp_path_factory.mktemp("pages") / "all.html"
    done = command("show", "--all", "--image", picture, "--out", path)
    assert done.exit_code == 0, done.output
    return done.stdout, path


def test_all_strategies_are_compared(everything: tuple[str, Path]) -> None:
    said, path = everything
    own = {name for name in RESOLUTIONS.names() if RESOLUTIONS.get(name, where="").__module__.startswith("omma.")}
    assert {system.resolved.model.resolution.type for system in SYSTEMS} == own == set(PUBLISHED_640_480)
    rows = {name: line for line in said.splitlines() for name in own if f" {name} " in line}
    assert {
        name: int(re.findall(r"  ([\d,]+)", row)[1].replace(",", "")) for name, row in rows.items()
    } == PUBLISHED_640_480
    page = Page(path.read_text())
    page.check_self_contained()
    assert page.tokens == sum(PUBLISHED_640_480.values())
    assert re.search(r"most 112896, patch 14\b(?!,)", page.text), "texts that are not there are not told"
    counts = [int(text.replace(",", "")) for text in re.findall(r"tokens\s*([\d,]+)\s+views", page.text)]
    assert counts == sorted(PUBLISHED_640_480.values())
    assert len(path.read_bytes()) < 6_000_000


def test_systems_are_recipes_at_their_published_size() -> None:
    for system in SYSTEMS:
        as_published = load_recipe(system.recipe, "paper")
        if system.published:
            assert system.resolved == as_published and system.published == as_published.paper
        else:
            assert system.resolved.model.resolution != as_published.model.resolution
            assert system.resolved.model.encoder == as_published.model.encoder
    assert sum(not system.published for system in SYSTEMS) == 2


@pytest.mark.parametrize(("size", "tokens"), [("debug", 16), ("small", 256), ("paper", 576)])
def test_every_size_is_drawn(command: Any, picture: Path, tmp_path: Path, size: str, tokens: int) -> None:
    path = tmp_path / "new" / "page.html"
    done = command("show", "llava-1.5", "--size", size, "--image", picture, "--out", path)
    assert done.exit_code == 0, done.output
    assert f"llava-1.5, size {size}: noise.png, 640 x 480" in done.stdout and str(path) in done.stdout
    page = Page(path.read_text())
    page.check_self_contained()
    assert page.tokens == tokens
    assert not list(path.parent.glob(".*")), "nothing is left beside it"


def test_the_paper_size_costs_what_its_formulas_say(command: Any, picture: Path, tmp_path: Path) -> None:
    done = command("show", "llava-1.5", "--size", "paper", "--image", picture, "--out", tmp_path / "p.html")
    # 6.476e9 matrix entries and 32 layers of attention over 576 positions, CLIP once, the MLP, the head.
    layers = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    model = 2 * layers * 576 + 4 * 32 * 4096 * 576**2 + 2 * 32000 * 4096
    total = model + 381_918_216_192 + 2 * 576 * (1024 * 4096 + 4096**2)
    assert f"{total / 1e12:.2f} TFLOPs" in done.stdout
    assert "288 MiB" in done.stdout  # 576 x half a mebibyte


def test_the_page_goes_where_the_command_is(
    command: Any, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # and replaces an older one
        assert command("show", "llava-1.5", "--size", "debug", "--image", picture).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["llava-1.5-noise.html"]


def test_overrides_change_what_is_drawn(command: Any, picture: Path, tmp_path: Path) -> None:
    strategy = "model.resolution={type: windows, canvas: [64, 64], size: 32}"
    done = command("show", "llava-1.5", "--size", "debug", strategy, "--image", picture, "--out", tmp_path / "p.html")
    assert done.exit_code == 0, done.output
    page = Page((tmp_path / "p.html").read_text())
    assert page.tokens == 5 * 16
    assert "windows, canvas 64 × 64, size 32" in re.sub(r"\s+", " ", page.text)


def test_an_encoder_alone_is_drawn_without_what_it_lacks(command: Any, picture: Path, tmp_path: Path) -> None:
    alone = ("model.backbone=null", "model.projector=null")
    done = command("show", "encoder-small", *alone, "--size", "debug", "--image", picture, "--out", tmp_path / "p.html")
    assert done.exit_code == 0, done.output
    text = Page((tmp_path / "p.html").read_text()).text
    assert "Cache" not in text and "there is no language model in this recipe" in text


@pytest.mark.parametrize("kind", ["turned", "cmyk", "grey", "palette"])
def test_pictures_are_read_as_they_look(command: Any, tmp_path: Path, kind: str) -> None:
    picture = Image.new("RGB", (60, 20), "red")
    path = tmp_path / ("p.jpg" if kind in ("turned", "cmyk") else "p.png")
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(path, exif=exif)
    else:
        picture.convert({"cmyk": "CMYK", "grey": "L", "palette": "P"}[kind]).save(path)
    done = command("show", "llava-1.5", "--size", "debug", "--image", path, "--out", tmp_path / "p.html")
    assert done.exit_code == 0, done.output
    said = "20 × 60" if kind == "turned" else "60 × 20"
    assert said in Page((tmp_path / "p.html").read_text()).text


NOT_A_PICTURE = "not.png"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["llava-1.5", "--image", "missing.png"], "no such file"),
        (["llava-1.5", "--image", NOT_A_PICTURE], "expected a picture (PNG, JPEG"),
        (["llava-1.5", "--image", "."], "a directory"),
        (["--all", "--image", "missing.png"], "no such file"),
        (["llava-1.5", "--all", "--image", "PICTURE"], "--all: expected no RECIPE beside it, found llava-1.5"),
        (["--all", "--size", "paper", "--image", "PICTURE"], "--all: expected no --size"),
        (["--all"], "--all: expected --image"),
        (["llava-1.5", "--out", "page.html"], "--out: expected --image"),
        ([], "RECIPE: expected the name of a recipe, found none"),
        (["--image", "PICTURE"], "RECIPE: expected the name of a recipe, found none"),
        (["lm-small", "--image", "PICTURE"], "recipe lm-small: expected one that takes pictures"),
        (
            ["llava-1.5", "--size", "debug", "--image", "PICTURE", "--out", "PICTURE"],
            "--out: expected the name of a page",
        ),
        (["llava-1.5", "--size", "debug", "--image", "PICTURE", "--out", "taken.html"], "taken.html: expected a place"),
        (
            [
                "llava-1.5",
                "--size",
                "debug",
                "model.resolution={type: two-branches, sizes: [32, 32]}",
                "--image",
                "PICTURE",
            ],
            "views for as many encoders as there are, 1",
        ),
        (
            ["llava-1.5", "--size", "debug", "model.projector={type: pixel-shuffle, factor: 3}", "--image", "PICTURE"],
            "factor",
        ),
    ],
)
def test_bad_input_ends_in_one_sentence(
    command: Any,
    one_sentence: Any,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(NOT_A_PICTURE).write_text("words")
    Path("taken.html").mkdir()
    sentence = one_sentence(command("show", *(str(picture) if a == "PICTURE" else a for a in arguments)))
    assert said in sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == [NOT_A_PICTURE, "taken.html"], "no page is left"


@needs_chromium
def test_in_a_browser_nothing_overflows_a_phone(
    command: Any, everything: tuple[str, Path], picture: Path, tmp_path: Path
) -> None:
    shutil.copy(everything[1], tmp_path / "all.html")
    anyres = "model.resolution={type: anyres, size: 32, canvases: [[64, 64], [320, 32]]}"
    made = command("show", "llava-1.5", "--size", "debug", anyres, "--image", picture, "--out", tmp_path / "one.html")
    assert made.exit_code == 0, made.output
    script = """
    const drawn = [...page.querySelectorAll("svg.drawing")].every((one) => one.getBoundingClientRect().height > 1);
    return `${page.documentElement.scrollWidth} ${drawn}`;
    """
    told = told_by_frames(tmp_path, ["all.html", "one.html"], (390, 1280), script)
    assert told == "390: 390 true; 1280: 1280 true; 390: 390 true; 1280: 1280 true"
