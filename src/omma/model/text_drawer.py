"""Drawing without a language model: an image tokenizer that paints what texts say, asked in words.

Shapes: N pictures, T vectors of D numbers each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from omma.data.sample import Sample, Turn
from omma.errors import BadInput
from omma.model.drawing import drawn_in_batches
from omma.parts.painters.base import AS_LIKELY, Sampling
from omma.parts.resolution.base import Size
from omma.parts.tokenizers.text_diffusion import TextDiffusion


@dataclass(frozen=True, slots=True)
class AsTold:
    """What stands in a painter's place: nothing draws vectors, they are the text model's own.

    Attributes:
        codes: vectors of a text, T.
        size: (width, height) of what is painted.
    """

    codes: int
    size: Size

    def usable(self, sampling: Sampling) -> Sampling:
        """Guidance is the tokenizer's own."""
        return replace(sampling, guidance=0.0)


class TextDrawer:
    """Draws what texts ask for.

    Args:
        tokenizer: which is told texts.
        batch: most pictures that are drawn at a time.
    """

    def __init__(self, tokenizer: TextDiffusion, *, batch: int = 16) -> None:
        self.model = self.tokenizer = tokenizer.eval()
        self.batch, self.way = batch, tokenizer.config.type
        self.painter = AsTold(tokenizer.config.text.tokens, tokenizer.usual_size)
        self._words = tokenizer.config.text.words()

    def draw(
        self,
        conversations: Sequence[Sequence[Turn]],
        *,
        seeds: Sequence[int],
        sampling: Sampling = AS_LIKELY,
        watch: Callable[[int, Tensor], None] = lambda first, codes: None,
    ) -> list[Image.Image]:
        """One picture for each conversation. Arguments as those of `omma.model.drawing.PictureDrawer.draw`.

        Raises:
            BadInput: for a conversation that asks for nothing, or shows a picture.
        """
        return drawn_in_batches(self, conversations, seeds, sampling, watch)

    @torch.inference_mode()
    def codes(
        self, conversations: Sequence[Sequence[Turn]], *, seeds: Sequence[int], sampling: Sampling = AS_LIKELY
    ) -> Iterator[Tensor]:
        """The vectors [N, T, D] of what the conversations ask for, at one go."""
        samples = [Sample("prompt", tuple(turns)) for turns in conversations]
        for sample in samples:
            if sample.images:
                raise BadInput(
                    "prompt",
                    expected=f"words alone, for {self.way}, which sees no pictures",
                    found=f"{len(sample.images)} of them",
                    remedy="leave them out, or name a model that reads",
                )
            if not sample.asked:
                raise BadInput("prompt", expected="what is to be drawn, in words", found="nothing", remedy="say what to draw")
        ids = torch.stack([torch.from_numpy(self._words(sample.asked)) for sample in samples])
        yield self.tokenizer.vectors(ids.to(next(self.tokenizer.parameters()).device))
