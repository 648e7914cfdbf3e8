"""Answers of words and pictures: the model says where a picture belongs, draws it, reads what it drew, and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omma.data.sample import ImageSegment, Role, Segment, TextSegment, Turn
from omma.model.answering import ModelAnswerer
from omma.model.drawing import PictureDrawer
from omma.model.image_processing import picture as as_source
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import OmmaProcessor
from omma.parts.painters.base import AS_LIKELY, Sampling


class InterleavedAnswerer:
    """Answers in words and pictures.

    Args:
        model, processor: as `omma.model.loading.load_model` gives them.
        max_new_tokens: most words in a row.
        most_pictures: in one answer, which ends there.

    Raises:
        BadInput: for a model that does not draw.
    """

    def __init__(
        self, model: OmmaForConditionalGeneration, processor: OmmaProcessor, *, max_new_tokens: int = 128, most_pictures: int = 4
    ) -> None:
        self.drawer = PictureDrawer(model, processor)
        self.answerer = ModelAnswerer(model, processor, max_new_tokens=max_new_tokens)
        self.most_pictures = most_pictures

    def answer(self, turns: Sequence[Turn], *, seed: int = 0, sampling: Sampling = AS_LIKELY) -> Turn:
        """The assistant's whole turn behind the user's. Arguments as in `stream`."""
        return Turn(Role.ASSISTANT, tuple(self.stream(turns, seed=seed, sampling=sampling)))

    def stream(self, turns: Sequence[Turn], *, seed: int = 0, sampling: Sampling = AS_LIKELY) -> Iterator[Segment]:
        """What it says, one stretch of words or one picture after another.

        Args:
            seed: of the first picture; each other one has the next.
            sampling: of the codes of pictures; words are the likeliest ones.

        Raises:
            BadInput: for a conversation that is too long, or a picture in it that cannot be read.
        """
        said: list[Segment] = []
        drawn = 0
        while True:
            words, draws = self.answerer.go_on((*turns, Turn(Role.ASSISTANT, tuple(said))))
            if words.strip():
                said.append(TextSegment(words))
                yield said[-1]
            if not draws:
                return
            (picture,) = self.drawer.draw([(*turns, Turn(Role.ASSISTANT, tuple(said)))], seeds=[seed + drawn], sampling=sampling)
            drawn += 1
            said.append(ImageSegment(as_source(picture)))
            yield said[-1]
            if drawn == self.most_pictures:
                return
