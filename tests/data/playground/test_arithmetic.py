"""The world of arithmetic: every answer is computed again from the words alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from omma.data.playground.arithmetic import Arithmetic
from omma.data.playground.base import SPLITS, WORLDS, Question, Scene, Split
from omma.data.playground.language_words import number_word, plural
from omma.data.playground.passages import combination, held_out

WORLD = Arithmetic(Arithmetic.Config())


def scenes(split: Split, count: int) -> Iterator[Scene]:
    return (WORLD.scene(split, index) for index in range(count))


def integers(text: str) -> list[int]:
    return [int(piece) for piece in re.findall(r"\d+", text)]


def mentioned(text: str) -> tuple[str, list[str]]:
    """The asking part and the listed words of "a, b, a: how many a?"."""
    shown, _, ask = text.rpartition(": ")
    return ask, shown.split(", ")


RISING = ("larger", "bigger", "greater", "higher", "largest", "biggest", "greatest", "highest", "more")


def says_more(text: str) -> bool:
    return any(re.search(rf"\b{word}\b", text) for word in RISING)


NUMBER_WORDS = {number_word(n): n for n in range(100)}


def solve(question: Question) -> str | None:
    """The answer to a question that stands alone, from its text; None for kinds that need group knowledge."""
    text, kind = question.text.lower(), question.kind
    n = integers(text)
    match kind:
        case "add" | "digit_sum":
            return str(sum(n))
        case "subtract":
            return str(max(n) - min(n))
        case "difference":
            return str(abs(n[0] - n[1]))
        case "compare":
            return str(max(n) if says_more(text) else min(n))
        case "greater":
            return "yes" if (n[0] > n[1] if says_more(text) else n[0] < n[1]) else "no"
        case "succession":
            if "between" in text:
                return str((n[0] + n[1]) // 2)
            return str(n[0] - 1 if "before" in text or "less" in text else n[0] + 1)
        case "order":
            rising = bool(re.search("from small|rising|ascending", text))
            return ", ".join(map(str, sorted(n, reverse=not rising)))
        case "sequence":
            return str(n[-1] + n[-1] - n[-2])
        case "half":
            return str(n[0] // 2)
        case "double":
            return str(n[0] * 2)
        case "parity":
            name = "odd" if n[0] % 2 else "even"
            return name if " or " in text else "yes" if re.search(rf"\b{name}\b", text) else "no"
        case "digits":
            number = str(n[0])
            for cue, answer in (
                ("first", number[0]), ("last", number[-1]), ("second", number[1]), ("how many", str(len(number))),
                ("one by one", " ".join(number)), ("backwards", number[::-1]),
            ):  # fmt: skip
                if cue in text:
                    return answer
        case "copy":
            return question.text.split(": ", 1)[1]
        case "number_word":
            said = [NUMBER_WORDS[w] for w in re.findall("[a-z-]+", text) if w in NUMBER_WORDS]
            return number_word(n[0]) if n else str(said[0])
        case "count":
            ask, words = mentioned(text)
            if "words" in ask:
                return str(len(words))
            target = [word for word in set(words) if plural(word) in ask]
            named = re.search(r"(?:many|the) ([a-z ]+?)(?: are there)?[?.]", ask)
            if named and named[1] in ("pieces of fruit", "animals", "vehicles", "clothes", "tools"):
                return None
            return str(words.count(target[0])) if target else "0"
    raise AssertionError(f"no rule for {question}")


@pytest.mark.parametrize("split", SPLITS)
def test_standalone_answers_follow_from_their_text(split: Split) -> None:
    seen: Counter[str] = Counter()
    for scene in scenes(split, 1500):
        if scene.facts["family"] not in ("standalone", "worked"):
            continue
        for question in scene.questions:
            expected = solve(question)
            if expected is not None:
                assert question.answer == expected, question
                seen[question.kind] += 1
    assert len(seen) == 16


def cents(text: str) -> list[int]:
    return [100 * int(whole) + int(part) for whole, part in re.findall(r"(\d+)\.(\d\d)", text)]


def money(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


def test_prices_follow_from_the_description() -> None:
    asked = 0
    for scene in scenes("train", 3000):
        if scene.facts["family"] != "prices":
            continue
        words = re.findall(r"([a-z]+) (?:costs |is )?(\d+\.\d\d)", scene.description.lower())
        cost = {thing: cents(price)[0] for thing, price in words}
        for q in scene.questions:
            text = q.text.lower()
            named = [w for w in re.findall("[a-z]+", text) if w in cost]
            if q.kind == "price":
                thing = named[0] if named else q.answer
                assert cost[thing] == cents(text + " " + q.answer)[0], q
            elif q.kind == "price_compare":
                low = any(w in text for w in ("cheap", "less", "least"))
                assert q.answer == (min if low else max)(named or cost, key=lambda t: cost[t]), q
            elif q.kind == "ranking":
                assert q.answer == ", ".join(sorted(cost, key=lambda t: cost[t], reverse="most to" in text)), q
            elif q.kind == "greater":
                assert q.answer == ("yes" if cost[named[0]] > cost[named[1]] else "no"), q
            elif "change" in text:
                assert q.answer == money(cents(text)[0] - cost[named[0]]), q
            elif "more" in text:
                assert q.answer == money(cost[named[0]] - cost[named[1]]), q
            else:
                assert q.answer == money(sum(cost[t] for t in named or cost)), q
            asked += 1
    assert asked > 500


def test_rows_lists_tallies_and_stories_follow_from_the_description() -> None:
    families: Counter[str] = Counter()
    ordinals = ("first", "second", "third", "fourth", "fifth")
    for scene in scenes("fresh", 3000):
        family, said = scene.facts["family"], scene.description.lower()
        for q in scene.questions:
            text, expected = q.text.lower(), None
            if family == "row":
                numbers = integers(said)
                nth = next((i for i, w in enumerate(ordinals) if w in text), -1)
                limit = integers(text)
                expected = {
                    "compare": str(max(numbers) if says_more(text) else min(numbers)),
                    "position": str(numbers[nth]),
                    "order": ", ".join(map(str, sorted(numbers))),
                    "copy": ", ".join(map(str, numbers)),
                    "parity": str(sum(n % 2 == ("odd" in text) for n in numbers)),
                    "count": str(sum(n > limit[0] for n in numbers) if limit else len(numbers)),
                    "lookup": "yes" if limit and limit[0] in numbers else "no",
                }[q.kind]
            elif family == "tally":
                have = {m[1]: int(m[2]) for m in re.finditer(r"([a-z]+)(?: has)? (\d+)", said)}
                named = [w for w in re.findall("[a-z]+", text) if w in have]
                if q.kind == "most":
                    expected = (max if "most" in text else min)(have, key=lambda w: have[w])
                elif q.kind == "lookup":
                    who = {n: w for w, n in have.items()}
                    expected = str(have[named[0]]) if named else who[integers(text)[0]]
                elif q.kind == "ranking":
                    expected = ", ".join(sorted(have, key=lambda w: have[w], reverse="most to" in text))
                elif q.kind == "greater":
                    expected = "yes" if have[named[0]] > have[named[1]] else "no"
                else:
                    a, b = (have[w] for w in named)
                    expected = str(a + b if q.kind == "add" else a - b)
            elif family == "story" and q.kind == "story":
                start, change = integers(said)
                gain = bool(re.search(r"\bmore\b", said))
                after = start + change if gain else start - change
                expected = ("more" if gain else "fewer") if "fewer" in text else str(after)
            elif family == "word list":
                words = re.split(r", ", re.sub(r".*(?:: |down )", "", said).rstrip("."))
                asked = re.search(r"often is (\w+)|list say (\w+)", text)
                nth = next((i for i, w in enumerate(ordinals) if w in text), -1)
                if q.kind == "position":
                    expected = words[nth]
                elif asked:
                    expected = str(words.count(asked[1] or asked[2]))
                else:
                    expected = str(len(set(words)) if "different" in text else len(words))
            if expected is not None:
                families[family] += 1
                assert q.answer == expected, (said, q)
    assert set(families) == {"row", "tally", "story", "word list"} and min(families.values()) > 200


BINARY = {"add", "subtract", "difference", "greater", "compare"}


def operand_pairs(scene: Scene) -> set[str]:
    """Pairs of operands of the questions of two numbers, read from the text."""
    pairs = set()
    for question in scene.questions:
        numbers = integers(question.text)
        if scene.facts["family"] == "standalone" and question.kind in BINARY and len(numbers) == 2:
            low, high = sorted(numbers)
            if high >= 10:
                pairs.add(combination(low, high))
    return pairs


def test_held_out_pairs_occur_only_in_the_compositional_split() -> None:
    for split in ("train", "fresh"):
        assert not any(held_out(pair) for scene in scenes(split, 1500) for pair in operand_pairs(scene))
    alone = [s for s in scenes("compositional", 600) if s.facts["family"] == "standalone"]
    assert all(any(map(held_out, operand_pairs(scene))) for scene in alone)


def test_two_sided_answers_are_balanced() -> None:
    answers: dict[str, Counter[str]] = {}
    for scene in scenes("train", 9000):
        for question in scene.questions:
            if question.answer in ("yes", "no", "even", "odd"):
                key = "yes_no" if question.answer in ("yes", "no") else "parity"
                answers.setdefault(key, Counter())[question.answer] += 1
    for counts in answers.values():
        assert max(counts.values()) / counts.total() < 0.58
    counted = Counter(q.answer for s in scenes("train", 4000) for q in s.questions if q.kind == "count")
    assert max(counted.values()) / counted.total() < 0.3


def test_scenes_are_words_only_and_never_empty() -> None:
    for split in SPLITS:
        for index, scene in enumerate(scenes(split, 300)):
            assert scene.id == f"arithmetic/{split}/{index}"
            assert scene.images == () and scene.boxes == () and scene.words == ()
            assert scene.caption and scene.questions
            assert all(q.text and q.answer and q.kind for q in scene.questions)


def test_refuses_unknown_splits_and_negative_indices() -> None:
    with pytest.raises(ValueError, match="unknown split"):
        WORLD.scene("test", 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 or more"):
        WORLD.scene("train", -1)


def test_scenes_stay_what_they_are() -> None:
    assert WORLDS.get("arithmetic", where="test") is Arithmetic
    text = "\n".join(
        f"{s.id}|{s.description}|{s.caption}|{[(q.text, q.answer, q.kind) for q in s.questions]}"
        for split in SPLITS
        for s in scenes(split, 25)
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ee022a1adcf464b8"
