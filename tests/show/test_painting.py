"""What pages say of pictures that are painted: numbers, maps, colours, and moments that are the picture's own."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from omma.evaluation.drawing.fidelity import psnr, ssim
from omma.parts.tokenizers import IMAGE_TOKENIZERS, ImageTokenizer
from omma.show.painting import _colors, painting_of, painting_page
from show.pages import Page
from toy_drawing import NETWORK, ONE_BOOK, SCALES, SIGNS

pytest.importorskip("skimage", reason="scikit-image is not installed: pip install 'omma[draw]'")
pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

KINDS = {"one book": ONE_BOOK, "scales": SCALES, "signs": SIGNS, "vectors": {"type": "kl-autoencoder", "network": NETWORK}}
SIZE = (16, 16)


def pixels(uri: str | None) -> np.ndarray:
    assert uri is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def made(kind: str) -> tuple[ImageTokenizer, torch.Tensor, Image.Image, Image.Image]:
    """A tokenizer, what it reads of noise, what it paints of that, and the noise."""
    torch.manual_seed(0)
    tokenizer = IMAGE_TOKENIZERS.parse(KINDS[kind], where="test").build().eval()
    views = torch.randint(0, 256, (1, 16, 16, 3), dtype=torch.uint8)
    read = tokenizer.read(views)
    return tokenizer, read, Image.fromarray(tokenizer.paint(read, SIZE, [0])[0].numpy()), Image.fromarray(views[0].numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_the_pictures(kind: str) -> None:
    tokenizer, read, painted, original = made(kind)
    one = painting_of(tokenizer, "noise", read, painted, original)
    assert (one.psnr, one.ssim) == (psnr(painted, original), ssim(painted, original))
    assert np.array_equal(pixels(one.original), np.asarray(original)) and np.array_equal(pixels(one.painted), np.asarray(painted))
    lost = 255 - np.clip(2 * np.abs(np.asarray(original, float) - np.asarray(painted, float)).mean(2), 0, 255)
    assert np.abs(pixels(one.lost)[:, :, 0] - lost).max() <= 1
    if kind == "vectors":
        assert (one.length, one.bits, one.different) == (64, None, None)
    else:
        assert one.length == (85 if kind == "scales" else 64) and one.different == len(np.unique(read.numpy()))
        assert one.bits == one.length * math.log2(tokenizer.vocabulary)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"scales"}))
def test_codes_are_where_they_are_in_the_picture(kind: str) -> None:
    tokenizer, read, painted, original = made(kind)
    one = painting_of(tokenizer, "noise", read, painted, original)
    assert one.map is not None and (one.map.rows, one.map.columns) == (8, 8) and not one.moments
    colors = pixels(one.map.picture)
    assert colors.shape == (8, 8, 3)
    if kind == "vectors":
        assert one.map.numbers == ()
        return
    assert one.map.numbers == tuple(map(tuple, read[0].view(8, 8).tolist()))
    # The same code has the same colour.
    by_code: dict[int, set[bytes]] = {}
    for code, color in zip(read[0].tolist(), colors.reshape(-1, 3), strict=True):
        by_code.setdefault(code, set()).add(color.tobytes())
    assert all(len(found) == 1 for found in by_code.values())


def test_scale_by_scale_up_to_the_whole() -> None:
    tokenizer, read, painted, original = made("scales")
    one = painting_of(tokenizer, "noise", read, painted, original)
    assert one.map is None and [moment.title for moment in one.moments] == ["1 × 1", "2 × 2", "4 × 4", "8 × 8"]
    bits = ["1 of 85 codes, 4 bits", "5 codes so far, 20 bits", "21 codes so far, 84 bits", "85 codes so far, 340 bits"]
    assert [moment.detail for moment in one.moments] == bits
    maps = [moment.map for moment in one.moments]
    assert [number for found in maps if found for row in found.numbers for number in row] == read[0].tolist()
    assert np.array_equal(pixels(one.moments[-1].painted), np.asarray(painted)) and one.moments[-1].psnr == one.psnr
    assert not np.array_equal(pixels(one.moments[0].painted), np.asarray(painted))
    drawn = painting_of(tokenizer, "a ring", read, painted)
    assert drawn.psnr is None and drawn.lost is None and all(moment.psnr is None for moment in drawn.moments)


def test_colours_are_near_where_vectors_are() -> None:
    vectors = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 0.0], [9.0, 1.0]])
    colors = _colors(vectors).astype(int)
    apart = np.abs(colors[:, None] - colors[None]).sum(2)
    assert apart[0, 1] < apart[2, 3] < apart[0, 2]
    assert colors[:, 2].tolist() == [140] * 4, "of two numbers there are two components"
    assert (_colors(torch.ones(3, 5)) == 140).all() and _colors(torch.ones(1, 1)).shape == (1, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_whole_and_say_what_is_random(kind: str) -> None:
    tokenizer, read, painted, original = made(kind)
    shown = [painting_of(tokenizer, "<noise>.png", read, painted, original), painting_of(tokenizer, "“a ring”", read, painted)]
    for untrained in (False, True):
        page = Page(painting_page("mine", "About.", "in words", shown, untrained=untrained))
        page.check_self_contained()
        assert ("Nothing has been learned" in page.text) == untrained
        assert "<noise>.png" in page.text and f"{shown[0].psnr:.1f}" in page.text and "“a ring”, drawn" in page.text
    assert ("Scale by scale" in page.text) == (kind == "scales")
    assert ("The map of its" in page.text) == (kind != "scales")
    drawn = Page(painting_page("mine", "", "in words", shown[1:], untrained=False))
    assert "How mine draws “a ring”" in drawn.text and "PSNR" not in drawn.text
