"""Questions about a layout of digits, each kind with its phrasings and its balance."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.digits_layout import Layout, article

Maker = Callable[[Layout, random.Random], tuple[str, str] | None]

_READ_SINGLE = (
    "what digit is this?", "which digit is written here?", "read the digit.", "what number is written?",
    "which number do you see?", "what does the handwriting say?", "name the handwritten digit.", "what is written here?",
)  # fmt: skip
_READ_NUMBER = (
    "what number is written?", "which number do you see?", "read the number.", "what is the handwritten number?",
    "what number is this?", "write down the number.", "which number is shown?", "what number do the digits form?",
)  # fmt: skip
_READ_DIGITS = (
    "read the digits {order}.", "which digits are written {order}?", "list the digits {order}.",
    "what are the digits {order}?", "name all digits {order}.", "give the digits {order}.", "spell out the digits {order}.",
    "{order}, which digits do you see?",
)  # fmt: skip
_POSITION = (
    "what is the {name}?", "which digit is the {name}?", "read the {name}.", "name the {name}.", "tell me the {name}.",
    "can you read the {name}?", "the {name} is which?", "what does the {name} say?",
)  # fmt: skip
_NEXT_TO = (
    "which digit is {how} the {digit}?", "what stands {how} the {digit}?", "what digit comes {how} the {digit}?",
    "name the digit {how} the {digit}.", "read the digit {how} the {digit}.", "what is {how} the {digit}?",
    "which number is written {how} the {digit}?", "look {how} the {digit}: which digit is there?",
)  # fmt: skip
_WHERE = (
    "where is the {digit}?", "where do you see the {digit}?", "in which place is the {digit}?", "find the {digit}.",
    "locate the {digit}.", "where does the {digit} stand?", "what is the place of the {digit}?",
    "which part of the picture has the {digit}?",
)  # fmt: skip
_COUNT_ALL = (
    "how many digits are there?", "count the digits.", "how many digits do you see?", "what is the number of digits?",
    "how many handwritten digits are in the picture?", "how many digits are written?", "tell me how many digits there are.",
    "how many digits are shown?",
)  # fmt: skip
_COUNT_ONE = (
    "how many {digit}s are there?", "count the {digit}s.", "how many times is {digit} written?", "how often do you see a {digit}?",
    "how many of the digits are {digit}?", "what is the number of {digit}s?", "how many {digit}s do you see?",
    "how often does {digit} appear?",
)  # fmt: skip
_COUNT_ABOVE = (
    "how many digits are larger than {limit}?", "how many digits are above {limit}?", "count the digits larger than {limit}.",
    "how many digits are greater than {limit}?", "how many of the digits are over {limit}?", "count the digits above {limit}.",
    "how many digits exceed {limit}?", "what is the number of digits larger than {limit}?",
)  # fmt: skip
_SUM_ALL = (
    "what is the sum of all digits?", "add all the digits.", "what do the digits add up to?", "what is the total of the digits?",
    "add up the digits: what do you get?", "what is the sum?", "sum the digits.", "how much is it all together?",
)  # fmt: skip
_SUM_TWO = (
    "what is the {one} plus the {two}?", "add the {one} and the {two}.", "what is the sum of the {one} and the {two}?",
    "how much are the {one} and the {two} together?", "sum the {one} and the {two}.", "what do the {one} and the {two} add up to?",
    "what is the total of the {one} and the {two}?", "the {one} plus the {two} is what?",
)  # fmt: skip
_EXTREME = (
    "what is the {most} digit?", "which digit is the {most}?", "name the {most} digit.", "what is the {most} number written?",
    "find the {most} digit.", "tell me the {most} digit.", "which is the {most} of the digits?",
    "among the digits, which is the {most}?",
)  # fmt: skip
_EXIST = (
    "is there {a} {digit}?", "do you see {a} {digit}?", "is {a} {digit} written here?", "does {a} {digit} appear?",
    "can you find {a} {digit}?", "is one of the digits {a} {digit}?", "is the digit {digit} in the picture?",
    "does the picture show {a} {digit}?",
)  # fmt: skip
_COMPARE = (
    "which is {more}, the {one} or the {two}?", "of the {one} and the {two}, what is the {more}?",
    "what is the {more} of the {one} and the {two}?", "compare the {one} and the {two}: what is the {more}?",
    "between the {one} and the {two}, which is {more}?", "name the {more} of the {one} and the {two}.",
    "tell me the {more}: the {one} or the {two}.", "the {one} or the {two}: which is {more}?",
)  # fmt: skip
_SIDES = (
    "which is {more}, the left or the right digit?", "is the {more} digit on the left or on the right?",
    "on which side is the {more} digit, left or right?", "left or right: which digit is {more}?",
    "which side has the {more} digit, left or right?", "where is the {more} digit, left or right?",
    "which of the two digits is {more}, left or right?", "the {more} digit is left or right?",
)  # fmt: skip
_PARITY = (
    "is the {name} even or odd?", "even or odd: what is the {name}?", "is the {name} odd or even?",
    "tell me if the {name} is even or odd.", "what is the parity of the {name}, even or odd?",
    "does the {name} count as even or odd?", "the {name}: even or odd?", "would you call the {name} even or odd?",
)  # fmt: skip
_STEP = (
    "what is the {name} {step}?", "what do you get for the {name} {step}?", "how much is the {name} {step}?",
    "take the {name} {step}: what is the result?", "compute the {name} {step}.", "work out the {name} {step}.",
    "give the {name} {step}.", "what number is the {name} {step}?",
)  # fmt: skip


def _read(layout: Layout, rng: random.Random) -> tuple[str, str]:
    digits = list(map(str, layout.digits))
    if layout.name == "single":
        return rng.choice(_READ_SINGLE), digits[0]
    if layout.name == "row" and rng.random() < 0.6:
        return rng.choice(_READ_NUMBER), "".join(digits)
    if layout.name == "column":
        order = rng.choice(["from top to bottom", "from top to bottom", "from bottom to top"])
        digits = digits[::-1] if "bottom to" in order else digits
    elif layout.name == "grid":
        rows = layout.rows()
        row = rng.randrange(len(rows))
        name = "top" if row == 0 else "bottom" if row == len(rows) - 1 else "middle"
        order, digits = f"in the {name} row", list(map(str, rows[row]))
    elif layout.name == "scatter":
        order, digits = "from smallest to largest", sorted(digits)
    else:
        order = rng.choice(["from left to right", "from left to right", "from right to left"])
        digits = digits[::-1] if "right to" in order else digits
    return rng.choice(_READ_DIGITS).format(order=order), " ".join(digits)


def _position(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    once = [(i, j, how) for i, j, how in layout.neighbours() if layout.name not in ("sum", "scatter")]
    asked = [
        (layout.digits[i], layout.digits[j], how) for i, j, how in once if layout.digits.count(layout.digits[i]) == 1
    ]
    asked += [
        (layout.digits[j], layout.digits[i], "left of" if how == "right" else "above")
        for i, j, how in once
        if layout.digits.count(layout.digits[j]) == 1
    ]
    if asked and rng.random() < 0.4:
        digit, answer, how = rng.choice(asked)
        how = rng.choice(["right of", "to the right of"]) if how == "right" else how
        return rng.choice(_NEXT_TO).format(how=how, digit=digit), str(answer)
    i = rng.randrange(len(layout.digits))
    names = layout.names(i)
    return (rng.choice(_POSITION).format(name=rng.choice(names)), str(layout.digits[i])) if names else None


def _where(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    unique = [i for i, digit in enumerate(layout.digits) if layout.digits.count(digit) == 1]
    if layout.name not in ("grid", "scatter") or not unique:
        return None
    i = rng.choice(unique)
    return rng.choice(_WHERE).format(digit=layout.digits[i]), layout.place(i)


def _count(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    if rng.random() < 0.4:
        return rng.choice(_COUNT_ALL), str(len(layout.digits))
    if len(layout.digits) < 2:
        return None
    if rng.random() < 0.5:
        limit = rng.randint(2, 6)
        return rng.choice(_COUNT_ABOVE).format(limit=limit), str(sum(digit > limit for digit in layout.digits))
    counts = {digit: layout.digits.count(digit) for digit in range(10)}
    # A count is drawn first, then a digit with that count: otherwise most answers were 0.
    count = rng.choice(sorted(set(counts.values())))
    digit = rng.choice([digit for digit, c in counts.items() if c == count])
    return rng.choice(_COUNT_ONE).format(digit=digit), str(count)


def _sum(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    if len(layout.digits) < 2:
        return None
    if len(layout.digits) <= 4 and sum(layout.digits) <= 20 and (len(layout.digits) == 2 or rng.random() < 0.5):
        return rng.choice(_SUM_ALL), str(sum(layout.digits))
    i, j = rng.sample(range(len(layout.digits)), 2)
    one, two = rng.choice(layout.names(i)), rng.choice(layout.names(j))
    return rng.choice(_SUM_TWO).format(one=one, two=two), str(layout.digits[i] + layout.digits[j])


def _extreme(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    n = len(layout.digits)
    largest = rng.random() < 0.5
    answer = max(layout.digits) if largest else min(layout.digits)
    rank = answer if largest else 9 - answer
    # Of several digits the largest is mostly 9: such scenes are asked less often, so that 9 is not the answer to guess.
    if n < 2 or rng.random() > 0.1 / (((rank + 1) ** n - rank**n) / 10**n):
        return None
    word = rng.choice(["largest", "biggest", "highest"] if largest else ["smallest", "lowest"])
    if layout.name not in ("row", "sum") and word in ("highest", "lowest"):
        word = (
            "largest" if largest else "smallest"
        )  # where digits stand above each other, the others could mean the place
    return rng.choice(_EXTREME).format(most=word), str(answer)


def _exist(layout: Layout, rng: random.Random) -> tuple[str, str]:
    present = set(layout.digits)
    yes = rng.random() < 0.5
    digit = rng.choice([d for d in range(10) if (d in present) == yes])
    return rng.choice(_EXIST).format(a=article(digit), digit=digit), "yes" if yes else "no"


def _compare(layout: Layout, rng: random.Random) -> tuple[str, str] | None:
    if len(set(layout.digits)) < 2:
        return None
    larger = rng.random() < 0.5
    more = rng.choice(["larger", "bigger"]) if larger else "smaller"
    if layout.name in ("row", "sum") and len(layout.digits) == 2 and rng.random() < 0.4:
        left, right = layout.digits
        return rng.choice(_SIDES).format(more=more), "left" if (left > right) == larger else "right"
    i, j = rng.sample(range(len(layout.digits)), 2)
    a, b = layout.digits[i], layout.digits[j]
    if a == b or rng.random() > 4 / (2 * (max(a, b) if larger else 9 - min(a, b))):
        return None  # the larger of two digits is seldom small: thin out the frequent answers
    text = rng.choice(_COMPARE).format(more=more, one=rng.choice(layout.names(i)), two=rng.choice(layout.names(j)))
    return text, str(max(a, b) if larger else min(a, b))


def _parity(layout: Layout, rng: random.Random) -> tuple[str, str]:
    i = rng.randrange(len(layout.digits))
    name = rng.choice(layout.names(i) or ["digit"])
    return rng.choice(_PARITY).format(name=name), "odd" if layout.digits[i] % 2 else "even"


def _step(layout: Layout, rng: random.Random) -> tuple[str, str]:
    i = rng.randrange(len(layout.digits))
    name, digit, by = rng.choice(layout.names(i) or ["digit"]), layout.digits[i], rng.randint(1, 3)
    if digit >= by and rng.random() < 0.5:
        return rng.choice(_STEP).format(name=name, step=f"minus {by}"), str(digit - by)
    return rng.choice(_STEP).format(name=name, step=f"plus {by}"), str(digit + by)


_MAKERS: dict[str, tuple[Maker, float]] = {
    "read": (_read, 1.0),
    "position": (_position, 1.0),
    "where": (_where, 0.7),
    "count": (_count, 0.9),
    "sum": (_sum, 0.8),
    "extreme": (_extreme, 1.0),
    "exist": (_exist, 0.5),
    "compare": (_compare, 0.9),
    "parity": (_parity, 0.35),
    "step": (_step, 0.7),
}
"""For each kind: its maker, and how likely a scene is to try it in the first round."""

_AGAIN = ("position", "read", "count", "sum", "extreme", "compare", "step", "where")
"""Kinds that may come again in a scene: those whose answers are many. Yes/no and even/odd questions come once at most."""


def ask(layout: Layout, rng: random.Random) -> tuple[Question, ...]:
    """5 to 9 questions with different texts, many kinds, in random order. A single digit has fewer to ask."""
    alone = len(layout.digits) == 1
    target, most = (rng.randint(5, 6), 2) if alone else (rng.randint(5, 9), 3)
    kinds = [kind for kind, (_, chance) in _MAKERS.items() if rng.random() < chance]
    rng.shuffle(kinds)
    questions: dict[str, Question] = {}
    while len(questions) < target:
        if not kinds:
            kinds = rng.sample(_AGAIN, len(_AGAIN))
        kind = kinds.pop()
        if sum(question.kind == kind for question in questions.values()) == most:
            continue
        if made := _MAKERS[kind][0](layout, rng):
            questions.setdefault(made[0], Question(made[0], made[1], kind))
    asked = list(questions.values())
    rng.shuffle(asked)
    return tuple(asked)
