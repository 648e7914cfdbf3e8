"""Image tokenizers whose numbers are known beforehand: one that loses nothing, one that loses everything, and planted codes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from omma.commands.evaluate_reconstruction import codes_in_use
from omma.errors import BadInput
from omma.evaluation.drawing.codes import code_use
from omma.evaluation.reconstruction.features import Features
from omma.evaluation.reconstruction.measure import (
    SHOWN,
    Measured,
    held_out,
    measure,
    reads_exactly,
    scene_reading,
    world_fidelity,
)
from omma.parts.encoders import ENCODERS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS, ImageTokenizer
from omma.parts.tokenizers.base import NO_CODE
from toy_drawing import SCALES, SIGNS

pytest.importorskip("skimage", reason="scikit-image is not installed: pip install 'omma[draw]'")

RESOLUTION = RESOLUTIONS.parse({"type": "stretch-square", "size": 64}, where="test").build()


class Lossless(ImageTokenizer):
    """Every number of every pixel is a code."""

    vocabulary = 256
    normalization = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __init__(self) -> None:
        super().__init__(self.Config())
        self.nothing = nn.Parameter(torch.zeros(1))

    def read(self, views_NHW3: Tensor) -> Tensor:
        return views_NHW3.flatten(1).long()

    def paint(self, read: Tensor, size: tuple[int, int], seeds: Sequence[int]) -> Tensor:
        assert len(seeds) == len(read)
        return read.view(-1, size[1], size[0], 3).to(torch.uint8)


class White(Lossless):
    def paint(self, read: Tensor, size: tuple[int, int], seeds: Sequence[int]) -> Tensor:
        return torch.full((len(read), size[1], size[0], 3), 255, dtype=torch.uint8)


def measured(tokenizer: ImageTokenizer, worlds: list[str], count: int, features: Features | None = None) -> Measured:
    return measure(tokenizer, RESOLUTION, held_out(worlds, count, seed=0), batch=7, features=features)


def test_what_loses_nothing() -> None:
    found = measured(Lossless(), ["shapes", "digits"], 20)
    best = 10 * math.log10(255**2 * 64 * 64 * 3)
    shapes, digits = world_fidelity(found)
    assert (shapes.world, shapes.pictures, digits.world, digits.pictures) == ("shapes", 20, "digits", 20)
    for world in (shapes, digits):
        assert world.psnr.value == pytest.approx(best) and world.psnr.low == pytest.approx(best)
        assert world.ssim.value == pytest.approx(1) and world.frechet is None and world.kernel is None
    reading = scene_reading(found.pictures)
    assert reading is not None and reading.scenes == 20
    assert reading.originals.value == reading.painted.value >= 0.9
    assert reading.difference.value == 0 and reading.difference.low < 0 < reading.difference.high
    assert [len(part) for part in found.codes] == [7, 7, 7, 7, 7, 5] and found.pictures_per_second > 0


def test_what_loses_everything() -> None:
    found = measured(White(), ["shapes"], 30)
    reading = scene_reading(found.pictures)
    assert reading is not None and reading.painted.value == 0 and reading.difference.value == -reading.originals.value
    first = found.first["shapes"]
    assert [pair.picture.scene for pair in first] == list(range(SHOWN))
    error = np.mean((255.0 - first[3].original.astype(float)) ** 2)
    assert first[3].picture.psnr == pytest.approx(10 * math.log10(255**2 / error))
    assert np.array_equal(first[3].painted, np.full((64, 64, 3), 255))
    by_psnr = sorted(picture.psnr for picture in found.pictures)
    assert [pair.picture.psnr for pair in found.worst["shapes"]] == by_psnr[:SHOWN]
    (shapes,) = world_fidelity(found)
    assert shapes.psnr.value == pytest.approx(np.mean(by_psnr))
    assert by_psnr[0] <= shapes.psnr.low < shapes.psnr.value < shapes.psnr.high <= by_psnr[-1]


def test_worlds_that_are_not_read_back_say_nothing_of_scenes() -> None:
    assert scene_reading(measured(White(), ["digits"], 3).pictures) is None


def test_a_thing_too_many_and_one_too_few_are_seen() -> None:
    one, other = held_out(["shapes"], 2, seed=0)
    assert reads_exactly(one.image.load(), one.scene) and not reads_exactly(other.image.load(), one.scene)
    with_more = one.image.load()
    with_more.paste((218, 36, 40), (2, 2, 30, 30))
    assert not reads_exactly(with_more, one.scene)
    assert not reads_exactly(Image.new("RGB", (128, 128), "white"), one.scene)


def test_distances_are_in_the_features_of_the_network_that_is_named() -> None:
    architecture = {
        "model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "vision_use_head": False,
    }  # fmt: skip
    config = {"type": "transformers", "architecture": architecture, "cls": "none", "normalization": "half"}
    torch.manual_seed(0)
    features = Features(ENCODERS.parse(config, where="test").build())
    assert features.name == "random weights (siglip_vision_model), 16 features"
    assert features(np.zeros((3, 64, 64, 3), dtype=np.uint8)).shape == (3, 16)
    (same,), (apart,) = (world_fidelity(measured(one, ["shapes"], 20, features)) for one in (Lossless(), White()))
    assert same.frechet == pytest.approx(0, abs=1e-6) and apart.frechet is not None and apart.frechet > 0.1
    assert same.kernel is not None and apart.kernel is not None and apart.kernel > same.kernel
    with pytest.raises(BadInput, match=r"reconstruction\.network: expected an encoder of type transformers, found patches"):
        Features(ENCODERS.parse({"type": "patches", "patch": 8}, where="test").build())


def test_use_of_all_codes_and_of_every_scale() -> None:
    tokenizer = IMAGE_TOKENIZERS.parse(SCALES, where="test").build()
    codes = np.zeros((4, 85), dtype=np.int64)
    codes[:, 1:5] = [1, 2, 3, 4]
    codes[:, 21:] = np.arange(64) % 16
    whole, *scales = codes_in_use(tokenizer, [codes[:3], codes[3:]])
    assert [one.side for one in scales] == [1, 2, 4, 8] and whole.side is None
    assert [one.read for one in (whole, *scales)] == [340, 4, 16, 64, 256]
    assert [one.dead for one in (whole, *scales)] == [0, 15, 12, 15, 0]
    assert [one.perplexity for one in scales] == pytest.approx([1, 4, 1, 16])
    assert whole.perplexity == pytest.approx(code_use(codes, 16).perplexity) and whole.bits_in_balance is None


def test_bits_are_those_of_codes_that_are_made_of_bits_and_places_without_a_code_do_not_count() -> None:
    tokenizer = IMAGE_TOKENIZERS.parse(SIGNS, where="test").build()
    codes = np.array([[0, 1, NO_CODE], [0, 1, NO_CODE]])
    (use,) = codes_in_use(tokenizer, [codes])
    assert (use.read, use.used, use.dead) == (4, 2 / 64, 62) and use.bits_in_balance == pytest.approx(1 / 6)
    assert codes_in_use(tokenizer, []) == ()


def test_every_seed_has_its_own_scenes() -> None:
    indices = [{one.index for one in held_out(["shapes"], 5, seed=seed)} for seed in (0, 1)]
    assert indices == [set(range(5)), set(range(1_000_000, 1_000_005))]


@pytest.mark.parametrize(("world", "found"), [("language", "language"), ("shape", "'shape'")])
def test_worlds_that_cannot_be_painted(world: str, found: str) -> None:
    with pytest.raises(BadInput, match=rf"recipe field evaluation\.reconstruction\.worlds: expected .*found {found}"):
        held_out([world], 2, seed=0)
