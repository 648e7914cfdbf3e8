"""Published benchmark: a file in its authors' format, the words in which a question is put, the truth, and the figures.

A benchmark is a part: one class in one file here, registered by name, with the paths as its config. It makes `Item`s, which go
through the evaluation like those of a generated world. Nothing is fetched: the files are the reader's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar

from pydantic import Field

from omma.data.picture_folder import picture_folder
from omma.data.sample import ImageSource, user
from omma.errors import BadInput
from omma.evaluation.benchmarks.rows import Row, duplicate
from omma.evaluation.figures import Measure
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.truths import Truth
from omma.parts.base import Part, PartConfig, Registry

SHORT = "{question}\nAnswer the question using a single word or phrase."
"""LLaVA-1.5's request for a short answer (arXiv 2310.03744, section 3.2)."""

LETTER = "{question}\nAnswer with the option's letter from the given choices directly."
"""LLaVA-1.5's request for one of several options."""

AS_IT_IS = "{question}"
"""For questions that say themselves how they want to be answered."""


class BenchmarkConfig(PartConfig):
    """What all have."""

    split: str = Field(default="test", pattern=r"^[^/]+$")
    """What the report calls the split."""
    pictures: int | None = Field(default=None, gt=0)
    """Only the questions about the first so many pictures, in the order of the file."""
    prompt: str | None = None
    """How a question is put, with ``{question}`` in its place; the benchmark's own words if absent."""


class FileConfig(BenchmarkConfig):
    """One file with everything in it."""

    file: Path


class FolderConfig(FileConfig):
    """A file, and the folder of its pictures."""

    images: Path


class PublishedBenchmark(Part):
    """A benchmark in a public format.

    Attributes:
        PROMPT: how a question is put where the config does not say.
        seed: of the evaluation, for what is drawn by chance.
    """

    PROMPT: ClassVar[str] = SHORT
    config: Any

    class Config(BenchmarkConfig):
        pass

    def __init__(self, config: Any, *, seed: int = 0) -> None:
        super().__init__(config)
        self.seed = seed
        self.prompt = config.prompt or self.PROMPT
        try:
            fields = [field for _, field, _, _ in Formatter().parse(self.prompt) if field is not None]
        except ValueError:
            fields = ["?"]
        wanted = ["question"] if "{question}" in self.PROMPT else []
        if fields != wanted:
            raise BadInput(
                f"benchmark {self.name}, field prompt",
                expected="a text with {question} in it once and no other braces" if wanted else "a text without braces",
                found=repr(self.prompt),
                remedy="write it so; for a brace itself write two",
            )

    @property
    def name(self) -> str:
        """The name under which it is registered, which is the world of its questions in reports."""
        return type(self.config).type

    @property
    def split(self) -> str:
        """What the report calls the split."""
        split: str = self.config.split
        return split

    @abstractmethod
    def questions(self) -> Iterable[Item]:
        """All questions of the file, in its order.

        Raises:
            BadInput: naming the row and the field at fault.
        """

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        """The figures that it publishes beside the accuracy, for these results of one split."""
        return []

    def items(self) -> list[Item]:
        """The questions about the first ``pictures`` pictures, each picture looked at so far as its size.

        Raises:
            BadInput: for a row, a picture or a file that is not as its authors publish it, two questions of one id, or none.
        """
        items: list[Item] = []
        clusters: set[str] = set()
        ids: set[str] = set()
        for item in self.questions():
            if item.id in ids:
                raise duplicate(f"benchmark {self.name}, split {self.split}", item.id.split("/", 2)[2])
            ids.add(item.id)
            if item.cluster not in clusters and len(clusters) == self.config.pictures:
                continue
            clusters.add(item.cluster)
            items.append(item)
        if not items:
            raise BadInput(
                f"benchmark {self.name}, split {self.split}", expected="questions", found="none",
                remedy="name another file or split",
            )  # fmt: skip
        seen: set[int] = set()
        for image in (image for item in items for image in item.images):
            if id(image) not in seen:
                seen.add(id(image))
                image.size  # noqa: B018  a picture that is none is found here, not after hours of asking
        return items

    def item(
        self,
        own_id: str,
        images: Sequence[ImageSource],
        question: str,
        answer: str,
        truth: Truth,
        *,
        cluster: str,
        kind: str = "question",
        groups: Mapping[str, str] | None = None,
    ) -> Item:
        """One question, put in the benchmark's words below its pictures.

        Args:
            own_id: unique in the file.
            answer: what whoever knows it says.
            cluster: the picture, by the name that the file has for it.
        """
        words = self.prompt.format(question=question)
        return Item(
            id=f"{self.name}/{self.split}/{own_id}",
            turns=(user(*images, f"\n{words}" if images else words),),
            answer=answer,
            kind=kind,
            world=self.name,
            split=self.split,
            cluster=f"{self.name}/{cluster}",
            truth=truth,
            benchmark=self.name,
            groups=groups or {},
        )


class Pictures:
    """The pictures of one folder, each a single object however many questions are about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = picture_folder(folder)
        self._known: dict[str, ImageSource] = {}

    def of(self, row: Row, field: str, name: str | None = None) -> ImageSource:
        """The picture that a row names. Raises BadInput if it is not there."""
        path = name if name is not None else row.text(field)
        if path not in self._known:
            self._known[path] = row.picture(field, self.folder, name=path)
        return self._known[path]


def lettered(options: Sequence[str], mark: str = "{letter}. {option}", joint: str = "\n") -> str:
    """Options with their letters, as they stand below a question."""
    pairs = zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", options, strict=False)
    return joint.join(mark.format(letter=letter, option=option) for letter, option in pairs)


def unique(rows: Iterable[Row], field: str, where: Path) -> dict[str, Row]:
    """Rows by what names them. Raises BadInput for two of one name."""
    found: dict[str, Row] = {}
    for row in rows:
        name = row.identity(field)
        if name in found:
            raise duplicate(str(where), name)
        found[name] = row
    return found


def commonest(people: Sequence[str]) -> str:
    """What most people said who said something; of equally common answers the first."""
    said = [answer for answer in people if answer]
    return max(said, key=said.count)


def numbered(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Rows with their numbers from 0, for files in which nothing names them."""
    return ((str(number), row) for number, row in enumerate(rows))


BENCHMARKS: Registry[type[PublishedBenchmark]] = Registry("benchmark")
