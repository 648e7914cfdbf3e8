"""`omma draw`: a PNG of one picture or of a grid, the same for the same seed, and what it refuses."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from model.interop.test_var import published_tokenizer, published_transformer
from omma.commands.draw import GAP, after_steps, evenly_chosen
from omma.model.emerging import Stand
from omma.model.interop.var import FILES
from omma.model.saving import save_composition
from toy_classes import class_model
from toy_drawing import drawing_model
from toy_training import toy_model

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    save_composition(drawing_model("next-scale"), directory, dtype=torch.float32)
    return directory


@pytest.fixture
def draws(command: Any) -> Any:
    """Runs `omma draw`; what it says."""

    def run(*arguments: object) -> str:
        result = command("draw", *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_one_picture_named_after_what_was_asked(model: Path, draws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "The picture is a-red-star.png." in draws(model, "a red star!")
    assert pixels(tmp_path / "a-red-star.png").shape == (16, 16, 3)


def test_a_grid_of_seeds(model: Path, draws: Any, tmp_path: Path) -> None:
    draws(model, "a ring", "--count", "5", "--seed", "3", "--out", tmp_path / "many.png")
    many = pixels(tmp_path / "many.png")
    assert many.shape == (2 * 16 + GAP, 3 * 16 + 2 * GAP, 3)
    draws(model, "a ring", "--seed", "4", "--out", tmp_path / "one.png")
    second = many[:16, 16 + GAP : 32 + GAP]
    assert np.abs(second.astype(int) - pixels(tmp_path / "one.png")).max() <= 1
    assert np.abs(second.astype(int) - many[:16, :16]).max() > 1


def test_how_pictures_came_about(model: Path, draws: Any, tmp_path: Path) -> None:
    said = draws(model, "a ring", "--count", "2", "--steps", "--out", tmp_path / "two.png")
    assert "From left to right, how each came about" in said and "two-steps.png" in said
    steps, grid = pixels(tmp_path / "two-steps.png"), pixels(tmp_path / "two.png")
    assert steps.shape == (2 * 16 + GAP, 4 * 16 + 3 * GAP, 3)
    for number in range(2):
        row = steps[number * (16 + GAP) :][:16]
        frames = [row[:, left : left + 16] for left in range(0, 80, 16 + GAP)]
        assert (frames[-1] == grid[:16, number * (16 + GAP) :][:, :16]).all()
        assert all((one != other).any() for one, other in pairwise(frames))


def test_of_many_steps_some_are_shown_the_first_and_last_among_them() -> None:
    seen = [partial(torch.full, (2, 4, 4, 3), number, dtype=torch.uint8) for number in range(64)]
    stands = [Stand(0, 2, "drawing", 1, 64, "", None, views) for views in (None, *seen)]
    for most, shown in ((1, [63]), (4, [0, 21, 42, 63]), (100, list(range(64)))):
        rows = after_steps(evenly_chosen(stands, most))
        assert [[np.asarray(picture)[0, 0, 0] for picture in row] for row in rows] == [shown, shown]


def test_what_is_shown_and_how_it_is_sampled_matter(model: Path, draws: Any, tmp_path: Path) -> None:
    Image.new("RGB", (20, 30), "red").save(tmp_path / "red.png")
    base = (model, "a ring", "--out")
    draws(*base, tmp_path / "plain.png")
    for number, options in enumerate((["--image", tmp_path / "red.png"], ["--top-k", "1"], ["--guidance", "0"])):
        draws(*base, tmp_path / f"{number}.png", *options)
        assert (pixels(tmp_path / f"{number}.png") != pixels(tmp_path / "plain.png")).any(), options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["  "], "PROMPT: expected what is to be drawn, in words, found nothing"),
        (["a ring", "--out", "ring.jpg"], "--out: expected a file name that ends in .png, found ring.jpg"),
        (["a ring", "--top-p", "0"], "top_p: expected above 0, and 1 at most, found 0"),
        (["a ring", "--image", "nowhere.png"], "nowhere.png"),
    ],
)
def test_what_cannot_be_drawn(model: Path, command: Any, one_sentence: Any, arguments: list[str], message: str) -> None:
    assert message in one_sentence(command("draw", model, *arguments))


def test_a_model_that_only_reads(command: Any, one_sentence: Any, tmp_path: Path) -> None:
    save_composition(toy_model(), tmp_path, dtype=torch.float32)
    assert "expected one that draws" in one_sentence(command("draw", tmp_path, "a ring"))


def test_a_published_var_is_read_in_and_draws(command: Any, draws: Any, tmp_path: Path) -> None:
    shapes = (published_transformer(1, 680, 5, 8, 20, width=32, heads=4, shared=False), published_tokenizer(32, 8, 20, 10))
    (tmp_path / "published").mkdir()
    for file, own in zip(FILES, shapes, strict=True):
        save_file({name: torch.randn(shape) * 0.05 for name, shape in own.items()}, tmp_path / "published" / file)
    result = command("import", tmp_path / "published", tmp_path / "var")
    assert result.exit_code == 0 and f"omma draw {tmp_path / 'var'} 207" in result.stdout, result.output
    draws(tmp_path / "var", "4", "--out", tmp_path / "four.png")
    assert pixels(tmp_path / "four.png").shape == (256, 256, 3)


def test_a_model_of_classes_wants_a_number(command: Any, draws: Any, one_sentence: Any, tmp_path: Path) -> None:
    save_composition(class_model("var"), tmp_path, dtype=torch.float32)
    assert "this model draws classes, found 'a star'" in one_sentence(command("draw", tmp_path, "a star"))
    assert "expected a number from 0 to 9, found 10" in one_sentence(command("draw", tmp_path, "10"))
    draws(tmp_path, "7", "--count", "2", "--out", tmp_path / "sevens.png")
    assert pixels(tmp_path / "sevens.png").shape == (16, 32 + GAP, 3)
