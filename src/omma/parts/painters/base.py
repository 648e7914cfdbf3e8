"""Painters: what stands between a Transformer and an image tokenizer, and draws with them.

A picture takes so many *slots* in the sequence, of which the first begins with what announces it. While it is learned, all of
them are filled at once with what was there before (`Painter.lesson`), and `AttentionPlan` says which slots see which
(`Painter.blocks`). Drawing fills them in as many steps as the way of drawing takes. A picture's slots are the last of their
sequence: what is said afterwards reads the picture as any other one.

Shapes: N pictures, T codes, S slots, C width of the Transformer, V codes that there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TopKLogitsWarper, TopPLogitsWarper

from omma.errors import BadInput
from omma.parts.base import Part, PartConfig, Registry, part_field
from omma.parts.painters.announcement import Announcement
from omma.parts.painters.heads import CodeHead, Pick
from omma.parts.quantizers.base import Quantizer
from omma.parts.resolution import RESOLUTIONS, Resolution
from omma.parts.resolution.base import Grid
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.diffuser import Diffuser


class Step(Protocol):
    """A Transformer with all that it saw before in its cache."""

    def __call__(self, slots_BSC: Tensor, *, keep: bool = True) -> Tensor:
        """What it makes of the next slots, [B, slots, C].

        Args:
            keep: whether later slots see these.
        """


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn from their probabilities.

    Attributes:
        guidance: strength of classifier-free guidance (arXiv 2207.12598): (1 + guidance) times the logits of what is asked for,
            less guidance times those without; 0 for none.
        temperature: by which logits are divided.
        top_k: of so many of the likeliest codes; all if 0. It comes before `top_p`.
        top_p: of the likeliest codes that together have this probability.
    """

    guidance: float = 0.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        legal = {
            "guidance": (self.guidance >= 0, "0 or more"),
            "temperature": (self.temperature > 0, "above 0"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0, and 1 at most"),
        }
        for name, (fine, expected) in legal.items():
            if not fine:
                raise BadInput(name, expected=expected, found=f"{getattr(self, name):g}", remedy="change it")

    def filtered(self, logits: Tensor) -> Tensor:
        """Logits [..., V] with those of codes that are not drawn at minus infinity."""
        flat = logits.flatten(0, -2) / self.temperature
        if self.top_k:
            flat = TopKLogitsWarper(self.top_k)(None, flat)  # type: ignore[arg-type]
        if self.top_p < 1:
            flat = TopPLogitsWarper(self.top_p)(None, flat)  # type: ignore[arg-type]
        return flat.view_as(logits)


AS_LIKELY = Sampling()
"""Every code as often as it is likely."""


class Dice:
    """Random numbers for pictures, each with a seed of its own: no picture depends on which are drawn beside it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __len__(self) -> int:
        return len(self.generators)

    def uniform(self, *shape: int) -> Tensor:
        """[N, *shape], from 0 to 1."""
        return torch.stack([torch.rand(shape, generator=generator) for generator in self.generators])

    def gumbel(self, *shape: int) -> Tensor:
        """[N, *shape] of the standard Gumbel distribution."""
        exponential = [torch.empty(shape).exponential_(generator=generator) for generator in self.generators]
        return -torch.stack(exponential).log()

    def seeds(self) -> tuple[int, ...]:
        """A seed for each picture."""
        return tuple(int(torch.randint(2**62, (), generator=generator)) for generator in self.generators)

    def choose(self, logits_NTV: Tensor) -> Tensor:
        """Numbers [N, T], each with its probability: the Gumbel-max trick."""
        noise = self.gumbel(*logits_NTV.shape[1:])
        return (logits_NTV.float() + noise.to(logits_NTV.device)).argmax(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Pictures as they are learned.

    Attributes:
        slots: [N, S, C], what fills them.
        learned: [N, T], which codes are to be predicted.
        seeds: of what is random about the loss, one for each picture, where anything is.
    """

    slots: Tensor
    learned: Tensor
    seeds: tuple[int, ...] = ()


class Painter(Part, nn.Module):
    """A way to draw codes, or vectors of an image tokenizer without codes (`VectorPainter`).

    Attributes:
        canvas: how a picture is cut that is to be drawn.
        slots: of a picture, S. The last of them predict it.
        codes: or vectors of a picture, T; the most that are drawn, where pictures have different numbers of them.
        width: of the Transformer, C.
        announcement: what it adds to one row of a language model; None if nothing.
        draws: ``codes``, ``sequences`` of codes that end, ``features`` of pictures, what a text model has of ``texts``, or any
            ``conditions`` of a network.
        grid: rows and columns of its codes; (0, 0) where they have none.
    """

    slots: int
    codes: int
    draws: ClassVar[str] = "codes"
    grid: Grid = (0, 0)

    class Config(PartConfig):
        canvas: part_field(RESOLUTIONS)  # type: ignore[valid-type]
        """The pictures that are drawn: how those are cut that are to be learned, into one view of one size."""
        announces: bool = False
        """Whether it adds to the row of the token that announces a picture, in the embeddings and the output layer: so a
        language model that stays as it is learns when to draw in this way."""

    def __init__(self, config: Config, *, width: int) -> None:
        super().__init__(config)
        self.width = width
        self.announcement = Announcement(width) if config.announces else None
        self.canvas: Resolution = config.canvas.build()
        if not self.canvas.is_plain:
            raise BadInput(
                "model.painter.canvas",
                expected="a strategy that shows the whole picture in one view of one size",
                found=self.canvas.config.type,
                remedy="use stretch-square, crop-square or pad-square",
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what is drawn."""
        return self.canvas.plan(1, 1).views[0].size

    def announce(self, language_model: PreTrainedModel, token_id: int) -> None:
        """Let it see the language model that it draws with, and the token that announces a picture."""
        if self.announcement is not None:
            self.announcement.join(language_model, token_id)

    def end_rows(self, words: nn.Module, row_end: int | None) -> None:
        """Let it see the language model's embeddings, and the id of the word that ends rows of codes in its chat format.

        Raises:
            BadInput: if it wants that word, and there is none.
        """

    def init_weights(self) -> None:
        """Initialise what it owns."""
        raise NotImplementedError

    def target(self, tokenizer: ImageTokenizer, views_NHW3: Tensor, told_NT: Tensor | None = None) -> Tensor:
        """What is learned of pictures, uint8 pixels [N, height, width, 3]: what the image tokenizer reads in them.

        Args:
            told_NT: ids of what was asked for, for a tokenizer that is told texts.
        """
        return tokenizer.read(views_NHW3)

    def blocks(self) -> Tensor:
        """Block [S] of every slot: a slot sees those of its own block and of earlier ones."""
        raise NotImplementedError

    def usable(self, sampling: Sampling) -> Sampling:
        """What of it this way to draw knows."""
        return sampling

    def seen_among(self, first: int, count: int) -> Tensor:
        """Which of so many slots, from the ``first`` on, see which of them, [count, count]; all of them see all before these."""
        blocks = self.blocks()[first : first + count]
        return blocks[None] <= blocks[:, None]

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        """What fills the slots while pictures are learned.

        Args:
            read: what `target` gives.
            start_NC: what the first slot begins with, such as a class or the token that announces a picture.
            dice: for what is random about it.
        """
        raise NotImplementedError

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean loss [N] of each picture, over the codes or vectors that were to be predicted."""
        raise NotImplementedError

    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """Codes or vectors, drawn step by step: after every step those that are settled, [N, 0 to T], in the end all.

        Args:
            start_BC: of N pictures; with guidance also of the same N without what is asked for, behind them.
        """
        raise NotImplementedError


class CodePainter(Painter):
    """A way to draw codes.

    Attributes:
        head: what embeds and predicts them.
    """

    head: CodeHead

    def __init__(self, config: Painter.Config, *, quantizer: Quantizer, width: int) -> None:
        super().__init__(config, width=width)
        # In a list: it is the tokenizer's.
        self._quantizer = [quantizer]

    @property
    def quantizer(self) -> Quantizer:
        return self._quantizer[0]

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        """Mean cross-entropy [N] of the codes that each picture was to be predicted of."""
        codes_NT = read
        hidden = hidden_NSC[:, -lesson.learned.shape[1] :][lesson.learned]
        each = self.head.losses(hidden, codes_NT[lesson.learned], self.smoothing)
        counts = lesson.learned.sum(1)
        return each.new_zeros(len(codes_NT)).index_add(0, lesson.learned.nonzero()[:, 0], each) / counts

    @property
    def smoothing(self) -> float:
        """Label smoothing of the losses."""
        return 0.0


class VectorPainter(Painter):
    """A way to draw vectors, without guidance. Built with what paints them."""

    draws = "features"

    def __init__(self, config: Painter.Config, *, tokenizer: Diffuser, width: int) -> None:
        super().__init__(config, width=width)
        # In a list: it is the model's.
        self._tokenizer = [tokenizer]

    @property
    def tokenizer(self) -> Diffuser:
        return self._tokenizer[0]

    def usable(self, sampling: Sampling) -> Sampling:
        return replace(sampling, guidance=0.0)


def picking(sampling: Sampling, dice: Dice, strength: float, *, never: int | None = None) -> Pick:
    """How a head's logits [B, T, V] become numbers [N, T] and the logarithms of their probabilities.

    Args:
        strength: of the guidance at this step.
        never: a number that is not drawn at this step.
    """

    def pick(logits_BTV: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits_BTV.float()
        if sampling.guidance:
            asked, not_asked = logits.chunk(2)
            logits = (1 + strength) * asked - strength * not_asked
        if never is not None:
            logits = logits.index_fill(-1, torch.tensor([never], device=logits.device), -torch.inf)
        filtered = sampling.filtered(logits)
        chosen = dice.choose(filtered)
        return chosen, filtered.log_softmax(-1).gather(-1, chosen[..., None])[..., 0]

    return pick


def doubled(slots_NSC: Tensor, sampling: Sampling) -> Tensor:
    """The same for pictures as they are asked for and without that, if guidance wants both."""
    return torch.cat([slots_NSC, slots_NSC]) if sampling.guidance else slots_NSC


PAINTERS: Registry[type[Painter]] = Registry("painter")
