"""The model as lmms-eval calls it."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from omma.data.images import MemoryImage
from omma.data.sample import Sample, user
from omma.model.answering import ModelAnswerer
from omma.model.loading import model_directory

pytest.importorskip("lmms_eval", reason="lmms-eval is not installed (pip install lmms-eval)")


def test_lmms_eval_finds_the_model_by_name() -> None:
    from lmms_eval.models import get_model
    from lmms_eval.models.registry_v2 import ModelRegistryV2

    from omma.lmms_eval import manifest
    from omma.lmms_eval.chat import OmmaChat

    registry = ModelRegistryV2()
    registry.register_manifest(manifest())
    assert registry.get_model_class("omma") is OmmaChat
    assert get_model("omma") is OmmaChat, "by its entry point"


def test_answers_are_those_of_the_model_itself() -> None:
    from lmms_eval.api.instance import Instance

    from omma.lmms_eval.chat import OmmaChat

    docs = [
        {"picture": Image.new("RGB", (128, 128), color), "question": question}
        for color in ("red", "navy")
        for question in ("How many objects are there?", "What color is the background?")
    ]

    def messages(doc: dict[str, Any]) -> list[dict[str, Any]]:
        picture, words = {"type": "image", "url": doc["picture"]}, {"type": "text", "text": doc["question"]}
        return [{"role": "user", "content": [picture, words]}]

    model = OmmaChat.create_from_arg_string("model=zoo:llava-1.5-small", {"batch_size": "2", "device": "cpu"})
    model.task_dict["toy"] = {"test": docs}
    settings: list[dict[str, Any]] = [{"max_new_tokens": 8, "temperature": 0}, {"max_new_tokens": 1}]
    asked = [
        Instance("generate_until", ("", messages, settings[number % 2], number, "toy", "test"), 0, {"task": "toy", "doc_id": number, "repeats": 1})
        for number in range(len(docs))
    ]
    found = model.generate_until(asked)
    answerer = ModelAnswerer.from_directory(model_directory("zoo:llava-1.5-small"))
    for number, (doc, result) in enumerate(zip(docs, found, strict=True)):
        answerer.max_new_tokens = settings[number % 2]["max_new_tokens"]
        image = MemoryImage(doc["picture"], f"alone/{number}")
        (alone,) = answerer.answer([Sample("alone", (user(image, f"\n{doc['question']}"),))])
        assert result.text == alone.text
        assert (result.token_counts.input_tokens, result.token_counts.output_tokens) == (alone.prompt_tokens, alone.tokens)
    with pytest.raises(NotImplementedError, match="generate_until"):
        model.loglikelihood(asked)
