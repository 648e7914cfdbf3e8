"""Drawing of a laid-out page: print, skew, then what a camera adds (uneven light, blur, noise)."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from omma.data.playground.documents_layouts import Page
from omma.data.playground.fonts import font

Color = tuple[int, int, int]

_BOLD_PAPERS: tuple[tuple[Color, Color], ...] = (
    ((178, 28, 34), (255, 250, 245)),
    ((18, 72, 150), (250, 252, 255)),
    ((10, 104, 62), (248, 255, 250)),
    ((250, 206, 40), (22, 20, 24)),
    ((242, 138, 40), (26, 16, 10)),
    ((92, 40, 120), (252, 246, 255)),
    ((30, 32, 38), (246, 240, 222)),
    ((26, 30, 58), (255, 226, 120)),
)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a page looks: colours, then the light, blur and noise of the photograph.

    Attributes:
        shade: how much darker the darkest edge of the picture is than the brightest, 0 to 1.
        shade_direction: of the darkening, as (x, y) with components in -1..1.
        blur: the radius in pixels; 0 leaves the picture sharp.
        noise: the standard deviation in grey levels.
        seed: of the noise.
    """

    paper: Color
    ink: Color
    shade: float
    shade_direction: tuple[float, float]
    blur: float
    noise: float
    seed: int


def finish(rng: random.Random, *, bold_share: float) -> Finish:
    """A random finish; with ``bold_share`` the paper is a strong colour, mostly with light print."""
    if rng.random() < bold_share:
        paper, ink = rng.choice(_BOLD_PAPERS)
    elif rng.random() < 0.12:
        paper, ink = (_tone(rng, 10, 70), _tone(rng, 215, 255))
    else:
        paper, ink = (_tone(rng, 205, 255), _tone(rng, 0, 85))
    return Finish(
        paper=paper,
        ink=ink,
        shade=rng.uniform(0.1, 0.35) if rng.random() < 0.35 else 0.0,
        shade_direction=(rng.uniform(-1, 1), rng.uniform(-1, 1)),
        blur=round(rng.uniform(0.3, 0.6), 2) if rng.random() < 0.2 else 0.0,
        noise=rng.uniform(2, 9) if rng.random() < 0.5 else 0.0,
        seed=rng.getrandbits(32),
    )


def _tone(rng: random.Random, low: int, high: int) -> Color:
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))


def draw_page(page: Page, look: Finish) -> Image.Image:
    """The page as an RGB picture of ``page.size``."""
    image = Image.new("RGB", page.size, look.paper)
    pen = ImageDraw.Draw(image)
    _draw_frame(pen, page, look.ink)
    for bar in page.bars:
        pen.rectangle(bar[:4], outline=look.ink, fill=None if bar.outline else look.ink)
    for word in page.words:
        pen.text((word.x, word.y), word.text, fill=look.ink, font=font(word.font, word.size), anchor="ls")
    if page.skew:
        image = image.rotate(page.skew, resample=Image.Resampling.BICUBIC, fillcolor=look.paper)
    if look.blur:
        image = image.filter(ImageFilter.GaussianBlur(look.blur))
    if look.shade or look.noise:
        image = _photographed(image, look)
    return image


def _draw_frame(pen: ImageDraw.ImageDraw, page: Page, ink: Color) -> None:
    width, height = page.size
    edge = (1, 1, width - 2, height - 2)
    if page.frame == "round":
        pen.rounded_rectangle(edge, radius=8, outline=ink, width=2)
    elif page.frame in ("line", "double"):
        pen.rectangle(edge, outline=ink)
        if page.frame == "double":
            pen.rectangle((3, 3, width - 4, height - 4), outline=ink)
    elif page.frame == "dashed":
        for x in range(1, width - 2, 6):
            pen.line((x, 1, x + 2, 1), fill=ink)
            pen.line((x, height - 2, x + 2, height - 2), fill=ink)
        for y in range(1, height - 2, 6):
            pen.line((1, y, 1, y + 2), fill=ink)
            pen.line((width - 2, y, width - 2, y + 2), fill=ink)


def _photographed(image: Image.Image, look: Finish) -> Image.Image:
    """The picture under uneven light and with sensor noise (the same in all three channels, as of a grey sensor)."""
    width, height = image.size
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    ramp = (look.shade_direction[0] * x[None, :] + look.shade_direction[1] * y[:, None]) / 2
    light = 1 - np.float32(look.shade) * (0.5 + 0.5 * ramp)
    pixels: np.ndarray = np.asarray(image, dtype=np.float32) * light[:, :, None]
    if look.noise:
        noise = np.random.default_rng(look.seed).standard_normal((height, width), dtype=np.float32)
        pixels += np.float32(look.noise) * noise[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
