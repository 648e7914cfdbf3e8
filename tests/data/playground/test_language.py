"""The world of language: what holds for all its scenes, and its questions that stand alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from omma.data.playground.base import SPLITS, WORLDS, Scene, Split
from omma.data.playground.language import Language
from omma.data.playground.language_knowledge import RELATIONS
from omma.data.playground.language_words import GROUPS, PLAIN_WORDS, article, plural
from omma.data.playground.passages import held_out, sentence_case

WORLD = Language(Language.Config())


def scenes(split: Split, count: int) -> Iterator[Scene]:
    return (WORLD.scene(split, index) for index in range(count))


def test_scenes_are_words_only_and_never_empty() -> None:
    for split in SPLITS:
        seen = set()
        for index, scene in enumerate(scenes(split, 700)):
            seen.add(scene.facts["family"])
            assert scene.id == f"language/{split}/{index}"
            assert scene.images == () and scene.boxes == () and scene.words == ()
            assert scene.caption and scene.questions
            for question in scene.questions:
                assert question.text and question.answer and question.kind
                assert "{" not in question.text + question.answer
            texts = [q.text for q in scene.questions]
            assert len(set(texts)) == len(texts), scene
        expected = {name for name, family in WORLD.FAMILIES.items() if family.combines or split != "compositional"}
        assert seen == expected


def test_yes_and_no_true_and_false_are_balanced_in_every_kind_and_family() -> None:
    answers: dict[tuple[str, str], Counter[str]] = {}
    for scene in scenes("train", 5000):
        for q in scene.questions:
            if q.answer in ("yes", "no", "true", "false"):
                counts = answers.setdefault((scene.facts["family"], q.kind), Counter())
                counts["yes" if q.answer in ("yes", "true") else "no"] += 1
    for key, counts in answers.items():
        # Four standard deviations of a fair coin: a bias of a tenth would show in 400 answers.
        assert abs(counts["yes"] - counts["no"]) <= 4 * counts.total() ** 0.5, (key, counts)
    assert len(answers) >= 8


def test_about_one_question_in_twenty_about_a_passage_has_no_answer() -> None:
    kinds = Counter(q.answer == "i do not know" for s in scenes("train", 3000) if s.description for q in s.questions)
    assert 0.02 < kinds[True] / kinds.total() < 0.08


def test_held_out_wordings_of_facts_occur_only_in_the_compositional_split() -> None:
    def asked(scene: Scene) -> set[str]:
        return {q.text.lower() for q in scene.questions}

    wording = "what is the opposite of {s}?"
    opposites = next(r for r in RELATIONS if r.name == "opposite").facts
    barred = {wording.format(s=s) for s in opposites if held_out(f"{s} | {wording}")}
    assert barred
    for split in ("train", "fresh"):
        assert not any(asked(scene) & barred for scene in scenes(split, 2500))
    assert any(asked(scene) & barred for scene in scenes("compositional", 2000))


def test_tasks_with_words_and_letters() -> None:
    seen: Counter[str] = Counter()
    ordinal = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
    for scene in scenes("train", 4000):
        if scene.facts["family"] != "tasks":
            continue
        for q in scene.questions:
            head, _, payload = q.text.partition(": ")
            items = payload.rstrip("?").split(", ")
            expected = None
            if q.kind == "spell":
                assert q.answer.replace(" ", "") in q.text
            elif q.kind == "join":
                assert " ".join(q.answer) in q.text
            elif q.kind == "repeat":
                expected = payload
            elif q.kind == "reverse":
                expected = ", ".join(items[::-1])
            elif q.kind == "case":
                expected = payload.upper() if "capital" in head or "upper" in head else payload.lower()
            elif q.kind == "count":
                expected = str(len(payload.split()))
            elif q.kind == "sort":
                expected = ", ".join(sorted(items))
            elif q.kind == "letters":
                word = q.text.rstrip("?").removesuffix(" have").split()[-1]
                nth = next((i for cue, i in ordinal.items() if cue in q.text), 0)
                expected = str(len(word)) if "how many" in q.text else word[nth]
            elif q.kind == "pick" and "comes" in payload:
                line, given = head.split(), payload.rstrip("?").split()[-1]
                expected = line[line.index(given) + (1 if "after" in payload else -1)]
            elif q.kind == "pick":
                expected = payload.split()[next(i for cue, i in ordinal.items() if cue in head)]
            elif q.kind == "edit" and head.startswith("leave out"):
                expected = ", ".join(w for w in items if w != head.split()[-1])
            elif q.kind == "edit":
                new, old = head.split()[1], head.split()[-1]
                expected = ", ".join(new if w == old else w for w in items)
            elif q.kind == "yes_no" and "list" in head:
                expected = "yes" if head.split()[1] in items else "no"
            elif q.kind == "yes_no":
                letter, word = re.findall(r"letter (.)", q.text)[0], re.findall(r" in (\w+)|does (\w+)", q.text)[0]
                expected = "yes" if letter in "".join(word) else "no"
            elif q.kind == "rewrite":
                kept = [w for w in q.answer.replace("-", " ").replace(",", " ").rstrip(".").split() if w != "and"]
                assert all(word in q.text for word in kept)
            if expected is not None:
                assert q.answer == expected, q
            seen[q.kind] += 1
    assert len(seen) >= 12 and min(seen.values()) > 15


def test_groups_and_words_are_consistent() -> None:
    owner = [word for group in GROUPS.values() for word in group]
    assert len(owner) == len(set(owner)), "a word in two groups could not be sorted"
    assert len(set(PLAIN_WORDS)) == len(PLAIN_WORDS)
    assert all(word.isalpha() and word.islower() for word in PLAIN_WORDS)
    assert sum(len(relation.facts) for relation in RELATIONS) > 250
    words = {w for s in scenes("train", 4000) for q in s.questions for w in f"{s.description} {q.text}".lower().split()}
    assert len({w for w in words if w.isalpha()}) > 1000


@pytest.mark.parametrize(
    ("noun", "many"), [("box", "boxes"), ("cherry", "cherries"), ("key", "keys"), ("knife", "knives"), ("toy", "toys")]
)
def test_plural(noun: str, many: str) -> None:
    assert plural(noun) == many


def test_articles_and_sentence_case() -> None:
    assert article("apple") == "an apple" and article("horse") == "a horse"
    assert sentence_case("on monday ann sang. then i left!") == "On Monday Ann sang. Then I left!"


def test_scenes_stay_what_they_are() -> None:
    assert WORLDS.get("language", where="test") is Language
    text = "\n".join(
        f"{s.id}|{s.description}|{s.caption}|{[(q.text, q.answer, q.kind) for q in s.questions]}"
        for split in SPLITS
        for s in scenes(split, 40)
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ee42aa80915ef366"
