"""How recipes are put together: what a file takes over from its base, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from omma.errors import BadInput
from omma.recipe import Recipe, load_recipe, recipe_sizes


def write(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def mine(folder: Path, text: str, size: str = "debug") -> Recipe:
    return load_recipe(write(folder, "mine", f"base: llava-1.5\nname: mine\n{text}"), size)


def test_an_architecture_of_another_family_replaces_the_old_one_whole(tmp_path: Path) -> None:
    text = "sizes: {debug: {model: {encoder: {architecture: {model_type: vit, image_size: 32, patch_size: 8}}}}}"
    recipe = mine(tmp_path, text)
    encoder = recipe.model.encoder
    assert encoder.architecture == {"model_type": "vit", "image_size": 32, "patch_size": 8}
    assert encoder.tap == -2, "what is beside it stays"
    text = "sizes: {debug: {model: {encoder: {architecture: {model_type: clip_vision_model, patch_size: 4}}}}}"
    merged = mine(tmp_path, text).model.encoder.architecture
    assert merged["patch_size"] == 4 and merged["hidden_size"] == 32, "of the same family it merges"


@pytest.mark.parametrize("size", ["debug", "small", "paper"])
def test_a_stage_that_is_null_is_left_out_in_all_sizes(tmp_path: Path, size: str) -> None:
    assert list(load_recipe("llava-1.5", size).stages) == ["align", "instruct"]
    assert list(mine(tmp_path, "stages: {align: null}", size).stages) == ["instruct"]
    below = write(tmp_path, "below", "base: llava-1.5\nname: below\nstages: {align: null}")
    above = write(tmp_path, "above", f"base: {below}\nname: above\nseed: 7")
    recipe = load_recipe(above, size)
    assert list(recipe.stages) == ["instruct"] and recipe.seed == 7


def test_a_new_stage_runs_before_those_that_it_is_written_before(tmp_path: Path) -> None:
    look = "look: {objective: {type: classification}, data: [{source: {type: playground, world: shapes}}], " \
        "learn: [{pattern: 'encoder.*', rate: 1}], batch: 2, steps: 1}"  # fmt: skip

    def order(stages: str) -> list[str]:
        return list(mine(tmp_path, f"stages: {{{stages}}}", "debug").stages)

    assert order(f"{look}, align: {{}}") == ["look", "align", "instruct"]
    assert order(f"{look}, instruct: {{}}") == ["align", "look", "instruct"]
    assert order(look) == order(f"instruct: {{}}, {look}") == ["align", "instruct", "look"]
    assert order(f"{look}, instruct: {{}}, align: {{}}") == ["align", "look", "instruct"]
    recipe = load_recipe("llava-1.5", "debug", [f"stages={{{look}, align: {{}}}}"])
    assert list(recipe.stages) == ["look", "align", "instruct"], "on the command line, too"


def test_a_stage_is_left_out_on_the_command_line() -> None:
    assert list(load_recipe("llava-1.5", "debug", ["stages.align=null"]).stages) == ["instruct"]
    with pytest.raises(BadInput, match=r"stages\.algn"):
        load_recipe("llava-1.5", "debug", ["stages.algn=null"])


@pytest.mark.parametrize("written", ["1e-6", "1e-06", "1E-6", "1.0e-6", "0.000001"])
def test_small_numbers_are_numbers_however_they_are_written(written: str, tmp_path: Path) -> None:
    """Where a field may hold anything, too: YAML 1.1 takes 1e-6 for a word."""
    path = tmp_path / "own.yaml"
    path.write_text(f"base: llava-1.5\nname: own\nmodel: {{encoder: {{architecture: {{layer_norm_eps: {written}}}}}}}\n")
    for recipe in (
        load_recipe(str(path), "paper", []),
        load_recipe("llava-1.5", "paper", [f"model.encoder.architecture.layer_norm_eps={written}"]),
    ):
        assert recipe.model.encoder is not None
        assert recipe.model.encoder.architecture["layer_norm_eps"] == 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.pretrain={epochs: 1, steps: null}", "expected steps and not epochs where weights of data move"),
        ("stages.pretrain.data.0.begins=0", "expected data with a weight above 0 when the stage begins"),
    ],
)
def test_weights_that_cannot_move_so(change: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_recipe("deepseek-vl-1.3b", "debug", [change])


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        ("vq-tokenizer", "model.image_tokenizer=null", "an encoder or a backbone, or else an image tokenizer by itself"),
        ("vq-tokenizer", "model.encoder={type: patches, patch: 8}", "an encoder or a backbone, or else an image tokenizer by itself"),
        ("vq-tokenizer", "model.resolution=null", "a resolution for what reads pictures"),
        ("encoder-small", "model.resolution=null", "a resolution for what reads pictures"),
    ],
)
def test_models_that_lack_something_or_have_too_much(recipe: str, change: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_recipe(recipe, "debug", [change])


def test_sizes_and_stages_of_a_base_can_be_left_out(tmp_path: Path) -> None:
    """A size for good, a stage at one size; whoever builds on that may have both again."""
    (tmp_path / "less.yaml").write_text(
        "base: llava-1.5\nname: less\nsizes: {paper: null, small: {stages: {align: null}}}\n"
    )
    less = str(tmp_path / "less.yaml")
    assert recipe_sizes(less) == ["debug", "small"]
    assert list(load_recipe(less, "small").stages) == ["instruct"]
    assert list(load_recipe(less, "debug").stages) == ["align", "instruct"]
    with pytest.raises(BadInput, match=r"expected a size that it has \(debug, small\), found paper"):
        load_recipe(less, "paper")
    (tmp_path / "again.yaml").write_text("base: less.yaml\nname: again\nsizes: {paper: {seed: 3}}\n")
    assert load_recipe(str(tmp_path / "again.yaml"), "paper").seed == 3
