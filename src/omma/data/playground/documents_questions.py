"""Questions about a document, with exact answers: reading, fields, cells, places, counts, presence, comparison, kind.

Every question is asked in one of several ways. The choice among all candidates keeps yes/no answers rare and no kind of
question dominant, and each answer follows from the document's description as well as from its picture.
"""

from __future__ import annotations

import random
from itertools import pairwise
from types import MappingProxyType

from omma.data.playground import documents_phrases as phrases
from omma.data.playground import lexicon
from omma.data.playground.base import Question
from omma.data.playground.documents_contents import Document

FEWEST, MOST = 4, 8
"""Questions per scene."""

MOST_OF_KIND: MappingProxyType[str, int] = MappingProxyType(
    {"read": 3, "field": 3, "cell": 3, "locate": 2, "count": 1, "exist": 1, "compare": 2, "kind": 1}
)
"""At most so many questions of one kind about one page."""

_ODDS: MappingProxyType[str, float] = MappingProxyType(
    {"read": 1.5, "field": 2, "cell": 2, "locate": 0.7, "count": 3, "exist": 5, "compare": 3, "kind": 1.5}
)
"""How readily a candidate is taken: kinds with few candidates need more."""

LONGEST_ANSWER = 24
"""Longer readings are not asked for, in characters."""

_NOUNS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {"price tag": ("price tag", "tag"), "letter": ("letter", "note"), "badge": ("badge", "name badge")}
)
_QUANTITIES = ("age", "score", "price", "stock", "temp")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


