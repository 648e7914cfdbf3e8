"""Pictures to pixels for `transformers`: the same plans, cuts and colours as in training.

Its configuration is three part configs. Everything else (sizes, mean, standard deviation, tokens per picture) follows
from them, so it cannot disagree with the model.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import BaseImageProcessor, BatchFeature
from transformers.image_utils import load_image

from omma.data.images import BytesImage, FileImage, MemoryImage
from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.model.pixels import views_uint8
from omma.model.views import Arranger, joined_index, shapes_of
from omma.parts.encoders import ENCODERS
from omma.parts.pixels import normalize
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.resolution.base import Size

ANY_WIDTH = 8 * math.lcm(*range(1, 17))
"""A language model's width for a projector that is never run: numbers of heads and branches divide it."""


class OmmaImageProcessor(BaseImageProcessor):
    """Cuts pictures as the model's resolution strategy says, and normalises views as the encoder that reads them wants.

    Args:
        resolution, encoder, projector: part configs as plain data, as in `OmmaConfig`.
    """

    model_input_names = ["pixel_values", "view_shapes", "image_index"]

    def __init__(
        self,
        resolution: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        projector: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resolution = resolution
        self.encoder = encoder
        self.projector = projector

    @cached_property
    def arranger(self) -> Arranger:
        """How pictures are cut and ordered, by parts without weights: they are only asked for sizes."""
        resolution = RESOLUTIONS.parse(self.resolution or {}, where="resolution").build()
        with torch.device("meta"):
            encoder = ENCODERS.parse(self.encoder or {}, where="encoder").build()
            projector = PROJECTORS.parse(self.projector or {}, where="projector").build(
                d_in=encoder.width, d_out=ANY_WIDTH, marks=resolution.marks
            )
        return Arranger(resolution, encoder, projector)

    def runs_of(self, size: Size) -> tuple[int | str, ...]:
        """What a picture of (width, height) pixels is in the prompt: image tokens in a row, and text between them."""
        return self.arranger.of(size)[1].runs

    def preprocess(self, images: Any, *, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """Normalised pixels of all views of all pictures, in order.

        Args:
            images: one picture or lists of them, as deep as you like (see `picture`).

        Returns:
            ``pixel_values``: float32 [V, 3, height, width], and where views differ or are not simply put one after
            another, ``view_shapes`` [V, 5] and ``image_index`` [K] (see `OmmaForConditionalGeneration.image_vectors`).

        Raises:
            BadInput: for a picture that cannot be read.
        """
        normalizations = self.arranger.encoder.normalizations
        sources = [picture(image) for image in flat(images)]
        arranged = [self.arranger.of(source.size) for source in sources]
        shapes = np.concatenate([shapes_of(plan) for plan, _ in arranged])
        views = [
            view
            for source, (plan, _) in zip(sources, arranged, strict=True)
            for view in views_uint8(source, plan, normalizations)
        ]
        height, width = max(view.shape[0] for view in views), max(view.shape[1] for view in views)
        pixels = torch.zeros(len(views), 3, height, width)
        for number, view in enumerate(views):
            pixels[number, :, : view.shape[0], : view.shape[1]] = normalize(
                torch.from_numpy(view[None]), *normalizations[shapes[number, 4]]
            )[0]
        data = {"pixel_values": pixels.numpy()}
        if not self.arranger.resolution.is_plain:
            data["view_shapes"] = shapes
            data["image_index"] = joined_index([arrangement for _, arrangement in arranged])
        return BatchFeature(data, tensor_type=return_tensors)

    def to_dict(self) -> dict[str, Any]:
        return {
            "image_processor_type": type(self).__name__,
            "resolution": self.resolution,
            "encoder": self.encoder,
            "projector": self.projector,
        }


def flat(images: Any) -> Iterator[Any]:
    """Single pictures out of nested lists and tuples."""
    if isinstance(images, (list, tuple)):
        for image in images:
            yield from flat(image)
    else:
        yield images


def picture(image: Any) -> ImageSource:
    """A picture source from whatever people pass as one.

    Args:
        image: a source, a Pillow image, a path, an http(s) or data URL, encoded bytes, or uint8 [height, width, 3].

    Raises:
        BadInput: for anything else, or what cannot be read.
    """
    if isinstance(image, ImageSource):
        return image
    if isinstance(image, str):
        if image.startswith(("http://", "https://")):
            return _in_memory(load_image(image))
        if image.startswith("data:"):
            return encoded(image.partition(",")[2])
    if isinstance(image, (str, os.PathLike)):
        return FileImage(image)
    if isinstance(image, bytes):
        return BytesImage(image, name="a picture given as bytes")
    if isinstance(image, Image.Image):
        return _in_memory(image)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return _in_memory(Image.fromarray(image))
    raise BadInput(
        "picture",
        expected="a Pillow image, a path, a URL, encoded bytes or a uint8 array [height, width, 3]",
        found=f"{type(image).__name__} {getattr(image, 'shape', '')}".strip(),
        remedy="convert it",
    )


def encoded(text: str) -> ImageSource:
    """The picture that a base64 text holds. Raises BadInput if it is none."""
    try:
        return BytesImage(base64.b64decode(text, validate=True), name="a picture given as base64")
    except binascii.Error as error:
        raise BadInput(
            "picture", expected="base64", found=f"text that is none ({error})", remedy="encode the file's bytes"
        ) from None


def _in_memory(image: Image.Image) -> MemoryImage:
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception as error:  # a lazily opened file is decoded here, and decoders throw nearly anything
        raise BadInput(
            getattr(image, "filename", "") or "picture",
            expected="a picture that can be decoded",
            found=f"damaged data ({error})",
            remedy="fetch or export the picture again",
        ) from error
    return MemoryImage(upright, key=f"memory:{uuid.uuid4().hex}")
