"""MMBench: questions with options, each asked in every rotation of them (arXiv 2307.06281)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.evaluation.benchmarks.base import BENCHMARKS, LETTER, FileConfig, PublishedBenchmark, lettered
from omma.evaluation.benchmarks.rows import Row, duplicate, shown, table_picture, table_rows
from omma.evaluation.figures import Answered, Measure, all_right, by_kind, each, mean_of_shares, together
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult, Reply
from omma.evaluation.metrics.multiple_choice import LETTERS, rotated
from omma.evaluation.truths import UNPARSED, Option

COPIES = 1_000_000
"""Rows of a file that has its rotations in it already have the number of their question plus a multiple of this."""

SHORTEST_PICTURE = 64
"""Characters: a shorter text in the place of a picture is the number of another row, which has it."""


@BENCHMARKS.register("mmbench")
class MmBench(PublishedBenchmark):
    """``mmbench_dev_20230712.tsv``, ``MMBench_DEV_EN.tsv`` and others of that form: a table with tabs, pictures in base64.

    A question with K options is K items. The published number is the figure *circular accuracy*: of questions, those right in
    every rotation. The accuracy beside it is that of single replies, in whatever rotation.
    """

    PROMPT = LETTER

    class Config(FileConfig):
        circular: bool = True
        """Ask in every rotation of the options; if not, in the order of the file alone."""

    def questions(self) -> Iterable[Item]:
        by_question: defaultdict[int, list[Row]] = defaultdict(list)
        rows: dict[int, Row] = {}
        for row in table_rows(self.config.file):
            number = row.whole("index")
            if number in rows:
                raise duplicate(str(self.config.file), str(number))
            rows[number] = row
            by_question[number % COPIES].append(row)
        pictures = _TablePictures(rows)
        for number, copies in by_question.items():
            first = copies[0]
            options, place = options_of(first)
            orders = _orders(copies, options, place) if len(copies) > 1 else range(len(options))
            for by in orders if self.config.circular else [0]:
                turned = rotated(options, by)
                hint = first.optional("hint")
                question = first.text("question")
                answer = (place - by) % len(options)
                yield self.item(
                    f"{number}/{by}",
                    [pictures.of(first)],
                    f"{hint}\n{question}\n{lettered(turned)}" if hint else f"{question}\n{lettered(turned)}",
                    LETTERS[answer],
                    Option(tuple(turned), answer),
                    cluster=str(pictures.owner(first)),
                    kind=first.optional("category") or "question",
                    groups={"question": str(number), "rotation": str(by), "options": str(len(options))},
                )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        if len({result.groups["question"] for result in results}) == len(results):
            return []  # asked in one order only
        by_category = by_kind(sorted({result.kind for result in results}), all_right)
        return [
            Measure("circular accuracy", together(all_right, by=_question)),
            Measure("circular accuracy, mean of categories", together(by_category, by=_question), mean_of_shares),
            Measure("accuracy in the given order", each(_worth, of=lambda member: member.groups["rotation"] == "0")),
            Measure("the same option named in every order", together(_consistent, by=_question)),
            *(Measure(f"replies that say {letter}", each(_says(letter))) for letter in LETTERS[: _most_options(results)]),
        ]


class _TablePictures:
    """The pictures of a table, some of which are in the row of another question."""

    def __init__(self, rows: dict[int, Row]) -> None:
        self.rows = rows
        self._known: dict[int, ImageSource] = {}

    def owner(self, row: Row) -> int:
        """The number of the row that has this row's picture."""
        number, seen = row.whole("index"), set[int]()
        while len(text := str(self.rows[number].data.get("image") or "")) <= SHORTEST_PICTURE:
            seen.add(number)
            if not text.strip().isdecimal() or int(text) not in self.rows or int(text) in seen:
                raise row.bad("image", "a picture in base64, or the index of a row that has one")
            number = int(text)
        return number

    def of(self, row: Row) -> ImageSource:
        number = self.owner(row)
        if number not in self._known:
            self._known[number] = table_picture(self.rows[number], "image")
        return self._known[number]


def options_of(row: Row) -> tuple[list[str], int]:
    """The texts in the columns A, B, C, ... up to the first empty one, and which of them is the answer."""
    options: list[str] = []
    for column in LETTERS:
        if (text := row.optional(column)) is None:
            break
        options.append(text)
    if len(options) < 2:
        raise row.bad("B", "at least two options, in the columns A, B and so on")
    if "answer" not in row.data:
        raise row.bad("answer", "a letter", remedy="use a split whose answers are published (dev)")
    letter = (row.optional("answer") or "").upper()
    if len(letter) != 1 or letter not in LETTERS[: len(options)]:
        raise row.bad("answer", f"one of the letters {', '.join(LETTERS[: len(options)])}")
    return options, LETTERS.index(letter)


def _orders(copies: Sequence[Row], options: list[str], place: int) -> Iterator[int]:
    """How far each row of a question that the file itself has several of is rotated. Raises BadInput if they are no rotations."""
    left = list(range(len(options)))
    for copy in copies:
        turned, answer = options_of(copy)
        fitting = [by for by in left if rotated(options, by) == turned and (place - by) % len(options) == answer]
        if not fitting:
            raise BadInput(
                f"{copy.where}, fields A, B and so on",
                expected=f"the options of {copies[0].where}, rotated by as many as no other row",
                found=shown(turned),
                remedy="fetch the file again",
            )
        left.remove(fitting[0])
    if left:
        raise BadInput(
            copies[0].where, expected=f"{len(options)} rows of this question, one for each rotation",
            found=str(len(copies)), remedy="fetch the file again, or keep the first row alone",
        )  # fmt: skip
    yield from range(len(options))


def _question(member: ItemResult) -> str:
    return member.groups["question"]


def _worth(member: ItemResult, reply: Reply) -> tuple[float, ...]:
    return reply.worth, 1


def _consistent(pairs: Answered) -> tuple[float, ...]:
    named = {_named(member, reply) for member, reply in pairs}
    return float(len(named) == 1 and None not in named), 1


def _named(member: ItemResult, reply: Reply) -> int | None:
    """The option that was named, by its place before rotation."""
    if not reply.read or reply.read == UNPARSED:
        return None
    return (LETTERS.index(reply.read) + int(member.groups["rotation"])) % int(member.groups["options"])


def _says(letter: str) -> Callable[[ItemResult, Reply], tuple[float, ...]]:
    return lambda _, reply: (float(reply.read == letter), 1.0)


def _most_options(results: Sequence[ItemResult]) -> int:
    return max(int(result.groups["options"]) for result in results)
