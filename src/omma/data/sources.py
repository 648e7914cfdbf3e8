"""Sources: where samples come from. A source is a function from an index to a `Sample`, so any position can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from omma.data.llava_json import LlavaJson
from omma.data.nlvr import Nlvr
from omma.data.pictures import Pictures
from omma.data.playground import WORLDS
from omma.data.playground.base import Question, Scene, Split, scene_random
from omma.data.playground.handwriting import rows_of_digits, single_digit
from omma.data.playground.laid_out import laid_out
from omma.data.playground.read_out import read_out
from omma.data.printed_lines import PrintedLines
from omma.data.sample import ImageSegment, Role, Sample, Turn, assistant, user
from omma.errors import BadInput
from omma.parts.base import Part, PartConfig, Registry


class Source(Part):
    """Random access to samples by index.

    Attributes:
        length: number of samples, or None if the supply is endless.
        generated: whether there is a sample at any index, however long it is: a run with another seed then learns from others.
    """

    length: int | None
    generated: ClassVar[bool] = False

    class Config(PartConfig):
        pass

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        """The sample at that index.

        Args:
            epoch: how often all samples have been seen before, for sources that vary them from epoch to epoch.

        Raises:
            BadInput: if this one record is at fault.
        """
        raise NotImplementedError


SOURCES: Registry[type[Source]] = Registry("source")

Task = Literal[
    "caption", "describe", "questions", "words", "laid-out", "describe-laid-out", "text", "picture", "read", "draw", "edit"
]

DRAW = "draw "
"""How pictures are asked for."""
ASKING = ("questions", "words", "laid-out")
"""Tasks that ask questions."""
TELLING = ("words", "laid-out", "describe-laid-out", "text")
"""Tasks that tell in words what is in the pictures."""
CHECKED = 400
"""Scenes that are looked through for what kinds of questions a world asks; rarer ones would not be found in `TRIES` either."""
TRIES = 64
"""Scenes that are looked through for a kind of question that is wanted."""


@SOURCES.register("playground")
class PlaygroundSource(Source):
    """One generated world, as samples for one task.

    Tasks: *caption* (pictures, then the short caption), *describe* (pictures, then the full description), *questions*
    (pictures and a conversation of questions), *words* (the description in place of the pictures, then the questions),
    *laid-out* (the same with words at their places, `omma.data.playground.laid_out`), *describe-laid-out* (those, then the full
    description), *text* (the description alone, as running text), *picture* (pictures and not a word), *read* (the first
    picture, whose words are read out, `omma.data.playground.read_out`), *draw* (a text that asks for a picture, and the
    picture as the answer) and *edit* (a picture, what is to change, and the picture that is changed as the answer).
    """

    generated = True

    class Config(PartConfig):
        world: str
        split: Split = "train"
        task: Task = "questions"
        turns: int = Field(default=6, ge=1)
        """Most questions in one conversation."""
        kinds: tuple[str, ...] = ()
        """Kinds of questions that are asked, to practise what a report shows to be weak; all if empty."""
        first: int = Field(default=0, ge=0)
        """Index of the first scene."""
        count: int | None = Field(default=None, ge=1)
        """How many scenes there are; endless if absent."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.world = WORLDS.get(config.world, where="data.world").Config().build()
        self.length = config.count
        if config.kinds:
            self._check_kinds()
        if config.task == "draw" and len(self.world.scene(config.split, config.first).images) != 1:
            raise BadInput(
                "data.task",
                expected="a world whose scenes are one picture each, to draw",
                found=f"{config.world}, with several or none",
                remedy="choose another world or task",
            )
        if config.task == "edit" and self.world.scene(config.split, config.first).edit is None:
            raise BadInput(
                "data.task",
                expected="a world that knows changes of its pictures, such as shapes",
                found=config.world,
                remedy="choose another world or task",
            )

    def _check_kinds(self) -> None:
        config = self.config
        if config.task not in ASKING:
            raise BadInput(
                "data.kinds",
                expected=f"a task that asks questions ({', '.join(ASKING)})",
                found=config.task,
                remedy="leave kinds out",
            )
        scenes = (self.world.scene(config.split, index) for index in range(CHECKED))
        known = sorted({question.kind for scene in scenes for question in scene.questions})
        for kind in config.kinds:
            if kind not in known:
                raise BadInput(
                    "data.kinds",
                    expected=f"kinds of questions that {config.world} asks ({', '.join(known)})",
                    found=kind,
                    remedy=f"choose among these; what comes less than once in {CHECKED} scenes cannot be asked alone",
                )

    def _scene(self, index: int) -> Scene:
        """Where only some kinds are asked, the first scene of a row of them that has one; if none has, the last one."""
        config = self.config
        if not config.kinds:
            return self.world.scene(config.split, config.first + index)
        # Rows of their own for every index, so that windows of scenes do not overlap.
        start = (config.first + index) * TRIES
        for place in range(start, start + TRIES):
            scene = self.world.scene(config.split, place)
            asked = tuple(question for question in scene.questions if question.kind in config.kinds)
            if asked:
                return replace(scene, questions=asked)
        return scene

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        config = self.config
        scene = self._scene(index)
        asked = _asked(scene, config.turns) if config.task in ASKING else []
        # What is told of pictures is not scored together with what is seen in them.
        told = scene.images and config.task in TELLING
        return Sample(
            id=f"{scene.id}#{config.task}",
            turns=_turns(scene, config.task, asked),
            source=f"playground/{config.world}",
            boxes=scene.boxes,
            words=scene.words,
            meta={
                "world": f"{config.world} in words" if told else config.world,
                "split": config.split,
                "caption": scene.caption,
                **({"kind": asked[-1].kind} if asked else {}),
            },
        )


