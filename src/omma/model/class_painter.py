"""Models that draw classes: a Transformer, a painter and an image tokenizer, saved, loaded and asked.

Shapes: N pictures, T codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import DynamicCache

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.drawing import drawn_in_batches
from omma.model.drawing_parts import drawing_parts
from omma.model.interop.weights import read_json
from omma.parts.backbones import BACKBONES
from omma.parts.base import Registry
from omma.parts.painters import PAINTERS
from omma.parts.painters.base import AS_LIKELY, Dice, Sampling
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.weights import plain_architecture

MODEL_TYPE = "omma_class_painter"
SLOTS: dict[str, Registry[Any]] = {"backbone": BACKBONES, "image_tokenizer": IMAGE_TOKENIZERS, "painter": PAINTERS}


def write_config(model: Composition, directory: Path) -> None:
    """Say in config.json what a model is made of."""
    assert model.language_model is not None and model.image_tokenizer is not None and model.painter is not None
    config = {
        "model_type": MODEL_TYPE,
        "backbone": {"type": "classes", "architecture": plain_architecture(model.language_model.config)},
        "image_tokenizer": model.image_tokenizer.config.spelled_out(),
        "painter": model.painter.config.to_dict(),
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def is_class_painter(directory: Path) -> bool:
    return read_json(directory / "config.json").get("model_type") == MODEL_TYPE


def load_class_painter(directory: Path) -> Composition:
    """A saved model that draws classes, in float32.

    Raises:
        BadInput: if files are missing or broken, or do not belong together.
    """
    from omma.model.saving import load_parts

    data = read_json(directory / "config.json")
    where = str(directory / "config.json")
    parts = {slot: registry.parse(data.get(slot, {}), where=f"{where}, {slot}") for slot, registry in SLOTS.items()}
    trunk = parts["backbone"].build().causal_lm()
    tokenizer, painter = drawing_parts(parts["image_tokenizer"], parts["painter"], trunk)
    model = Composition(language_model=trunk, image_tokenizer=tokenizer, painter=painter)
    load_parts(model, directory)
    return model.eval()


class ClassDrawer:
    """Draws classes by their numbers.

    Args:
        batch: most pictures that are drawn at a time.
    """

    def __init__(self, model: Composition, *, batch: int = 16) -> None:
        assert model.language_model is not None and model.painter is not None and model.image_tokenizer is not None
        self.model, self.batch = model.eval(), batch
        self.trunk: nn.Module = model.language_model
        self.painter, self.tokenizer = model.painter, model.image_tokenizer
        self.way = self.painter.config.type

    @property
    def classes(self) -> int:
        """How many there are; one more row of the table is for none in particular."""
        return int(self.model.language_model.config.vocab_size) - 1  # type: ignore[union-attr]

    def draw(
        self,
        classes: Sequence[int],
        *,
        seeds: Sequence[int],
        sampling: Sampling = AS_LIKELY,
        watch: Callable[[int, Tensor], None] = lambda first, codes: None,
    ) -> list[Image.Image]:
        """One picture for each class. Arguments as those of `omma.model.drawing.PictureDrawer.draw`.

        Raises:
            BadInput: for a class that there is not.
        """
        return drawn_in_batches(self, classes, seeds, sampling, watch)

    @torch.inference_mode()
    def codes(self, classes: Sequence[int], *, seeds: Sequence[int], sampling: Sampling = AS_LIKELY) -> Iterator[Tensor]:
        """As `draw`, for one batch: after every step the codes that are settled, in the end all of them."""
        for number in classes:
            if not 0 <= number < self.classes:
                raise BadInput(
                    "class", expected=f"a number from 0 to {self.classes - 1}", found=str(number), remedy="choose one of these"
                )
        sampling = self.painter.usable(sampling)
        rows = [*classes, *([self.classes] * len(classes) if sampling.guidance else [])]
        start: Tensor = self.trunk.embed_tokens(torch.tensor(rows, device=self.model.device))  # type: ignore[operator]
        cache = DynamicCache()

        def step(slots_BSC: Tensor, *, keep: bool = True) -> Tensor:
            # Without anything before them, slots that nobody sees later need no cache.
            known, count = cache.get_seq_length() if keep else 0, slots_BSC.shape[1]
            among = self.painter.seen_among(known, count).to(start.device)
            allowed = None if bool(among.all()) else torch.cat([among.new_ones(count, known), among], dim=1)[None, None]
            hidden: Tensor = self.trunk(slots_BSC, start, allowed, cache if keep else None)
            return hidden

        yield from self.painter.draw(step, start, sampling, Dice(seeds))
