"""Views of different sizes, learned marks and text between them: the same vectors in training, chat and generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from omma.data.feature_cache import FeatureCache
from omma.data.images import MemoryImage
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.answering import ModelAnswerer
from omma.model.processing import OmmaProcessor, processor_of
from omma.model.views import place
from omma.objectives.base import OBJECTIVES
from omma.parts.base import PartConfig
from omma.parts.encoders import ENCODERS, Encoder
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.resolution import RESOLUTIONS, Plan, Resolution
from omma.parts.resolution.base import Canvas, View
from omma.parts.resolution.layout import Grid, MapTokens, Mark, Size, Text, ViewTokens, row_major
from toy_training import assert_close, gradients, step_of, toy_model


@RESOLUTIONS.register("test-uneven")
class Uneven(Resolution):
    """An overview of 14 x 7 pixels, behind it as many tiles of 7 x 14 as the picture is wide in tens."""

    marks = ("newline", "separator")

    class Config(PartConfig):
        pass

    def plan(self, width: int, height: int) -> Plan:
        tiles = max(1, width // 10)
        whole = (0, 0, width, height)
        return Plan(
            (width, height),
            (Canvas(whole, (14, 7), (14, 7)), Canvas(whole, (7 * tiles, 14), (7 * tiles, 14))),
            (View(0, (0, 0, 14, 7)), *(View(1, (7 * i, 0, 7 * i + 7, 14), (0, i)) for i in range(tiles))),
            (ViewTokens(0), Mark("separator"), Text(","), MapTokens(row_major(1, tiles, first=1), row_end="newline")),
        )


@ENCODERS.register("test-patches")
class Patches(Encoder):
    """Linear patches of 7 pixels, plus what cell they are of, so that a wrong order shows."""

    class Config(PartConfig):
        pass

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.width = 12
        self.mean, self.std = NORMALIZATIONS["half"]
        self.model = nn.Conv2d(3, 12, 7, 7)

    def grid(self, size: Size, branch: int = 0) -> Grid:
        return size[1] // 7, size[0] // 7

    def read(self, pixels_NCHW: Tensor, branch: int, cells_N2: Tensor) -> Tensor:
        return self(pixels_NCHW) + cells_N2.sum(1)[:, None, None].to(pixels_NCHW.dtype)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return self.model(pixels_NCHW).flatten(2).transpose(1, 2)


UNEVEN: dict[str, Any] = {"resolution": {"type": "test-uneven"}, "encoder": {"type": "test-patches"}}


def picture(width: int, seed: int) -> MemoryImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (16, width, 3), dtype=np.uint8)
    return MemoryImage(Image.fromarray(pixels), key=f"{width}/{seed}")


def talks() -> list[Sample]:
    a, b, c = picture(35, 0), picture(12, 1), picture(20, 2)
    return [
        Sample("one", (user(a, "what?"), assistant("red"))),
        Sample("two", (user(b, " and ", c, "which?"), assistant("the second"))),
        Sample("none", (user("hello"), assistant("hi"))),
    ]


@pytest.fixture
def model() -> Any:
    return toy_model(**UNEVEN)


@pytest.fixture
def processor(model: Any) -> OmmaProcessor:
    return processor_of(model.vlm.config, model.tokenizer)


def test_a_sequence_is_as_planned(model: Any) -> None:
    # 2 tokens of the overview, the separator; then 2 rows of 3 tiles of one token, each with its newline.
    assert model.runs_of((35, 16)) == (3, ",", 8)


@torch.no_grad()
def test_together_is_alone(model: Any, processor: OmmaProcessor) -> None:
    pictures = [picture(35, 0), picture(12, 1), picture(20, 2)]
    together = model.vlm.image_vectors(**processor.image_processor(pictures, return_tensors="pt"))
    alone = [model.vlm.image_vectors(**processor.image_processor([one], return_tensors="pt")) for one in pictures]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


@torch.no_grad()
def test_training_sees_what_chat_sees(model: Any, processor: OmmaProcessor) -> None:
    objective = OBJECTIVES.parse({"type": "language-modeling", "row_tokens": 512}, where="objective").build(model=model)
    batch = step_of(objective, talks()[:2]).micro_batches[0]
    trained = model.image_vectors({key: torch.from_numpy(a) if a.dtype.kind != "U" else a for key, a in batch.items()})
    order = [talks()[0].images, talks()[1].images]
    shown = [image for images in order for image in images]
    chatted = model.vlm.image_vectors(**processor.image_processor(shown, return_tensors="pt"))
    assert torch.allclose(trained.sort(0).values, chatted.sort(0).values, atol=1e-6)  # rows are packed in another order


def test_cached_is_uncached(model: Any, tmp_path: Path) -> None:
    objective = OBJECTIVES.parse({"type": "language-modeling", "row_tokens": 128}, where="objective").build(model=model)
    learn = "[!e]*"
    losses, found = gradients(model, objective, step_of(objective, talks()), learn=learn)
    model.feature_cache = FeatureCache(tmp_path, model.fingerprint(), 10**8)
    gradients(model, objective, step_of(objective, talks()[1:]), learn=learn)
    partly = step_of(objective, talks())
    assert {"pixels", "features"} <= set().union(*partly.micro_batches)
    again, cached = gradients(model, objective, partly, learn=learn)
    assert again == losses
    assert_close(found, cached, relative=0.0)
    assert any("projector.marks" in name for name in found), "marks learn with the projector"


def test_answers_alone_together_and_in_beams(model: Any, processor: OmmaProcessor) -> None:
    answerer = ModelAnswerer(model.vlm.eval(), processor, max_new_tokens=4, batch=4)
    prompts = [Sample(talk.id, talk.turns[:1]) for talk in talks()]
    assert answerer.answer(prompts) == [answerer.answer([prompt])[0] for prompt in prompts]
    texts = ["<image> what?", "<image> and <image> which?"]
    images = [image for talk in talks() for image in talk.images]
    inputs = processor(images=images, text=texts, return_tensors="pt")
    settings: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False}
    plain = model.vlm.generate(**inputs, **settings)
    cold = model.vlm.generate(
        **inputs, **{**settings, "do_sample": True}, temperature=1e-5, num_return_sequences=2
    )
    assert cold.tolist() == [row for row in plain.tolist() for _ in range(2)]


def test_a_saved_model_does_the_same(model: Any, processor: OmmaProcessor, tmp_path: Path) -> None:
    model.vlm.save_pretrained(tmp_path)
    again = type(model.vlm).from_pretrained(tmp_path)
    inputs = processor(images=[picture(35, 0)], text="<image> what?", return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(model.vlm.eval()(**inputs).logits, again.eval()(**inputs).logits, atol=1e-6)


def test_marks_stand_where_the_index_says() -> None:
    tokens, marks = torch.arange(6.0).view(3, 2), torch.full((2, 2), 9.0)
    found = place(tokens, marks, torch.tensor([2, -2, 0, -1]))
    assert found.tolist() == [[4.0, 5.0], [9.0, 9.0], [0.0, 1.0], [9.0, 9.0]]
    assert place(tokens, None, None) is tokens


def test_features_that_are_not_of_these_views_are_refused(model: Any) -> None:
    shapes = torch.tensor([[7, 14, -1, -1, 0]])
    with pytest.raises(ValueError, match="expected 2 features of 1 views, found 3"):
        model.vlm.image_vectors(features=torch.zeros(3, 12), view_shapes=shapes)




def test_views_for_two_encoders_need_two() -> None:
    with pytest.raises(BadInput, match="views for as many encoders as there are, 1, found two-branches, whose views are for 2"):
        toy_model(resolution={"type": "two-branches", "sizes": (32, 32), "fit": "pad"})
