"""`omma evaluate` of image tokenizers: of a run, of a directory, and of the one in a model that draws; the file and the page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from browser import needs_chromium, told_by_frames
from omma.evaluation.reconstruction.results import ReconstructionResults
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.saved import save_image_tokenizer
from show.pages import Page
from toy_drawing import NETWORK, ONE_BOOK

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

FEW = "evaluation.reconstruction={pictures: 3, worlds: [shapes, digits]}"


def results_in(place: Path) -> ReconstructionResults:
    return ReconstructionResults.model_validate_json((place / "reconstruction.json").read_text())


@pytest.fixture(scope="module")
def run(command: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an image tokenizer in several scales, evaluated."""
    place = tmp_path_factory.mktemp("runs") / "scales"
    made = command("train", "var-tokenizer", "--size", "debug", "--out", place, "stages.tokenize.steps=1", "workers=0")
    assert made.exit_code == 0, made.output
    done = command("evaluate", place, FEW)
    assert done.exit_code == 0, done.output
    assert "Painting 6 fresh pictures of shapes, digits again." in done.stdout and "reconstruction.html" in done.stdout
    assert "of 16 codes in use" in done.stdout and "Scenes read back exactly: " in done.stdout
    return place


def test_results_of_a_run(run: Path) -> None:
    results = results_in(run)
    assert (results.model, results.size, results.vocabulary, results.codes, results.bits) == ("scales", (16, 16), 16, 85, 340)
    assert [(world.world, world.pictures) for world in results.worlds] == [("shapes", 3), ("digits", 3)]
    assert [use.side for use in results.use] == [None, 1, 2, 4, 8] and results.network is None
    assert len(results.pictures) == 6 and [picture.painted_read is None for picture in results.pictures] == [False] * 3 + [True] * 3
    assert not (run / "results.json").exists()


def test_the_page_shows_what_is_in_the_file(run: Path) -> None:
    results, page = results_in(run), Page((run / "reconstruction.html").read_text())
    page.check_self_contained()
    # The worst and the first of each world, beside what is painted of them.
    assert sum(tag == "img" for tag, _ in page.tags) == 2 * 2 * 6
    for picture in results.pictures:
        assert page.text.count(f"{picture.psnr:.1f} dB") >= 2
    for world in results.worlds:
        assert f"{world.psnr.low:.2f} to {world.psnr.high:.2f}" in page.text


def test_vectors_have_no_codes_to_be_counted(command: Any, tmp_path: Path) -> None:
    tokenizer = IMAGE_TOKENIZERS.parse({"type": "kl-autoencoder", "network": NETWORK}, where="test").build()
    save_image_tokenizer(tokenizer, tmp_path, dtype=torch.float32)
    done = command("evaluate", tmp_path, "--recipe", "vq-tokenizer", "--size", "debug", "--out", tmp_path / "out", FEW)
    assert done.exit_code == 0, done.output
    results = results_in(tmp_path / "out")
    assert (results.vocabulary, results.codes, results.bits, results.use, results.size) == (0, 64, None, (), (16, 16))
    assert "<section id=\"codes\">" not in (tmp_path / "out" / "reconstruction.html").read_text()


def test_one_that_was_not_made_by_a_run_reads_pictures_of_the_usual_size(command: Any, tmp_path: Path) -> None:
    save_image_tokenizer(IMAGE_TOKENIZERS.parse(ONE_BOOK, where="test").build(), tmp_path, dtype=torch.float32)
    done = command("evaluate", tmp_path, "--out", tmp_path / "out", "evaluation.reconstruction={pictures: 2, worlds: [shapes]}")
    assert done.exit_code == 0, done.output
    assert results_in(tmp_path / "out").size == (256, 256)


def test_the_tokenizer_of_a_model_that_draws_is_measured_if_its_recipe_says_so(command: Any, tmp_path: Path) -> None:
    steps = ["stages.tokenize.steps=1", "stages.draw.steps=1", "workers=0"]
    assert command("train", "var", "--size", "debug", "--out", tmp_path / "var", *steps).exit_code == 0
    done = command("evaluate", tmp_path / "var", "evaluation.benchmarks=[]", "evaluation.drawing=null", FEW)
    assert done.exit_code == 0, done.output
    assert results_in(tmp_path / "var").codes == 85 and not (tmp_path / "var" / "drawing.json").exists()


def test_what_cannot_be_measured(command: Any, one_sentence: Any, tmp_path: Path) -> None:
    said = one_sentence(command("evaluate", "scripted:oracle", "--recipe", "vq-tokenizer", "--size", "debug", FEW))
    assert "field evaluation.reconstruction: expected nothing for a model that is no directory" in said
    config = {**ONE_BOOK, "type": "quantized-encoder"}
    save_image_tokenizer(IMAGE_TOKENIZERS.parse(config, where="test").build(), tmp_path, dtype=torch.float32)
    said = one_sentence(command("evaluate", tmp_path, FEW))
    assert "expected an image tokenizer that can paint what it has read, found quantized-encoder, which only reads" in said
    (tmp_path / "image_tokenizer.safetensors").write_bytes(b"words")
    assert "image_tokenizer.safetensors: expected the weights of an image tokenizer" in one_sentence(command("evaluate", tmp_path, FEW))


@needs_chromium
def test_in_a_browser_nothing_overflows_a_phone(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "reconstruction.html", tmp_path / "page.html")
    script = """
    const drawn = [...page.images].every((one) => one.naturalWidth === 16 && one.getBoundingClientRect().height > 40);
    return `${page.documentElement.scrollWidth} ${drawn}`;
    """
    assert told_by_frames(tmp_path, ["page.html"], (390, 1280), script) == "390: 390 true; 1280: 1280 true"
