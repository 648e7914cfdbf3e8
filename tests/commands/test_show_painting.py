"""`omma show` of what paints: recipes with random weights, runs, models that draw in every way, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from browser import needs_chromium, told_by_frames
from omma.model.saving import save_composition
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.saved import save_image_tokenizer
from show.pages import Page
from toy_classes import class_model
from toy_drawing import ONE_BOOK, SCALES, drawing_model
from toy_training import toy_model

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def shows(command: Any, tmp_path: Path) -> Any:
    """Runs `omma show`; what it says, and its page."""

    def run(*arguments: object) -> tuple[str, Page]:
        done = command("show", *arguments, "--out", tmp_path / "page.html")
        assert done.exit_code == 0, done.output
        page = Page((tmp_path / "page.html").read_text())
        page.check_self_contained()
        return done.stdout, page

    return run


@pytest.mark.parametrize(
    ("recipe", "codes"),
    [("vq-tokenizer", "64 codes, 256 bits"), ("var-tokenizer", "85 codes, 340 bits"), ("magvit2-tokenizer", "64 codes, 384 bits")],
)
def test_recipes_of_image_tokenizers_paint_with_random_weights(shows: Any, picture: Path, recipe: str, codes: str) -> None:
    said, page = shows(recipe, "--size", "debug", "--image", picture)
    assert "with random weights" in said and codes in said and "Nothing has been learned" in page.text
    again, same = shows(recipe, "--size", "debug", "--image", picture)
    assert (again, same.html) == (said, page.html), "they are always the same random weights"


def test_a_run_paints_with_what_it_has_learned(command: Any, shows: Any, picture: Path, tmp_path: Path) -> None:
    run = tmp_path / "mine"
    made = command("train", "var-tokenizer", "--size", "debug", "--out", run, "stages.tokenize.steps=1", "workers=0")
    assert made.exit_code == 0, made.output
    said, page = shows(run, "--image", picture)
    assert "mine: convolutional" in said and "pictures of 16 x 16" in said and "Nothing has been learned" not in page.text
    assert "What mine makes of noise.png" in page.text and "8 × 8" in page.text
    for place in (run / "model", run / "stages" / "tokenize"):
        # What is finished is kept in half as many bits.
        assert shows(place, "--image", picture)[0].splitlines()[0] == said.splitlines()[0]


def test_directories_of_image_tokenizers_say_themselves_how_large_pictures_are(shows: Any, picture: Path, tmp_path: Path) -> None:
    for name, config, size in (("scales", SCALES, 16), ("book", ONE_BOOK, 256)):
        (tmp_path / name).mkdir()
        save_image_tokenizer(IMAGE_TOKENIZERS.parse(config, where="test").build(), tmp_path / name, dtype=torch.float32)
        assert f"pictures of {size} x {size}" in shows(tmp_path / name, "--image", picture)[0]


@pytest.mark.parametrize(
    ("way", "moments"), [("next-scale", 4), ("raster", 16), ("masked", 3), ("regression", 2), ("raster-to-end", 2)]
)
def test_models_that_draw_read_a_picture_and_draw_one(shows: Any, picture: Path, tmp_path: Path, way: str, moments: int) -> None:
    (tmp_path / "model").mkdir()
    save_composition(drawing_model(way), tmp_path / "model", dtype=torch.float32)
    said, page = shows(tmp_path / "model", "--image", picture, "--prompt", "a ring")
    assert "noise.png" in said and "“a ring”" in said
    # Steps of what is drawn, and scales of what is read.
    assert len([tag for tag, _ in page.tags if tag == "ol"]) == (2 if way == "next-scale" else 1)
    assert sum(tag == "li" for tag, _ in page.tags) == moments * (2 if way == "next-scale" else 1)
    alone, page = shows(tmp_path / "model", "--prompt", "a ring")
    assert "noise.png" not in alone and "draws “a ring”" in page.text


def test_classes_are_drawn_scale_by_scale(shows: Any, command: Any, one_sentence: Any, tmp_path: Path) -> None:
    (tmp_path / "classes").mkdir()
    save_composition(class_model("var"), tmp_path / "classes", dtype=torch.float32)
    _, page = shows(tmp_path / "classes", "--prompt", "7")
    assert "How classes draws “7”" in page.text and "Scale by scale" in page.text
    message = one_sentence(command("show", tmp_path / "classes", "--prompt", "a star"))
    assert "expected the number of a class" in message


def test_a_run_that_only_reads_shows_how_it_cuts(shows: Any, finished_run: Path, picture: Path) -> None:
    said, page = shows(finished_run, "--image", picture)
    assert "llava-1.5, size debug: noise.png, 40 x 30" in said and page.tokens == 16


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["MODEL"], "expected --image and a picture beside it, found none"),
        (["MODEL", "--image", "PICTURE", "--size", "debug"], "expected no --size beside what is saved"),
        (["MODEL", "model.resolution=null", "--image", "PICTURE"], "expected no FIELD=VALUE beside what is saved"),
        (["MODEL", "--prompt", "a ring"], "--prompt: expected a model that draws, found an image tokenizer alone"),
        (["MODEL", "--image", "missing.png"], "no such file"),
        (["MODEL", "--image", "PICTURE", "--out", "page.png"], "--out: expected the name of a page"),
        (["vq-tokenizer", "--prompt", "a ring"], "--prompt: expected a run or model that draws before it, found vq-tokenizer"),
        (["READING", "--image", "PICTURE"], "expected one that draws, with a painter and an image tokenizer, found one that only reads"),
        (["EMPTY", "--image", "PICTURE"], "found a directory without config.json"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    command: Any, one_sentence: Any, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {name: tmp_path / name.lower() for name in ("MODEL", "READING", "EMPTY")}
    for place in places.values():
        place.mkdir()
    save_image_tokenizer(IMAGE_TOKENIZERS.parse(ONE_BOOK, where="test").build(), places["MODEL"], dtype=torch.float32)
    if "READING" in arguments:
        save_composition(toy_model(), places["READING"], dtype=torch.float32)
    given = [str({**places, "PICTURE": picture}.get(argument, argument)) for argument in arguments]
    assert said in one_sentence(command("show", *given))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "model", "reading"], "no page is left"


@needs_chromium
def test_in_a_browser_nothing_overflows_a_phone(shows: Any, picture: Path, tmp_path: Path) -> None:
    for recipe in ("var-tokenizer", "vq-tokenizer"):
        shows(recipe, "--size", "debug", "--image", picture)
        shutil.move(tmp_path / "page.html", tmp_path / f"{recipe}.html")
    script = """
    const drawn = [...page.images].every((one) => one.naturalWidth > 0 && one.getBoundingClientRect().height > 40);
    return `${page.documentElement.scrollWidth} ${drawn}`;
    """
    told = told_by_frames(tmp_path, ["var-tokenizer.html", "vq-tokenizer.html"], (390, 1280), script)
    assert told == "390: 390 true; 1280: 1280 true; 390: 390 true; 1280: 1280 true"