def _asked(scene: Scene, most: int) -> list[Question]:
    # The order is drawn anew: a world lists its questions in the order in which it made them up.
    questions = list(scene.questions)
    scene_random("questions", scene.id, most).shuffle(questions)
    return questions[:most]


def _turns(scene: Scene, task: Task, asked: Sequence[Question]) -> tuple[Turn, ...]:
    if task == "caption":
        return user(*scene.images), assistant(scene.caption)
    if task == "describe":
        return user(*scene.images), assistant(scene.description)
    if task == "picture":
        return (user(*scene.images),)
    if task == "read":
        prompt, text = read_out(scene)
        return user(*scene.images[:1], f"\n{prompt}"), assistant(text)
    if task == "draw":
        wanted = scene.request() if scene.request is not None else scene.description or scene.caption
        return user(f"{DRAW}{wanted}"), Turn(Role.ASSISTANT, (ImageSegment(scene.images[0]),), learn=True)
    if task == "edit":
        assert scene.edit is not None
        text, changed = scene.edit()
        return user(scene.images[0], f"\n{text}"), Turn(Role.ASSISTANT, (ImageSegment(changed),), learn=True)
    if task == "text":
        return (assistant(scene.description or scene.caption),)
    if task == "questions":
        shown: tuple[Any, ...] = scene.images
    else:
        words = (laid_out(scene) if "laid-out" in task else "") or scene.description
        shown = (words,) if words else ()
    if task == "describe-laid-out":
        return user(*shown), assistant(scene.description)
    turns: list[Turn] = []
    for position, question in enumerate(asked):
        opening = (*shown, f"\n{question.text}") if position == 0 and shown else (question.text,)
        turns += [user(*opening), assistant(question.answer)]
    return tuple(turns)


@SOURCES.register("llava-json")
class LlavaJsonSource(Source):
    """LLaVA's conversation JSON (or JSONL) with a folder of pictures."""

    class Config(PartConfig):
        json_file: Path
        images: Path

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.data = LlavaJson(config.json_file, config.images)
        self.length = len(self.data)

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return self.data[index]


@SOURCES.register("pictures")
class PicturesSource(Source):
    """All pictures of a folder and the folders in it, for objectives that read no texts."""

    class Config(PartConfig):
        folder: Path
        classes: bool = False
        """Whether the folder within it that a picture lies in is its class, as in ImageNet."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.data = Pictures(config.folder, classes=config.classes)
        self.length = len(self.data)

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return self.data[index]


@SOURCES.register("handwriting")
class HandwritingSource(Source):
    """Single handwritten digits, the glyphs of the world ``digits``, whose class is the digit."""

    class Config(PartConfig):
        split: Literal["train", "fresh"] = "train"
        """The first 1,400 glyphs, or the other 397."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.rows = sorted(row for rows in rows_of_digits(config.split) for row in rows)
        self.length = len(self.rows)

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return single_digit(self.rows[index])


@SOURCES.register("nlvr")
class NlvrSource(Source):
    """Cornell NLVR: is a sentence true of three boxes? (Suhr et al., ACL 2017.)"""

    class Config(PartConfig):
        folder: Path
        split: Literal["train", "dev"] = "train"
        box_orders: Literal["given", "random"] = "given"
        """In which order the three boxes are shown: as they are, or in one drawn anew every epoch."""
        montage: bool = False
        """The three boxes on one sheet, instead of three pictures."""
        directories: list[int] = []
        """Only the examples of these directories; with ``except_directories`` on the other side, a validation fold."""
        except_directories: list[int] = []
        """All examples but those of these directories."""

        @model_validator(mode="after")
        def _one_side(self) -> NlvrSource.Config:
            if self.directories and self.except_directories:
                raise ValueError("directories or except_directories, not both")
            return self

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        data = Nlvr(config.folder, config.split, box_orders=config.box_orders, montage=config.montage)
        if config.directories or config.except_directories:
            rest, held_out = data.hold_out_directories(config.directories or config.except_directories)
            data = held_out if config.directories else rest
        self.data = data
        self.length = len(data)

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return self.data.at_epoch(epoch)[index]


@SOURCES.register("printed-lines")
class PrintedLinesSource(Source):
    """Lines cut out of scans, to be read out (`omma.data.printed_lines`)."""

    class Config(PartConfig):
        folder: Path
        split: str = "train"
        lower: bool = False
        """Answers in small letters, for language models that write no others."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.data = PrintedLines(config.folder, config.split, lower=config.lower)
        self.length = len(self.data)

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return self.data[index]
