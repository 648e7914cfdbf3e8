"""Pixels of the three square strategies against the image processors of `transformers`, and what may be a picture."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BaseImageProcessor
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from omma.data.images import FileImage
from omma.errors import BadInput
from omma.model import OmmaImageProcessor
from omma.model.interop.squares import from_transformers, to_transformers
from omma.parts.encoders.base import NORMALIZATIONS

ENCODER = {
    "type": "transformers",
    "architecture": {
        "model_type": "clip_vision_model",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
    },
}


def _ours(strategy: str, normalization: str = "clip") -> OmmaImageProcessor:
    encoder = ENCODER | {"normalization": normalization}
    return OmmaImageProcessor({"type": strategy, "size": 28}, encoder, {"type": "linear"})


def _theirs(settings: dict[str, Any], tmp_path: Path) -> BaseImageProcessor:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    return AutoImageProcessor.from_pretrained(tmp_path, backend="pil")


@pytest.mark.parametrize("strategy", ["crop-square", "pad-square", "stretch-square"])
@pytest.mark.parametrize("normalization", ["clip", "half"])
@pytest.mark.parametrize("size", [(40, 24), (17, 51), (28, 28), (1, 90), (333, 500), (29, 28)])
def test_pixels_equal_those_of_transformers(
    tmp_path: Path, strategy: str, normalization: str, size: tuple[int, int]
) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))
    settings = to_transformers(strategy, 28, *NORMALIZATIONS[normalization])
    expected = _theirs(settings, tmp_path)(picture, return_tensors="np")["pixel_values"]
    found = _ours(strategy, normalization)(picture, return_tensors="np")["pixel_values"]
    assert found.shape == expected.shape == (1, 3, 28, 28)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("strategy", ["crop-square", "pad-square", "stretch-square"])
@pytest.mark.parametrize("normalization", sorted(NORMALIZATIONS))
def test_settings_come_back_as_the_strategy_they_were(strategy: str, normalization: str) -> None:
    settings = to_transformers(strategy, 28, *NORMALIZATIONS[normalization])
    assert from_transformers(settings, where="here") == ({"type": strategy, "size": 28}, normalization)


def test_settings_of_old_checkpoints_hold_plain_numbers() -> None:
    mean, std = NORMALIZATIONS["clip"]
    old = {"size": 28, "crop_size": 28, "image_mean": list(mean), "image_std": list(std), "do_center_crop": True}
    assert from_transformers(old, where="here")[0] == {"type": "crop-square", "size": 28}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resample": 2}, "here, resample: expected 3, found 2"),
        ({"size": {"shortest_edge": 32}}, "here, size: expected a square"),
        ({"size": None}, "here, size"),
        ({"image_mean": [0.1, 0.2, 0.3]}, "image_mean and image_std: expected one of: clip"),
        ({"image_mean": "white"}, "image_mean and image_std"),
        ({"rescale_factor": 1.0}, "rescale_factor: expected 1/255"),
        ({"do_normalize": False}, "do_normalize: expected True"),
    ],
)
def test_settings_that_no_strategy_equals_are_refused(change: dict[str, Any], message: str) -> None:
    settings = to_transformers("crop-square", 28, *NORMALIZATIONS["clip"])
    with pytest.raises(BadInput, match=message):
        from_transformers(settings | change, where="here")


def test_every_form_of_a_picture_gives_the_same_pixels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    picture = Image.fromarray(array)
    picture.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    forms = [picture, array, data, url, str(tmp_path / "a.png"), tmp_path / "a.png", FileImage(tmp_path / "a.png")]
    pixels = _ours("pad-square")([forms[:2], forms[2:]], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (len(forms), 3, 28, 28) and pixels.dtype == torch.float32
    assert all(torch.equal(pixels[0], other) for other in pixels)


def test_a_picture_from_a_camera_is_set_upright() -> None:
    lying = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    lying.save(stream, "png", exif=exif)
    opened = Image.open(stream)
    ours = _ours("stretch-square")
    found = ours(opened, return_tensors="np")["pixel_values"]
    expected = ours(lying.transpose(Image.Transpose.ROTATE_270), return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [None, 3, np.zeros((4, 4)), "nowhere.png", b"text", "data:image/png;base64,%%%"])
def test_what_is_no_picture_is_refused(wrong: object) -> None:
    with pytest.raises(BadInput):
        _ours("pad-square")([wrong])


def test_a_damaged_file_opened_elsewhere_is_refused(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    opened = Image.open(io.BytesIO(whole[: len(whole) // 2]))
    with pytest.raises(BadInput, match=r"damaged|cannot be decoded"):
        _ours("pad-square")(opened)


def test_it_counts_what_the_encoder_and_projector_make() -> None:
    assert _ours("pad-square").runs_of((300, 20)) == (16,)
    keeps = OmmaImageProcessor({"type": "pad-square", "size": 28}, ENCODER | {"cls": "keep"}, {"type": "linear"})
    assert keeps.runs_of((300, 20)) == (17,)
