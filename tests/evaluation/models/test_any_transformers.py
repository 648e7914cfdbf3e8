"""Any model of `transformers`: a batch answers as each alone, and omma's own directory answers as omma does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from omma.data.playground import WORLDS
from omma.data.sample import Sample
from omma.errors import BadInput
from omma.evaluation import playground_items, prompts
from omma.evaluation.models.any_transformers import TransformersModel
from omma.model.answering import ModelAnswerer
from omma.model.interop.exporting import export_transformers
from omma.model.processing import processor_of
from toy_training import toy_model


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = toy_model()
    assert built.vlm is not None
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in built.vlm.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("model")
    built.vlm.save_pretrained(folder)
    processor_of(built.vlm.config, built.tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def questions() -> list[Sample]:
    items = playground_items(WORLDS.get("shapes", where="world").Config().build(), "fresh", 3, questions_per_scene=3)
    return list(prompts(items, "sighted").values())


def test_omma_s_own_directory_answers_as_omma_does(directory: Path, questions: list[Sample]) -> None:
    expected = ModelAnswerer.from_directory(directory, max_new_tokens=5).answer(questions)
    found = TransformersModel(str(directory), max_new_tokens=5).answer(questions)
    assert found == expected
    for one, other in zip(found, expected, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)
        assert (one.prompt_tokens, one.tokens) == (other.prompt_tokens, other.tokens)


def test_another_architecture_alone_and_in_a_batch(directory: Path, questions: list[Sample], tmp_path: Path) -> None:
    export_transformers(directory, tmp_path / "llava")
    model = TransformersModel(str(tmp_path / "llava"), max_new_tokens=5, batch=4)
    together = model.answer(questions)
    assert together == [model.answer([question])[0] for question in questions]
    assert len({output.text for output in together}) > 2


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected an image-text-to-text model that transformers knows"):
        TransformersModel(str(tmp_path))
