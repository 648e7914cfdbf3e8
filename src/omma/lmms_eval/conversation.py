"""What lmms-eval asks, as omma's turns: its messages, and its settings of generation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from omma.data.images import MemoryImage
from omma.data.sample import ImageSegment, Role, Sample, Segment, TextSegment, Turn
from omma.errors import BadInput

LONGEST_ANSWER = 128
"""Tokens of an answer where a task does not say."""
USUAL_BATCH = 64
"""Prompts that are generated for at a time where nobody says how many, or `auto`."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How one answer is wanted.

    Attributes:
        tokens: at most.
        until: texts at which it ends; they are not part of it.
    """

    tokens: int = LONGEST_ANSWER
    until: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any], most: int | None = None) -> Generation:
        """From a task's ``generation_kwargs``.

        Args:
            most: tokens that an answer may have whatever the task says.

        Raises:
            BadInput: for answers that are drawn by chance, or searched for: omma's are the likeliest token by token.
        """
        drawn = settings.get("do_sample") and settings.get("temperature") != 0
        if drawn or (settings.get("temperature") or 0) > 0 or (settings.get("num_beams") or 1) > 1:
            named = [name for name in ("do_sample", "temperature", "num_beams") if name in settings]
            raise BadInput(
                "generation_kwargs of the task",
                expected="greedy decoding",
                found=", ".join(f"{name} {settings[name]}" for name in named),
                remedy="give --gen_kwargs temperature=0,do_sample=False,num_beams=1",
            )
        tokens = int(settings.get("max_new_tokens") or LONGEST_ANSWER)
        until = settings.get("until") or ()
        return cls(min(tokens, most or tokens), (until,) if isinstance(until, str) else tuple(until))

    def ended(self, text: str) -> str:
        """The answer up to where it is to end."""
        ends = [place for stop in self.until if stop and (place := text.find(stop)) >= 0]
        return text[: min(ends, default=len(text))].strip()


def batch_of(size: int | str) -> int:
    """Prompts at a time, of lmms-eval's ``--batch_size``. Raises BadInput if it is no number of them."""
    if str(size).partition(":")[0] == "auto":
        return USUAL_BATCH
    if not str(size).isdecimal() or int(size) < 1:
        raise BadInput("batch_size", expected="a number from 1 up, or auto", found=repr(size), remedy="change it")
    return int(size)


def conversation(messages: Sequence[Mapping[str, Any]], name: str) -> Sample:
    """Messages with text and pictures as turns.

    Args:
        name: of the question.

    Raises:
        BadInput: for anything else than text and pictures, or a conversation that the user does not end.
    """
    turns: list[Turn] = []
    for message in messages:
        content = message["content"]
        pieces: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        segments: list[Segment] = []
        for piece in pieces:
            if piece["type"] == "text":
                # Words begin on a line of their own below pictures, as omma puts every question.
                below = bool(segments) and isinstance(segments[-1], ImageSegment) and not piece["text"].startswith("\n")
                segments.append(TextSegment(f"\n{piece['text']}" if below else piece["text"]))
            elif piece["type"] == "image" and isinstance(piece.get("url"), Image.Image):
                segments.append(ImageSegment(_image(piece["url"])))
            else:
                raise BadInput(
                    f"question {name}", expected="text and pictures", found=str(piece["type"]),
                    remedy="leave out tasks with it: the models here read pictures",
                )  # fmt: skip
        turns.append(Turn(Role(message["role"]), tuple(segments), learn=False))
    if not turns or turns[-1].role is not Role.USER:
        found = turns[-1].role.value if turns else "nobody"
        raise BadInput(f"question {name}", expected="a conversation that the user ends", found=found, remedy="leave it out")
    return Sample(name, tuple(turns))


def _image(picture: Image.Image) -> MemoryImage:
    """Known by its pixels: a data set opens a picture anew for every question about it."""
    key = hashlib.blake2b(picture.tobytes(), digest_size=16)
    key.update(repr((picture.mode, picture.size, picture.getpalette())).encode())
    return MemoryImage(picture, f"lmms-eval/{key.hexdigest()}")
