"""What is put into the package: the encoder alone where it is asked for, and a card that tells the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModel

from omma.errors import BadInput
from omma.model.loading import load_model
from omma.model.saving import read_tensors
from omma.parts.base import validated
from omma.parts.tokenizers.saved import load_image_tokenizer
from omma.parts.weights import locate
from omma.recipe import Recipe, load_recipe
from omma.training.run import open_run, train
from omma.zoo.ship import card, main, save_encoder, save_whole
from toy_training import MODEL, toy_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    train(toy_recipe(), directory)
    return directory


def test_an_encoder_alone_is_a_model_of_transformers(run: Path, tmp_path: Path) -> None:
    save_encoder(run, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    trained = load_file(run / "model" / "encoder.safetensors")
    assert loaded
    for name, tensor in loaded.items():
        assert torch.equal(tensor, trained[f"encoder.model.{name}"].bfloat16().float()), name


def test_a_whole_model_ends_where_its_encoder_is_read(tmp_path: Path) -> None:
    recipe = toy_recipe(model={"encoder": MODEL["encoder"] | {"tap": -2}})
    train(recipe, tmp_path / "run")
    (tmp_path / "zoo").mkdir()
    save_whole(tmp_path / "run", tmp_path / "zoo")
    (model, processor), (shorter, _) = (load_model(tmp_path / name) for name in ("run/model", "zoo"))
    assert (len(model.encoder.model.encoder.layers), len(shorter.encoder.model.encoder.layers)) == (2, 1)
    messages = [{"role": "user", "content": [{"type": "image", "image": Image.new("RGB", (40, 30), "red")}]}]
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
    inputs = processor.apply_chat_template(messages, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())  # as it is shipped
        assert torch.equal(model(**inputs).logits, shorter(**inputs).logits)


def test_a_card_tells_the_run(run: Path) -> None:
    text = card(run, "toy", "It answers nothing (`make toy`).\n", size=12_345_678)
    assert text.startswith("# toy\n")
    assert "12.3 MB" in text and "It answers nothing (`make toy`)." in text
    recipe = toy_recipe()
    for name, stage in recipe.stages.items():
        assert f"| {name} | {stage.steps} | {stage.batch} | loss " in text
    assert recipe.to_yaml().strip() in text


def test_the_model_to_chat_with_is_what_the_demo_makes() -> None:
    shipped = (Path(locate("zoo:llava-1.5-small", where="model")) / "README.md").read_text(encoding="utf-8")
    made_by = shipped.partition("```yaml\n")[2].partition("```")[0]
    # Fields that recipes got since are not on the card: there they are what they are by default.
    assert validated(Recipe, yaml.safe_load(made_by), where="") == load_recipe("llava-1.5", "small")


def test_an_image_tokenizer_is_shipped_with_a_card(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")
    recipe = load_recipe("vq-tokenizer", "debug", ["stages.tokenize.precision=fp32"])
    train(recipe, tmp_path / "run")
    (tmp_path / "zoo").mkdir()
    save_whole(tmp_path / "run", tmp_path / "zoo")
    assert recipe.model.image_tokenizer is not None
    shipped, trained = (recipe.model.image_tokenizer.build() for _ in range(2))
    load_image_tokenizer(shipped, str(tmp_path / "zoo"))
    load_image_tokenizer(trained, str(tmp_path / "run" / "model"))
    for name, tensor in trained.state_dict().items():
        kept = tensor if name.startswith("quantizer.") else tensor.bfloat16().float()
        assert torch.equal(shipped.state_dict()[name], kept), name
    # The game with the discriminator begins after the first step: its losses are means over what there is.
    assert "discriminator" in card(tmp_path / "run", "toy", "", size=1)


def test_what_ships_already_is_not_shipped_again(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo = tmp_path / "zoo"
    shutil.copytree(locate("zoo:lm-small", where="test"), zoo / "lm-small")
    for module in ("omma.parts.weights", "omma.zoo.ship"):
        monkeypatch.setattr(f"{module}.zoo_directory", lambda: zoo)
    (tmp_path / "quality.txt").write_text("None.")
    main(run, "first", tmp_path / "quality.txt")
    whole = {file.name for file in (zoo / "first").glob("*.safetensors")}
    assert whole == {"encoder.safetensors", "projector.safetensors", "language_model.safetensors"}
    # Another one, with another projector.
    recipe = open_run(run)
    train(recipe.model_copy(update={"seed": 5}), tmp_path / "other")
    change(tmp_path / "other" / "model", run / "model")
    for _ in range(2):  # once more in the place of itself
        main(tmp_path / "other", "second", tmp_path / "quality.txt")
        assert {file.name for file in (zoo / "second").glob("*.safetensors")} == {"projector.safetensors"}
        assert {file.name for file in (zoo / "first").glob("*.safetensors")} == whole
    assert "`encoder.safetensors` is that of `zoo:first`" in (zoo / "second" / "README.md").read_text()
    (first, _), (second, _) = (load_model(zoo / name) for name in ("first", "second"))
    for name, tensor in second.state_dict().items():
        assert torch.equal(tensor, first.state_dict()[name]) != name.startswith("projector."), name
    assert read_tensors(zoo / "second").keys() == read_tensors(zoo / "first").keys()
    # Somewhere else such an index is one that nobody should trust.
    shutil.copytree(zoo, tmp_path / "copied")
    with pytest.raises(BadInput, match=r"found '\.\./first/encoder\.safetensors'; do not trust this checkpoint"):
        load_model(tmp_path / "copied" / "second")
    index = zoo / "second" / "model.safetensors.index.json"
    for name in ("../../first/encoder.safetensors", "/first/encoder.safetensors", "../first/README.md", "", "first/encoder.safetensors"):
        index.write_text(json.dumps({"weight_map": {"encoder.x": name}}))
        with pytest.raises(BadInput, match="do not trust this checkpoint"):
            load_model(zoo / "second")


def change(directory: Path, model: Path) -> None:
    """Let a run's model have all parts of another one but the projector."""
    for name in ("encoder.safetensors", "language_model.safetensors"):
        shutil.copy(model / name, directory / name)
