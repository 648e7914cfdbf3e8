"""Pictures to pixels for `transformers`: the same plans, cuts and colours as in training.

Its configuration is three part configs. Everything else (sizes, mean, standard deviation, tokens per picture) follows
from them, so it cannot disagree with the model.
"""

from __future__ import annotations

import base64
import binascii
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
from omma.model.pixels import normalize, views_uint8
from omma.parts.encoders import ENCODERS, Encoder
from omma.parts.projectors import PROJECTORS, Projector
from omma.parts.resolution import RESOLUTIONS, Resolution, count_tokens
from omma.parts.resolution.base import Size


class OmmaImageProcessor(BaseImageProcessor):
    """Cuts pictures as the model's resolution strategy says, and normalises them as its encoder wants.

    Args:
        resolution, encoder, projector: part configs as plain data, as in `OmmaConfig`.
    """

    model_input_names = ["pixel_values"]

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
        self._tokens: dict[Size, int] = {}

    @cached_property
    def _parts(self) -> tuple[Resolution, Encoder, Projector]:
        """The parts without weights: they are only asked for sizes."""
        resolution = RESOLUTIONS.parse(self.resolution or {}, where="resolution").build()
        with torch.device("meta"):
            encoder = ENCODERS.parse(self.encoder or {}, where="encoder").build()
            # Any width that the encoder has is fit to build a projector that is never run.
            projector = PROJECTORS.parse(self.projector or {}, where="projector").build(
                d_in=encoder.width, d_out=encoder.width
            )
        return resolution, encoder, projector

    def count_tokens(self, size: Size) -> int:
        """Tokens that a picture of (width, height) pixels takes in the prompt."""
        if size not in self._tokens:
            resolution, encoder, projector = self._parts
            self._tokens[size] = count_tokens(
                resolution.plan(*size), lambda view: projector.grid(encoder.grid(view.size))
            )
        return self._tokens[size]

    def preprocess(self, images: Any, *, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """Normalised pixels of all views of all pictures, in order.

        Args:
            images: one picture or lists of them, as deep as you like (see `picture`).

        Returns:
            ``pixel_values``: float32 [views, 3, height, width].

        Raises:
            BadInput: for a picture that cannot be read.
        """
        resolution, encoder, _ = self._parts
        views = [
            views_uint8(source, resolution.plan(*source.size), encoder.mean) for source in map(picture, flat(images))
        ]
        pixels = normalize(torch.from_numpy(np.concatenate(views)), encoder.mean, encoder.std)
        return BatchFeature({"pixel_values": pixels.numpy()}, tensor_type=return_tensors)

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
