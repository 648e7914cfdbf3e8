"""Regression of visual embeddings: one vector after another, each as the language model would have it (Emu2, arXiv 2312.13286,
section 2; Emu, 2307.05222).

Every slot holds the vector before its own, brought to the language model's width; what the model makes of a slot is brought
back, and should be the vector itself. What is drawn goes to a decoder that paints such vectors. Nothing is drawn at random: how
pictures of the same words differ is the decoder's affair, and so is guidance.

Shapes: as in `omma.parts.painters.base`; D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from omma.parts.painters.base import PAINTERS, Dice, Lesson, Sampling, Step, VectorPainter
from omma.parts.tokenizers.diffuser import Diffuser


@PAINTERS.register("regression")
class Regression(VectorPainter):
    class Config(VectorPainter.Config):
        pass

    def __init__(self, config: Config, *, tokenizer: Diffuser, length: int, width: int) -> None:
        super().__init__(config, tokenizer=tokenizer, width=width)
        self.codes = self.slots = length
        numbers = tokenizer.width
        self.up, self.down = nn.Linear(numbers, width, bias=False), nn.Linear(width, numbers, bias=False)
        self.init_weights()

    def init_weights(self) -> None:
        for layer in (self.up, self.down):
            nn.init.trunc_normal_(layer.weight, std=0.02)

    def blocks(self) -> Tensor:
        return torch.arange(self.slots)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        slots = torch.cat([start_NC[:, None], self._up(read[:, :-1], start_NC)], dim=1)
        return Lesson(slots, torch.ones(read.shape[:2], dtype=torch.bool, device=read.device))

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean squared error [N]."""
        return (self.down(hidden_NSC).float() - read.float()).square().flatten(1).mean(1)

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step for each vector."""
        slot = start_BC[:, None]
        drawn: list[Tensor] = []
        for _ in range(self.slots):
            drawn.append(self.down(step(slot)))
            yield torch.cat(drawn, dim=1)
            slot = self._up(drawn[-1], start_BC)

    def _up(self, vectors: Tensor, like: Tensor) -> Tensor:
        return self.up(vectors.to(self.up.weight.dtype)).to(like.dtype)  # type: ignore[no-any-return]
