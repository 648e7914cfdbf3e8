"""Drawing with a finished model: pictures out of conversations.

What was said is read once, the slots of the picture behind it step by step; all pictures of a batch take their steps together.

Shapes: N pictures, B rows (N, or twice as many with guidance), L tokens, S slots, T codes, H model width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache

from omma.data.sample import ImageSource, Role, Sample, Turn
from omma.errors import BadInput
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import OmmaProcessor
from omma.parts.backbones.sides import SLOT
from omma.parts.painters import Painter
from omma.parts.painters.base import AS_LIKELY, Dice, Sampling
from omma.parts.resolution.base import Size
from omma.parts.tokenizers import ImageTokenizer


class PictureDrawer:
    """Draws what conversations ask for.

    Args:
        model, processor: as `omma.model.loading.load_model` gives them.
        batch: most pictures that are drawn at a time.

    Raises:
        BadInput: for a model that does not draw.
    """

    def __init__(self, model: OmmaForConditionalGeneration, processor: OmmaProcessor, *, batch: int = 16) -> None:
        if model.painter is None or model.image_tokenizer is None:
            raise BadInput(
                "model",
                expected="one that draws, with a painter and an image tokenizer",
                found="one that only reads",
                remedy="train a recipe that has both, such as var",
            )
        self.model, self.processor, self.batch = model.eval(), processor, batch
        self.painter: Painter = model.painter
        self.way = self.painter.config.type
        self.tokenizer: ImageTokenizer = model.image_tokenizer

    def draw(
        self,
        conversations: Sequence[Sequence[Turn]],
        *,
        seeds: Sequence[int],
        sampling: Sampling = AS_LIKELY,
        watch: Callable[[int, Tensor], None] = lambda first, codes: None,
    ) -> list[Image.Image]:
        """One picture for each conversation.

        Args:
            conversations: whose last turn is the user's, or the assistant's up to the picture.
            seeds: one for each. The same seed gives the same codes, whatever is drawn beside them.
            watch: called after every step with the number of the batch's first picture and the codes [N, 0 to T] so far.

        Raises:
            BadInput: for a conversation that asks for nothing or is too long, or a picture in it that cannot be read.
        """
        return drawn_in_batches(self, conversations, seeds, sampling, watch)

    @torch.inference_mode()
    def codes(
        self, conversations: Sequence[Sequence[Turn]], *, seeds: Sequence[int], sampling: Sampling = AS_LIKELY
    ) -> Iterator[Tensor]:
        """As `draw`, for one batch: after every step the codes [N, 0 to T] that are settled, in the end all of them."""
        asked = [_opened(turns) for turns in conversations]
        sampling = self.painter.usable(sampling)
        renderer, slots = self.processor.renderer, self.painter.slots
        grid = self.painter.grid
        rows = [renderer.render_canvas(turns, slots, grid).input_ids for turns in asked]
        images = [image for turns in asked for image in Sample("prompt", turns).images]
        if sampling.guidance:
            rows += [renderer.render_unasked(turns, slots, grid).input_ids for turns in asked]
        reading = _Reading(self.model, self.processor, rows, images)
        announced = torch.full((len(rows),), self.model.config.announcing_token_id, device=self.model.device)
        start = self.model.get_input_embeddings()(announced)
        yield from self.painter.draw(reading, start, sampling, Dice(seeds))


def drawn_in_batches(
    drawer: Any, asked: Sequence[Any], seeds: Sequence[int], sampling: Sampling, watch: Callable[[int, Tensor], None]
) -> list[Image.Image]:
    """The pictures that a drawer (`omma.model.emerging.Drawer`) makes of all that is asked for, its batch at a time."""
    pictures: list[Image.Image] = []
    for first in range(0, len(asked), drawer.batch):
        part = slice(first, first + drawer.batch)
        codes = torch.empty(0)
        for codes in drawer.codes(asked[part], seeds=seeds[part], sampling=sampling):
            watch(first, codes)
        pictures += painted_pictures(drawer.tokenizer, drawer.painter.size, codes, seeds[part])
    return pictures


@torch.inference_mode()
def painted_pictures(tokenizer: ImageTokenizer, size: Size, read: Tensor, seeds: Sequence[int]) -> list[Image.Image]:
    """Pictures of that size, out of what was drawn."""
    return [Image.fromarray(view) for view in tokenizer.paint(read, size, seeds).cpu().numpy()]


def _opened(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """A conversation in which the assistant has begun to answer."""
    if not turns or not any(turn.text.strip() or Sample("prompt", (turn,)).images for turn in turns):
        raise BadInput("prompt", expected="what is to be drawn, in words", found="nothing", remedy="say what to draw")
    return tuple(turns) if turns[-1].role is Role.ASSISTANT else (*turns, Turn(Role.ASSISTANT, ()))


class _Reading:
    """Conversations that have been read, and what reads on (an `omma.parts.painters.base.Step`)."""

    def __init__(
        self,
        model: OmmaForConditionalGeneration,
        processor: OmmaProcessor,
        rendered: Sequence[np.ndarray],
        images: Sequence[ImageSource],
    ) -> None:
        assert model.painter is not None
        self.model, self.painter = model, model.painter
        slots = self.painter.slots
        limit = getattr(model.config.text_config, "max_position_embeddings", None)
        longest = max(map(len, rendered))
        if limit is not None and longest > limit:
            raise BadInput(
                "prompt",
                expected=f"at most {limit - slots} tokens beside the {slots} of the picture",
                found=str(longest - slots),
                remedy="say it in fewer words",
            )
        self.length = length = longest - slots
        ids = np.stack([np.pad(row[:-slots], (longest - len(row), 0)) for row in rendered])
        padding = np.array([longest - len(row) for row in rendered])
        device = model.device
        self.real = torch.arange(length, device=device) >= torch.from_numpy(padding).to(device)[:, None]
        self.cache = DynamicCache()
        shown = processor.image_processor(images, return_tensors="pt").to(device) if images else {}
        input_ids = torch.from_numpy(ids).to(device)
        self.ids = input_ids
        model(
            input_ids=input_ids,
            attention_mask=self.real.long(),
            position_ids=(self.real.long().cumsum(1) - 1).clamp(min=0),
            past_key_values=self.cache,
            logits_to_keep=1,
            **shown,
        )

    def __call__(self, slots_BSC: Tensor, *, keep: bool = True) -> Tensor:
        model, (rows, count, _) = self.model, slots_BSC.shape
        among = self.painter.seen_among(self.real.shape[1] - self.length, count).to(self.real.device)
        seen = torch.cat([self.real[:, None].expand(-1, count, -1), among.expand(rows, -1, -1)], dim=2)
        positions = self.real.sum(1, keepdim=True) + torch.arange(count, device=seen.device)
        ids, real = torch.full_like(positions, SLOT), torch.cat([self.real, self.real.new_ones(rows, count)], dim=1)
        with model.routing(ids, before_BP=self.ids, real_BS=real):
            hidden: Tensor = model.get_decoder()(
                inputs_embeds=slots_BSC.to(model.dtype),
                attention_mask=seen[:, None],
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
            ).last_hidden_state
        if keep:
            self.real, self.ids = real, torch.cat([self.ids, ids], dim=1)
        else:
            self.cache.crop(-count)
        return hidden