class _Asker:
    """Collects the candidates of one document."""

    def __init__(self, rng: random.Random, document: Document) -> None:
        self.rng, self.document = rng, document
        self.noun = rng.choice(_NOUNS.get(document.kind, (document.kind,)))
        self.candidates: list[Question] = []

    def ask(self, kind: str, ways: tuple[str, ...], answer: str, **slots: object) -> None:
        if answer and len(answer) <= LONGEST_ANSWER:
            text = self.rng.choice(ways).format_map({"noun": self.noun, **slots})
            self.candidates.append(Question(text, answer.lower(), kind))

    def read(self) -> None:
        document = self.document
        lines = document.lines
        if document.kind in ("sign", "plate"):
            self.ask("read", phrases.READ_ALL, " ".join(lines))
        if document.entries:
            for i, entry in enumerate(document.entries):
                self.ask("read", phrases.READ_ENTRY, entry, number=i + 1, ordinal=_ORDINALS[i])
        if document.by_line and len(lines) > 1:
            for i, line in enumerate(lines):
                last = i == len(lines) - 1 and self.rng.random() < 0.6
                self.ask(
                    "read", phrases.READ_LAST if last else phrases.READ_LINE, line, number=i + 1, ordinal=_ORDINALS[i]
                )
        text = " ".join(lines)
        if document.kind in ("sign", "plate", "badge"):
            for end, letter in (("first", text[0]), ("last", text[-1])):
                self.ask("read", phrases.READ_END, letter, end=end)

    def fields(self) -> None:
        for name, value in self.document.fields:
            if self.document.kind not in ("sign", "plate") or name == "number":
                self.ask(
                    "field",
                    phrases.OWN_WAYS.get(name, phrases.FIELD + phrases.MORE_WAYS.get(name, ())),
                    value,
                    field=name,
                )
        for item, price in self.document.items:
            self.ask("field", phrases.PRICE, lexicon.money(price), item=item)

    def cells(self) -> None:
        if not self.document.table:
            return
        header, *body = self.document.table
        for line in body:
            for column, value in zip(header[1:], line[1:], strict=True):
                self.ask("cell", phrases.CELL, value, column=column, row=line[0])
                if sum(other.count(value) for other in body) == 1:
                    self.ask("locate", phrases.REVERSE_CELL, line[0], key=header[0], column=column, value=value)

    def locate(self) -> None:
        document = self.document
        for item, price in document.items:
            self.ask("locate", phrases.COSTS, item, price=lexicon.money(price))
        sequence = document.entries or (document.lines if document.by_line and not document.items else ())
        for upper, lower in pairwise(sequence):
            if sequence.count(upper) == sequence.count(lower) == 1:
                self.ask("locate", phrases.BELOW, lower, text=upper)
                self.ask("locate", phrases.ABOVE, upper, text=lower)
        if document.kind == "form":
            names = [name for name, _ in document.fields]
            values = [value for _, value in document.fields]
            self.ask("locate", phrases.FIELD_AT, names[0], place="first")
            self.ask("locate", phrases.FIELD_AT, names[-1], place="last")
            for name, value in document.fields:
                if values.count(value) == 1:
                    self.ask("locate", phrases.FIELD_WITH, name, value=value)
        words = " ".join(document.lines).split()
        if document.kind in ("sign", "letter"):
            for word, after in pairwise(words):
                if words.count(word) == 1:
                    self.ask("locate", phrases.NEXT_WORD, after, word=word.strip(",."))

    def counts(self) -> None:
        document = self.document
        if document.items:
            self.ask("count", phrases.COUNT, str(len(document.items)), things="items")
        elif document.entries:
            self.ask("count", phrases.COUNT, str(len(document.entries)), things="entries")
        elif document.table:
            height, width = len(document.table) - 1, len(document.table[0])
            self.ask("count", phrases.COUNT, str(height), things="rows below the header")
            self.ask("count", phrases.COUNT, str(width), things="columns")
        elif document.kind == "form":
            self.ask("count", phrases.COUNT, str(len(document.fields)), things="fields")
        elif document.kind == "sign":
            words = " ".join(document.lines).split()
            self.ask("count", phrases.COUNT, str(len(words)), things="words")
            if len(words) == 1:
                self.ask("count", phrases.COUNT, str(len(words[0])), things="letters")
        elif document.kind == "plate":
            text = "".join(document.lines)
            self.ask("count", phrases.COUNT, str(sum(c.isdigit() for c in text)), things="digits")
            self.ask("count", phrases.COUNT, str(sum(c.isalpha() for c in text)), things="letters")
        else:
            self.ask("count", phrases.COUNT, str(len(document.lines)), things="lines")

    def exist(self) -> None:
        if self.document.present:
            word, group, longest = self.rng.choice(self.document.present)
            here = self.rng.random() < 0.5
            if not here:
                printed = set(" ".join(self.document.lines).split())
                word = lexicon.absent_word(self.rng, group, printed, longest)
            self.ask("exist", phrases.EXIST, "yes" if here else "no", word=word)

    def compare(self) -> None:
        items = list(self.document.items)
        if len(items) > 1:
            (a, price_a), (b, price_b) = self.rng.sample(items, 2)
            self.ask("compare", phrases.CHEAPER, a if price_a < price_b else b, a=a, b=b)
            ordered = sorted(items, key=lambda item: item[1])
            self.ask("compare", phrases.EXTREME_PRICE, ordered[0][0], most="cheapest")
            self.ask("compare", phrases.EXTREME_PRICE, ordered[-1][0], most="most expensive")
        if self.document.table:
            header, *body = self.document.table
            for i, column in enumerate(header[1:], start=1):
                if column in _QUANTITIES:
                    _, lowest = min((float(line[i]), line[0]) for line in body)
                    _, highest = max((float(line[i]), line[0]) for line in body)
                    slots = {"key": header[0], "column": column}
                    self.ask("compare", phrases.EXTREME_CELL, highest, most="highest", **slots)
                    self.ask("compare", phrases.EXTREME_CELL, lowest, most="lowest", **slots)
                if column == "age":
                    first, second = self.rng.sample(body, 2)
                    older = first if int(first[i]) > int(second[i]) else second
                    self.ask("compare", phrases.OLDER, older[0], a=first[0], b=second[0])


def questions(rng: random.Random, document: Document) -> tuple[Question, ...]:
    """`FEWEST` to `MOST` questions about the document in random order, at most one yes/no question among them."""
    asker = _Asker(rng, document)
    for collect in (asker.read, asker.fields, asker.cells, asker.locate, asker.counts, asker.exist, asker.compare):
        collect()
    asker.ask("kind", phrases.KIND, document.kind)
    # Sorting by u**(1/w) draws without replacement with odds w (Efraimidis and Spirakis, 2006).
    candidates = sorted(asker.candidates, key=lambda question: -(rng.random() ** (1 / _ODDS[question.kind])))
    wanted = rng.randint(FEWEST, MOST)
    chosen: dict[str, Question] = {}
    postponed: list[Question] = []
    taken: dict[str, int] = {}
    for question in candidates:
        taken[question.kind] = taken.get(question.kind, 0) + 1
        if taken[question.kind] > MOST_OF_KIND[question.kind]:
            postponed.append(question)
        else:
            chosen.setdefault(question.text, question)
    for question in postponed:
        if len(chosen) < FEWEST:
            chosen.setdefault(question.text, question)
    asked = list(chosen.values())[:wanted]
    rng.shuffle(asked)
    return tuple(asked)
