"""What ships in the package: small enough, answers about pictures, goes to transformers, and is gone on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration
from typer.testing import CliRunner

from model.interop.agreement import AGREED, difference, same_answers
from omma.cli import app
from omma.data.playground import WORLDS
from omma.evaluation import evaluate, judged, playground_items, score
from omma.model.answering import ModelAnswerer
from omma.model.interop import export_transformers, import_transformers
from omma.model.loading import load_model
from omma.parts.weights import locate

PARTS = ("encoder-small", "lm-small")
CHAT = "llava-1.5-small"


def directory(name: str) -> Path:
    return Path(locate(f"zoo:{name}", where="test"))


def test_parts_are_below_30_megabytes_and_the_chat_model_below_20() -> None:
    def size(name: str) -> int:
        return sum(file.stat().st_size for file in directory(name).iterdir())

    assert sum(map(size, PARTS)) < 30e6
    assert size(CHAT) < 20e6
    for name in (*PARTS, CHAT):
        assert (directory(name) / "README.md").is_file()
        assert not any(file.suffix in (".bin", ".pt", ".pth", ".pkl") for file in directory(name).iterdir())


def test_the_chat_model_answers_about_pictures() -> None:
    items = playground_items(WORLDS.get("shapes", where="test").Config().build(), "fresh", 12)
    (cell,) = [c for c in score(judged(items, evaluate(ModelAnswerer.from_directory(directory(CHAT)), items))).cells if not c.kind]
    assert cell.accuracy.value > 0.75
    assert cell.blind is not None and cell.blind.value < 0.5


def test_the_chat_model_is_one_of_transformers_and_comes_back(tmp_path: Path) -> None:
    export_transformers(directory(CHAT), tmp_path / "llava")
    theirs = LlavaForConditionalGeneration.from_pretrained(tmp_path / "llava", dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(tmp_path / "llava")
    worlds = [WORLDS.get(name, where="test").Config().build() for name in ("shapes", "documents", "charts")]
    pictures: list[Image.Image] = [world.scene("fresh", 3).images[0].load() for world in worlds]
    prompts = ["USER: <image>\nhow many shapes are there? ASSISTANT:", "no picture", "USER: <image><image>\nwhat is it? ASSISTANT:"]
    assert difference(theirs, processor, directory(CHAT), pictures, prompts) <= AGREED
    assert same_answers(theirs, processor, directory(CHAT), pictures[:1], prompts[0])
    import_transformers(tmp_path / "llava", tmp_path / "again")
    (before, _), (after, _) = load_model(directory(CHAT)), load_model(tmp_path / "again")
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items())


def test_it_is_gone_on_from_with_pictures_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's way, at size small."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "images").mkdir(parents=True)
    records = []
    for number, color in enumerate(("red", "green", "blue", "orange")):
        Image.new("RGB", (90, 60), color).save(tmp_path / "data" / "images" / f"{number}.png")
        said = [{"from": "human", "value": "<image>\nwhat color is it?"}, {"from": "gpt", "value": color}]
        records.append({"id": str(number), "image": f"{number}.png", "conversations": said})
    for split in ("train", "test"):
        (tmp_path / "data" / f"{split}.json").write_text(json.dumps(records))
    short = ["stages.instruct.batch=4", "stages.instruct.epochs=2", "stages.instruct.precision=fp32"]
    for command in (["train", "finetune", *short], ["evaluate", "runs/finetune-small"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "runs" / "finetune-small" / "results.json").read_text())
    assert len(results["items"]) == 4
