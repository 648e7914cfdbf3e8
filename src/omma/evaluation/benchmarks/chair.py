"""CHAIR: which of the things that a description of a photograph names are not in it (arXiv 1809.02156)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from omma.errors import BadInput
from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, unique
from omma.evaluation.benchmarks.rows import Row, json_document, records_in, text_lines
from omma.evaluation.conditions import CONDITIONS
from omma.evaluation.descriptions import ThingsMentioned
from omma.evaluation.figures import Measure, came, each, mean_of
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.hallucination import Ontology


@BENCHMARKS.register("chair")
class Chair(PublishedBenchmark):
    """``instances_val2014.json``, the captions of the same pictures and the authors' ``synonyms.txt``.

    What is in a picture is what is outlined in it, and what people name who caption it. *CHAIR_i* is the share of mentions that
    are of something else, *CHAIR_s* that of descriptions with such a mention; beside them, since who says little makes little
    up, *recall* (things there that are named) and the length in words. Words are brought to their singular by rule, where
    the authors' script has a library for it.
    """

    PROMPT = "Please describe this image in detail."

    class Config(FolderConfig):
        captions: Path | None = None
        """What people said, ``captions_val2014.json``; without it, only what is outlined is there."""
        synonyms: Path
        """A thing a line, its names with commas between them, the first of which is a category of the instances."""

    def questions(self) -> Iterable[Item]:
        file, pictures = self.config.file, Pictures(self.config.images)
        ontology = synonyms(self.config.synonyms)
        document = json_document(file)
        images = unique(records_in(document, file, within="images"), "id", file)
        categories = {
            identity: _thing(row, ontology)
            for identity, row in unique(records_in(document, file, within="categories"), "id", file).items()
        }
        there: defaultdict[str, set[str]] = defaultdict(set)
        for row in records_in(document, file, within="annotations"):
            picture, category = row.identity("image_id"), row.identity("category_id")
            if picture not in images:
                raise row.bad("image_id", "the id of a picture of the file")
            if category not in categories:
                raise row.bad("category_id", "the id of a category of the file")
            there[picture].add(categories[category])
        if self.config.captions is not None:
            for row in records_in(json_document(self.config.captions), self.config.captions, within="annotations"):
                there[row.identity("image_id")].update(ontology.mentions(row.text("caption")))
        for own_id, row in images.items():
            things = tuple(sorted(there[own_id]))
            # A picture without anything of the list has no truth that a description could be held against.
            if things:
                name = row.text("file_name")
                yield self.item(
                    own_id, [pictures.of(row, "file_name")], "", ", ".join(things), ThingsMentioned(things, ontology),
                    cluster=name, kind="description",
                )  # fmt: skip

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return chair_measures(results)


def chair_measures(results: Sequence[ItemResult]) -> list[Measure]:
    """CHAIR_i, CHAIR_s, recall, and the length of descriptions in words."""
    # A description can be longer than all of these; twice the longest bounds the interval.
    replies = [reply for result in results for condition in CONDITIONS if (reply := came(result, condition))]
    longest = max((reply.counts["words"] for reply in replies), default=0.0)
    return [
        Measure("CHAIR_i", each(lambda _, reply: (reply.counts["invented"], reply.counts["mentions"]))),
        Measure("CHAIR_s", mean_of("inventive")),
        Measure("recall", each(lambda _, reply: (reply.counts["named"], reply.counts["things"]))),
        Measure("words", mean_of("words"), bounds=(0.0, max(1.0, 2.0 * longest)), unit="points"),
    ]


def synonyms(path: Path) -> Ontology:
    """The names of things, a thing a line.

    Raises:
        BadInput: for a file that cannot be read, a line without a name, or one name for two things.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(text_lines(path), start=1):
        words = [word.strip().lower() for word in line.split(",") if word.strip()]
        for word in words:
            if names.setdefault(word, words[0]) != words[0]:
                where, found = f"{path}, line {number}", f"{word!r}, a name of {names[word]}"
                raise BadInput(where, expected="names of one thing alone", found=found, remedy="take it out of one of both")
    if not names:
        raise BadInput(str(path), expected="a thing a line", found="no line", remedy="name CHAIR's synonyms.txt")
    return Ontology(names)


def _thing(row: Row, ontology: Ontology) -> str:
    name = row.text("name").lower()
    if name not in ontology.synonyms:
        raise row.bad("name", "a thing that the synonyms name")
    return ontology.synonyms[name]
