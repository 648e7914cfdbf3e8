"""Lists and tables of words to copy and look up in. See `Recall`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

from omma.data.playground import lexicon
from omma.data.playground.base import WORLDS, Question, Scene, Split, World
from omma.data.playground.passages import Family, Passage, combination, words_scene

_LEXICON = tuple(dict.fromkeys(word for group in lexicon.GROUPS.values() for word in group))
_NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

ITEMS: tuple[tuple[Callable[[random.Random], str], int], ...] = (
    (lambda rng: rng.choice(_LEXICON), 6),
    (lexicon.pseudo_word, 3),
    (lambda rng: str(rng.randint(0, 99)), 2),
    (lambda rng: lexicon.money(lexicon.cents(rng)), 1),
    (lexicon.date, 1),
    (lexicon.phone, 1),
    (lambda rng: lexicon.code(rng, rng.choice(("a0a", "aa0", "000", "a-00"))), 1),
)
"""What lists are made of, and how often."""


def distinct_items(rng: random.Random, count: int, *, mixed: bool, beside: Sequence[str] = ()) -> list[str]:
    """``count`` items, all of one kind unless ``mixed``.

    None is another or a word of another ("14" and "14 mar"), nor of those ``beside`` them: each can be asked for by what
    it says.
    """
    makers, weights = zip(*ITEMS, strict=True)
    make = rng.choices(makers, weights)[0]
    found: list[str] = []
    while len(found) < count:
        item = (rng.choices(makers, weights)[0] if mixed else make)(rng)
        if not any(_within(item, other) or _within(other, item) for other in (*found, *beside)):
            found.append(item)
    return found


def _within(part: str, whole: str) -> bool:
    return f" {part} " in f" {whole} "


def line(rng: random.Random) -> Passage:
    """A list in a row: repeat it or a part of it, and say what stands where, and next to what."""
    # The one to spare is of the same kind as the list, so what is asked for does not tell whether it is there.
    *items, absent = distinct_items(rng, rng.randint(3, 12) + 1, mixed=rng.random() < 0.5)
    spaced = any(" " in item for item in items)
    sign = rng.choice((", ", "; ", " / ") if spaced else (" ", ", ", "; ", " / "))
    shown = sign.join(items)
    description = rng.choice((f"{shown}.", f"list: {shown}.", f"here is a list: {shown}.", f"remember: {shown}."))
    at, half = rng.randrange(len(items) - 1), rng.randint(2, len(items) - 1)
    nth = rng.randrange(min(len(items), len(_NTH)))
    there = rng.random() < 0.5
    sought = rng.choice(items) if there else absent
    questions = [
        Question(rng.choice(("repeat the list.", "say it again.", "copy it.", "the whole list?")), shown, "copy"),
        Question(f"the first {half} of the list?", sign.join(items[:half]), "copy"),
        Question(f"go on after {items[at]}.", sign.join(items[at + 1 :]), "copy"),
        Question(
            rng.choice((f"what comes after {items[at]}?", f"which one follows {items[at]}?")), items[at + 1], "after"
        ),
        Question(
            rng.choice((f"what comes before {items[at + 1]}?", f"which one precedes {items[at + 1]}?")),
            items[at],
            "before",
        ),
        Question(rng.choice((f"what is the {_NTH[nth]}?", f"which one is {_NTH[nth]}?")), items[nth], "position"),
        Question(rng.choice(("what is the last?", "which one is last?")), items[-1], "position"),
        Question(
            rng.choice((f"is {sought} in the list?", f"does the list have {sought}?")),
            "yes" if there else "no",
            "lookup",
        ),
    ]
    rng.shuffle(questions)
    return Passage(description, "a list", questions, [combination(a, b) for a, b in pairwise(items)])


def table(rng: random.Random) -> Passage:
    """Names with values: give the value of a name, the name of a value, all of them."""
    count = rng.randint(2, 8)
    names = distinct_items(rng, count, mixed=rng.random() < 0.3)
    # A name that is also a value would make both ambiguous.
    values = distinct_items(rng, count, mixed=rng.random() < 0.5, beside=names)
    spaced = any(" " in item for item in (*names, *values))
    joint = rng.choice((": ", " = ", " is ") if spaced else (": ", " ", " = ", " is "))
    end = rng.choice((". ", ", ", "\n"))
    rows = [f"{name}{joint}{value}" for name, value in zip(names, values, strict=True)]
    shown = end.join(rows)
    asked = rng.sample(range(count), min(count, 4))
    by_name = rng.choice(("what is {}?", "{}?", "what goes with {}?", "find {}."))
    by_value = rng.choice(("which one has {}?", "where is {}?", "who has {}?"))
    questions = [Question(by_name.format(names[i]), values[i], "lookup") for i in asked[:3]]
    questions += [Question(by_value.format(values[i]), names[i], "reverse") for i in asked[1:]]
    questions.append(Question(rng.choice(("repeat it.", "say all of it again.")), shown, "copy"))
    rng.shuffle(questions)
    pairs = [combination(name, value) for name, value in zip(names, values, strict=True)]
    return Passage(shown if end == "\n" else f"{shown}.", "a table", questions, pairs)


@WORLDS.register("recall")
class Recall(World):
    """Lists and tables of unconnected words, numbers and codes, in words only (`Scene.images` is empty).

    Nothing can be guessed, only found in the text: a language model that learns it first has the attention that copies
    and looks up (induction heads, arXiv 2209.11895) before it meets passages whose answers can half be guessed. The
    held-out combinations are pairs of neighbours in a list, and of name and value in a table.

    Question kinds: copy, after, before, position, lookup, reverse.
    """

    name = "recall"

    FAMILIES = {"line": Family(line, 1, cased=False), "table": Family(table, 1, cased=False)}

    def scene(self, split: Split, index: int) -> Scene:
        return words_scene(self.name, split, index, self.FAMILIES)
