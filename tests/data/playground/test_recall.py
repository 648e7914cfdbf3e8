"""The world of recall: every answer is looked up again in the words alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise, permutations

import pytest

from omma.data.playground.base import SPLITS, WORLDS, Question, Scene, Split
from omma.data.playground.passages import combination, held_out
from omma.data.playground.recall import Recall

WORLD = Recall(Recall.Config())
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@lru_cache(maxsize=3)
def scenes(split: Split) -> list[Scene]:
    return [WORLD.scene(split, index) for index in range(1500)]


def family(name: str, *splits: Split) -> Iterator[Scene]:
    return (scene for split in splits for scene in scenes(split) if scene.facts["family"] == name)


def listed(description: str) -> tuple[list[str], str]:
    """The items of a list, and the sign between them."""
    shown = re.sub("^(?:here is a list|list|remember): ", "", description).removesuffix(".")
    sign = next(sign for sign in ("; ", " / ", ", ", " ") if sign in shown)
    return shown.split(sign), sign


def tabled(description: str) -> tuple[list[tuple[str, str]], str]:
    """The rows of a table as (name, value), and what it shows without the full stop."""
    shown = description.removesuffix(".")
    end = next(end for end in ("\n", ". ", ", ") if end in shown)
    joint = next(joint for joint in (" = ", ": ", " is ", " ") if joint in shown)
    rows = [row.split(joint) for row in shown.split(end)]
    return [(name, value) for name, value in rows], shown


def in_list(items: list[str], sign: str, question: Question) -> str:
    text = question.text
    for pattern in (
        "go on after (.+)[.]", "what comes after (.+)[?]", "which one follows (.+)[?]", "what comes before (.+)[?]",
        "which one precedes (.+)[?]", "is (.+) in the list[?]", "does the list have (.+)[?]",
    ):  # fmt: skip
        if match := re.fullmatch(pattern, text):
            if question.kind == "lookup":
                return "yes" if match[1] in items else "no"
            at = items.index(match[1])
            if question.kind == "copy":
                return sign.join(items[at + 1 :])
            return items[at + 1] if question.kind == "after" else items[at - 1]
    if match := re.fullmatch(r"the first (\d+) of the list[?]", text):
        return sign.join(items[: int(match[1])])
    if match := re.fullmatch("(?:what is the|which one is) ([a-z]+)[?]", text):
        return items[-1] if match[1] == "last" else items[ORDINALS.index(match[1])]
    assert text in ("repeat the list.", "say it again.", "copy it.", "the whole list?"), question
    return sign.join(items)


def in_table(rows: list[tuple[str, str]], shown: str, question: Question) -> str:
    if question.kind == "copy":
        return shown
    thing = re.sub("^(?:what is|what goes with|find|which one has|where is|who has) ", "", question.text)[:-1]
    return dict(rows)[thing] if question.kind == "lookup" else {value: name for name, value in rows}[thing]


@pytest.mark.parametrize("split", SPLITS)
def test_answers_follow_from_the_description(split: Split) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for scene in scenes(split):
        name = scene.facts["family"]
        assert scene.caption == f"a {'list' if name == 'line' else name}"
        for question in scene.questions:
            if name == "line":
                expected = in_list(*listed(scene.description), question)
            else:
                expected = in_table(*tabled(scene.description), question)
            assert question.answer == expected, (scene.description, question)
            seen[name, question.kind] += 1
    assert set(seen) == {
        *(("line", kind) for kind in ("copy", "after", "before", "position", "lookup")),
        *(("table", kind) for kind in ("copy", "lookup", "reverse")),
    }  # fmt: skip


def test_nothing_asked_for_is_part_of_something_else() -> None:
    """Not "14" in a list with "14 mar", nor a name of a table that is also a value."""
    for scene in family("line", *SPLITS):
        items = listed(scene.description)[0]
        absent = [
            re.findall("(?:is|have) (.+?)(?: in the list)?[?]", q.text)[0] for q in scene.questions if q.answer == "no"
        ]
        for a, b in permutations([*items, *absent], 2):
            assert f" {a} " not in f" {b} ", (items, absent)
    for scene in family("table", *SPLITS):
        rows, _ = tabled(scene.description)
        for a, b in permutations([item for row in rows for item in row], 2):
            assert f" {a} " not in f" {b} ", rows


def test_what_is_not_there_is_of_the_kind_of_what_is() -> None:
    """A list of numbers is asked about numbers: otherwise a question would answer itself."""
    answers: Counter[str] = Counter()
    for scene in family("line", *SPLITS):
        if all(re.fullmatch(r"\d\d?", item) for item in listed(scene.description)[0]):
            asked = [question for question in scene.questions if question.kind == "lookup"]
            answers.update(question.answer for question in asked)
            assert all(re.search(r"(is|have) \d\d?\b[^.]", question.text) for question in asked), asked
    assert min(answers["yes"], answers["no"]) > 20


def test_held_out_pairs_occur_only_in_the_compositional_split() -> None:
    for split in SPLITS:
        for scene in scenes(split):
            if scene.facts["family"] == "line":
                pairs = [combination(a, b) for a, b in pairwise(listed(scene.description)[0])]
            else:
                pairs = [combination(name, value) for name, value in tabled(scene.description)[0]]
            assert any(map(held_out, pairs)) == (split == "compositional"), scene.description


def test_no_prior_pays() -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for scene in scenes("train"):
        for question in scene.questions:
            kind = "exist" if question.answer in ("yes", "no") else question.kind
            answers[kind][question.answer] += 1
    assert 0.45 < answers["exist"]["yes"] / answers["exist"].total() < 0.55
    for kind, counts in answers.items():
        assert kind == "exist" or max(counts.values()) / counts.total() < 0.02, kind


def test_scenes_are_words_only_and_questions_differ() -> None:
    for split in SPLITS:
        for index, scene in enumerate(scenes(split)):
            assert scene.id == f"recall/{split}/{index}"
            assert scene.images == () and scene.boxes == () and scene.words == ()
            texts = [question.text for question in scene.questions]
            assert 3 <= len(texts) <= 8 and len(set(texts)) == len(texts)
            assert all(question.answer for question in scene.questions)


def test_refuses_unknown_splits_and_negative_indices() -> None:
    with pytest.raises(ValueError, match="unknown split"):
        WORLD.scene("test", 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 or more"):
        WORLD.scene("train", -1)


def test_scenes_stay_what_they_are() -> None:
    assert WORLDS.get("recall", where="test") is Recall
    text = "\n".join(
        f"{s.id}|{s.description}|{s.caption}|{[(q.text, q.answer, q.kind) for q in s.questions]}"
        for split in SPLITS
        for s in scenes(split)[:25]
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "763474158a8f27f1"
