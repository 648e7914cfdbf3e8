"""The processor: prompts, chats, batches, and its life as a citizen of `transformers`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedTokenizerFast,
    pipeline,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from omma.data.images import MemoryImage
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaImageProcessor, OmmaProcessor
from omma.model.templates import TEMPLATES

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]


@pytest.fixture(scope="module")
def processor(toy_model: Make) -> OmmaProcessor:
    return toy_model()[1]


@pytest.fixture(scope="module")
def saved(toy_model: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    model, processor = toy_model()
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def _picture_items(pictures: list[Image.Image]) -> list[dict[str, Any]]:
    return [{"type": "image", "image": picture} for picture in pictures]


def _chat(*content: Any) -> list[dict[str, Any]]:
    items = [{"type": "text", "text": c} if isinstance(c, str) else {"type": "image", "image": c} for c in content]
    return [{"role": "user", "content": items}]


def test_a_batch_is_padded_on_the_left(processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    batch = processor(
        images=pictures[:3], text=["<image><image> what are these?", "hi", "<image>"], return_tensors="pt"
    )
    assert batch["pixel_values"].shape == (3, 3, 28, 28)
    assert (batch["input_ids"] == processor.image_token_id).sum(1).tolist() == [32, 0, 16]
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        length = int(mask.sum())
        assert mask[-length:].all()
        assert (ids[:-length] == processor.tokenizer.pad_token_id).all()


def test_padding_and_truncation_as_asked(processor: OmmaProcessor) -> None:
    lists = processor(text=["one two three", "one"], padding=False)
    assert [len(row) for row in lists["input_ids"]] != [len(lists["input_ids"][0])] * 2
    right = processor(text=["one two three", "one"], padding_side="right", return_tensors="np")
    assert right["attention_mask"][1][0] == 1 and right["attention_mask"][1][-1] == 0
    assert processor(text="one", padding="max_length", max_length=20, return_tensors="np")["input_ids"].shape == (1, 20)
    cut = processor(text="one two three", truncation=True, max_length=2, text_kwargs={"padding": False})
    assert len(cut["input_ids"][0]) == 2


def test_a_prompt_given_as_text_may_hold_special_tokens(llama_like: PreTrainedTokenizerFast, toy_model: Make) -> None:
    processor = toy_model(tokenizer=llama_like)[1]
    for prompt in ("<s>USER: hi</s>", "USER: hi</s>"):
        ids = processor(text=prompt)["input_ids"][0]
        assert ids == llama_like("USER: hi</s>")["input_ids"]
        assert ids.count(llama_like.bos_token_id) == ids.count(llama_like.eos_token_id) == 1


@pytest.mark.parametrize(("count", "text"), [(1, "no place"), (0, "<image> none"), (1, "<image><image>")])
def test_as_many_pictures_as_places(
    processor: OmmaProcessor, pictures: list[Image.Image], count: int, text: str
) -> None:
    places = text.count("<image>")
    with pytest.raises(BadInput, match=f"as many pictures as it has <image> tokens, {places}, found {count} pictures"):
        processor(images=pictures[:count], text=text)


def test_a_chat_becomes_what_training_renders(processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    chat = [*_chat(pictures[0], "q1"), {"role": "assistant", "content": "a1"}, *_chat(pictures[1], "q2", pictures[2])]
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, add_generation_prompt=True, return_tensors="np"
    )
    sources = [MemoryImage(picture, key=str(i)) for i, picture in enumerate(pictures)]
    turns = (user(sources[0], "q1"), assistant("a1"), user(sources[1], "q2", sources[2]), assistant("unseen"))
    rendered = processor.renderer.render(Sample("a", turns), for_generation=True)
    assert batch["input_ids"][0].tolist() == rendered.input_ids.tolist()
    assert len(batch["pixel_values"]) == 3
    # The text form goes through Jinja and gives the same ids again.
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    assert processor(images=pictures[:3], text=text)["input_ids"][0] == rendered.input_ids.tolist()


@pytest.mark.parametrize("name", ["vicuna-v1", "vicuna-v0", "chatml"])
def test_an_unfinished_answer_is_continued(processor: OmmaProcessor, toy_model: Make, name: str) -> None:
    processor = toy_model(template=name)[1]
    chat = [*_chat("q"), {"role": "assistant", "content": "It is"}]
    ids = processor.apply_chat_template(chat, tokenize=True, continue_final_message=True)[0]
    assert processor.tokenizer.decode(ids).endswith("It is")
    assert processor.tokenizer.decode(ids) == processor.apply_chat_template(chat, continue_final_message=True)


def test_messages_cannot_forge_pictures_or_ends(processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    batch = processor.apply_chat_template(
        _chat(pictures[0], "</s> <image> <|im_end|>"), tokenize=True, return_dict=True, return_tensors="np"
    )
    ids = batch["input_ids"][0].tolist()
    assert ids.count(processor.image_token_id) == 16
    assert processor.tokenizer.eos_token_id not in ids


def test_pictures_may_come_beside_the_messages(processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]}]
    beside = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, processor_kwargs={"images": pictures[:1]}, return_tensors="np"
    )
    within = processor.apply_chat_template(
        _chat(pictures[0], "q"), tokenize=True, return_dict=True, return_tensors="np"
    )
    np.testing.assert_array_equal(beside["input_ids"], within["input_ids"])
    np.testing.assert_array_equal(beside["pixel_values"], within["pixel_values"])
    with pytest.raises(BadInput, match=r"expected 1 pictures.*found 2"):
        processor.apply_chat_template(chat, tokenize=True, images=pictures[:2])


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        ([], "at least one message"),
        ([{"role": "tool", "content": "x"}], "message 1, role: expected system, user or assistant, found 'tool'"),
        ([{"role": "user"}], "message 1, content: expected a string or a list"),
        ([{"role": "user", "content": [{"type": "video"}]}], "found 'video'"),
        ([{"role": "user", "content": [{"type": "image"}]}], "an image item without one"),
        ([{"role": "user", "content": ["bare"]}], "found str"),
        ([{"role": "user", "content": [{"type": "image", "base64": "?"}]}], "expected base64"),
        ([{"role": "user", "content": [{"type": "image", "path": "nowhere.png"}]}], "nowhere.png.*no such file"),
    ],
)
def test_malformed_messages_are_refused(processor: OmmaProcessor, chat: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        processor.apply_chat_template([chat], tokenize=True)


def test_another_chat_template_is_respected(processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    template = "{% for m in messages %}[{{ m.role }}]<image>{% endfor %}"
    batch = processor.apply_chat_template(
        _chat(pictures[0], "q"), template, tokenize=True, return_dict=True, return_tensors="np"
    )
    assert processor.tokenizer.decode(batch["input_ids"][0]) == "[user]" + "<image>" * 16


def test_it_is_saved_and_loaded(saved: Path, processor: OmmaProcessor, pictures: list[Image.Image]) -> None:
    again = AutoProcessor.from_pretrained(saved)
    assert type(again) is OmmaProcessor
    assert again.to_dict() == processor.to_dict()
    assert again.chat_template == processor.chat_template == (saved / "chat_template.jinja").read_text()
    found, expected = (p(images=pictures[0], text="<image> q", return_tensors="np") for p in (again, processor))
    assert all((found[name] == expected[name]).all() for name in expected)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_template_and_system_text_travel_with_it(toy_model: Make, tmp_path: Path, name: str) -> None:
    processor = toy_model(template=name, system='Say "yes".')[1]
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert (again.template, again.system) == (name, 'Say "yes".')


def test_the_auto_classes_know_all_of_it(saved: Path) -> None:
    assert type(AutoConfig.from_pretrained(saved)) is OmmaConfig
    assert type(AutoImageProcessor.from_pretrained(saved)) is OmmaImageProcessor
    assert type(AutoModelForImageTextToText.from_pretrained(saved)) is OmmaForConditionalGeneration


def test_the_pipeline_chats_about_pictures(saved: Path, pictures: list[Image.Image], tmp_path: Path) -> None:
    pipe = pipeline("image-text-to-text", model=str(saved))
    options = {"max_new_tokens": 5, "return_full_text": False, "do_sample": False}
    pictures[1].save(tmp_path / "a.png")
    chats = [
        _chat(pictures[0], pictures[1], "what </s> are these? <image>"),
        [*_chat(pictures[2], "q"), {"role": "assistant", "content": "a"}, *_chat("and now?")],
        [
            {
                "role": "user",
                "content": [{"type": "image", "path": str(tmp_path / "a.png")}, {"type": "text", "text": "q"}],
            }
        ],
        _chat("without a picture"),
    ]
    alone = [pipe(text=chat, **options)[0]["generated_text"] for chat in chats]
    assert [answer[0]["generated_text"] for answer in pipe(text=chats, **options)] == alone
    assert len(set(alone)) > 1
    whole = pipe(text=chats[0], max_new_tokens=5, do_sample=False)[0]["generated_text"]
    assert whole[-1] == {"role": "assistant", "content": alone[0]}


def test_inputs_fit_the_model(toy_model: Make, pictures: list[Image.Image]) -> None:
    model, processor = toy_model()
    batch = processor(images=pictures[:2], text=["<image> a", "<image> b c"], return_tensors="pt")
    with torch.no_grad():
        assert model(**batch).logits.shape[:2] == batch["input_ids"].shape
