"""Signal tokens (NExT-GPT, arXiv 2309.05519, section 3): a language model says a few of them where a picture belongs, and what
it makes of them is aligned with what a text model has of the text that asks for the picture. The diffusion network that paints,
and the text model that it is used to, stay as they are and take no part in training.

The token that announces a picture is the first signal.

Shapes: as in `omma.parts.painters.base`; D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, Dice, Lesson, Sampling, Step, VectorPainter
from omma.parts.painters.queries import init_output, project, projected
from omma.parts.projectors import PROJECTORS, Projector
from omma.parts.projectors.encoder_decoder import EncoderDecoder
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.text_diffusion import TextDiffusion


@PAINTERS.register("signals")
class Signals(VectorPainter):
    draws = "texts"

    class Config(VectorPainter.Config):
        signals: int = Field(default=4, ge=2)
        """How many, S."""
        output: part_field(PROJECTORS) = EncoderDecoder.Config()  # type: ignore[valid-type]
        """A projector, from what the language model makes of the signals to as many vectors as the text model has of a text."""

    def __init__(self, config: Config, *, tokenizer: TextDiffusion, length: int, width: int) -> None:
        super().__init__(config, tokenizer=tokenizer, width=width)
        self.slots = config.signals
        self.signals = nn.Parameter(torch.empty(1, config.signals - 1, width))
        self.output: Projector = config.output.build(d_in=width, d_out=tokenizer.width)
        self.codes = projected(self.output, config.signals)
        if self.codes != length:
            raise BadInput(
                "model.painter.output",
                expected=f"one that makes as many vectors as the text model has of a text, {length}",
                found=str(self.codes),
                remedy="change its queries, or the text model's tokens",
            )
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.trunc_normal_(self.signals, std=0.02)
        init_output(self.output)

    @torch.no_grad()
    def target(self, tokenizer: ImageTokenizer, views_NHW3: Tensor, told_NT: Tensor | None = None) -> Tensor:
        """What the text model has of what was asked for, [N, T, D]."""
        assert told_NT is not None
        return self.tokenizer.vectors(told_NT)  # type: ignore[attr-defined, no-any-return]

    def blocks(self) -> Tensor:
        return torch.arange(self.slots)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        learned = torch.ones(len(start_NC), self.codes, dtype=torch.bool, device=start_NC.device)
        return Lesson(self._slots(start_NC), learned)

    def vectors(self, hidden_NSC: Tensor, slots_NSC: Tensor) -> Tensor:
        """What is painted [N, T, D], out of the signals as they were read and what the language model made of them."""
        return project(self.output, (hidden_NSC + slots_NSC).to(self.signals.dtype))

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean Euclidean distance [N] of the vectors from those of the text."""
        return (self.vectors(hidden_NSC, lesson.slots).float() - read.float()).norm(dim=-1).mean(1)

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step."""
        slots = self._slots(start_BC)
        yield self.vectors(step(slots), slots)

    def _slots(self, start: Tensor) -> Tensor:
        return torch.cat([start[:, None], self.signals.to(start.dtype).expand(len(start), -1, -1)], dim=1)
