"""Queries: learned vectors stand for the picture, and what the language model makes of all of them at once is what is painted.

`queries` is SEED-X's way (arXiv 2404.14396, section 3.2): the vectors that come out should be features of the picture.
`dream-queries` is DreamLLM's (2309.11499, section 3.2): nothing says what they should be; the painting network, which stays as it
is, has to be able to take noise off the picture when it is told them, and gradients reach the queries through it.

Shapes: as in `omma.parts.painters.base`; Q queries, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, Dice, Lesson, Sampling, Step, VectorPainter
from omma.parts.projectors import PROJECTORS, Projector
from omma.parts.projectors.linear import Linear
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.diffuser import Diffuser

NO_CELL = -1


def projected(output: Projector, count: int) -> int:
    """How many vectors a projector makes of so many."""
    rows, columns = output.grid((1, count))
    return rows * columns


def project(output: Projector, made_NQC: Tensor) -> Tensor:
    """Vectors [N, T, D] out of what a language model made of Q slots."""
    cells = torch.full((len(made_NQC), 2), NO_CELL, device=made_NQC.device)
    return output.project(made_NQC, (1, made_NQC.shape[1]), 0, cells)


def init_output(output: Projector) -> None:
    """Initialise a projector behind a language model as one before it is."""
    for module in output.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    output.init_weights()


class QueryPainter(VectorPainter):
    """The first slot announces the picture; behind it stand the queries."""

    class Config(VectorPainter.Config):
        queries: int = Field(default=64, ge=1)
        output: part_field(PROJECTORS) = Linear.Config()  # type: ignore[valid-type]
        """A projector, from what the language model makes of the queries to vectors."""

    def __init__(self, config: Config, *, tokenizer: Diffuser, length: int, width: int) -> None:
        super().__init__(config, tokenizer=tokenizer, width=width)
        self.slots = config.queries + 1
        self.queries = nn.Parameter(torch.empty(1, config.queries, width))
        self.output: Projector = config.output.build(d_in=width, d_out=tokenizer.width)
        self.codes = projected(self.output, config.queries)
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.trunc_normal_(self.queries, std=0.02)
        init_output(self.output)

    def blocks(self) -> Tensor:
        return torch.arange(self.slots)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        learned = torch.ones(len(start_NC), self.codes, dtype=torch.bool, device=start_NC.device)
        return Lesson(self._slots(start_NC), learned, dice.seeds())

    def vectors(self, hidden_NSC: Tensor) -> Tensor:
        """What is painted [N, T, D], out of what the language model makes of the slots."""
        return project(self.output, hidden_NSC[:, 1:].to(self.queries.dtype))

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step."""
        yield self.vectors(step(self._slots(start_BC)))

    def _slots(self, start: Tensor) -> Tensor:
        return torch.cat([start[:, None], self.queries.to(start.dtype).expand(len(start), -1, -1)], dim=1)


@PAINTERS.register("queries")
class FeatureQueries(QueryPainter):
    class Config(QueryPainter.Config):
        pass

    def __init__(self, config: Config, *, tokenizer: Diffuser, length: int, width: int) -> None:
        super().__init__(config, tokenizer=tokenizer, length=length, width=width)
        if self.codes != length:
            raise BadInput(
                "model.painter.queries",
                expected=f"as many vectors as the image tokenizer reads in a picture, {length}",
                found=str(self.codes),
                remedy="change it, or an output that makes another number of them",
            )

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean squared error [N]."""
        return (self.vectors(hidden_NSC).float() - read.float()).square().flatten(1).mean(1)


@PAINTERS.register("dream-queries")
class DreamQueries(QueryPainter):
    draws = "conditions"

    class Config(QueryPainter.Config):
        min_snr: float | None = Field(default=None, gt=0)
        """Bound of the signal-to-noise ratios that steps count in proportion to; all alike if absent."""

    def target(self, tokenizer: ImageTokenizer, views_NHW3: Tensor, told_NT: Tensor | None = None) -> Tensor:
        """What diffuses, without noise."""
        return self.tokenizer.whole(views_NHW3)

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean squared error [N] of the noise that the painting network finds in noisy pictures when it is told the vectors."""
        vectors = self.vectors(hidden_NSC)
        return self.tokenizer.denoising_losses(read, vectors, lesson.seeds, min_snr=self.config.min_snr)
