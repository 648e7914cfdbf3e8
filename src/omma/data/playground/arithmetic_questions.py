"""Questions of arithmetic that stand alone: each maker draws one, with the operand pairs that it uses."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.language_words import FRUITS, GROUPS, PLAIN_WORDS, THINGS, number_word, plural
from omma.data.playground.passages import Passage, combination, listed

Drawn = tuple[Question, list[str]]

LARGER = ("larger", "bigger", "greater", "higher")
SMALLER = ("smaller", "lower", "less")
LARGEST = ("largest", "biggest", "greatest", "highest")
SMALLEST = ("smallest", "lowest", "least")


def operands(a: int, b: int) -> list[str]:
    """The combination of two operands: the unordered pair, if the larger has two digits."""
    low, high = sorted((a, b))
    return [combination(low, high)] if high >= 10 else []


def small_number(rng: random.Random) -> int:
    """0 to 99, with every second draw below 10 or 20, where the tables that the rest builds on are."""
    return rng.randrange(rng.choice((10, 20, 100, 100)))


def add(rng: random.Random) -> Drawn:
    a, b = small_number(rng), small_number(rng)
    text = rng.choice(
        (
            f"{a} + {b} =", f"what is {a} + {b}?", f"{a} plus {b}?", f"how much is {a} plus {b}?", f"{a} + {b}",
            f"what is {a} plus {b}?", f"add {a} and {b}.", f"what is the sum of {a} and {b}?", f"calculate {a} + {b}.",
            f"what do {a} and {b} make together?", f"add {b} to {a}.", f"how much is {a} and {b}?",
        )
    )  # fmt: skip
    return Question(text, str(a + b), "add"), operands(a, b)


def subtract(rng: random.Random) -> Drawn:
    b, a = sorted((small_number(rng), small_number(rng)))
    text = rng.choice(
        (
            f"{a} - {b} =", f"what is {a} - {b}?", f"{a} minus {b}?", f"how much is {a} minus {b}?", f"{a} - {b}",
            f"what is {a} minus {b}?", f"subtract {b} from {a}.", f"take {b} away from {a}.", f"calculate {a} - {b}.",
            f"what is left of {a} if you take away {b}?", f"what is {b} less than {a}?",
        )
    )  # fmt: skip
    return Question(text, str(a - b), "subtract"), operands(a, b)


def difference(rng: random.Random) -> Drawn:
    low, high = sorted((small_number(rng), small_number(rng)))
    one, two = rng.sample((low, high), 2)
    text = rng.choice(
        (
            f"what is the difference between {one} and {two}?", f"how far apart are {one} and {two}?",
            f"find the difference of {one} and {two}.", f"how much {rng.choice(LARGER)} is {high} than {low}?",
            f"how much {rng.choice(SMALLER[:2])} is {low} than {high}?",
        )
    )  # fmt: skip
    return Question(text, str(high - low), "difference"), operands(low, high)


def distinct_numbers(rng: random.Random, count: int) -> list[int]:
    """Different numbers from 0 to 99; half the time close together, where comparing is hardest."""
    if rng.random() < 0.5:
        start = rng.randrange(80)
        return rng.sample(range(start, start + 20), count)
    return rng.sample(range(100), count)


def compare(rng: random.Random) -> Drawn:
    numbers = distinct_numbers(rng, rng.choice((2, 2, 3, 4)))
    most = rng.random() < 0.5
    if len(numbers) == 2:
        word = rng.choice(LARGER if most else SMALLER)
        options = listed(numbers, "or")
    else:
        word = rng.choice(LARGEST if most else SMALLEST)
        options = listed(numbers, rng.choice(("or", "and")))
    text = rng.choice(
        (f"which is {word}, {options}?", f"which number is {word}: {options}?", f"{options}: which one is the {word}?")
    )
    pair = operands(*numbers) if len(numbers) == 2 else []
    return Question(text, str(max(numbers) if most else min(numbers)), "compare"), pair


def greater(rng: random.Random) -> Drawn:
    low, high = sorted(distinct_numbers(rng, 2))
    yes, more = rng.random() < 0.5, rng.random() < 0.5
    a, b = (high, low) if yes == more else (low, high)
    word = rng.choice(LARGER + ("more",) if more else SMALLER)
    text = rng.choice(
        (f"is {a} {word} than {b}?", f"is {a} {word} than {b}, yes or no?", f"{a} is {word} than {b}, right?")
    )
    return Question(text, "yes" if yes else "no", "greater"), operands(a, b)


def drawn_list(rng: random.Random, options: tuple[str, ...], target: str, count: int) -> list[str]:
    """A list in random order with ``count`` times ``target`` among other words."""
    others = rng.sample([word for word in options if word != target], 3)
    words = [target] * count + rng.choices(others, k=rng.randint(1, 4))
    rng.shuffle(words)
    return words


def count(rng: random.Random) -> Drawn:
    target = rng.choice(FRUITS)
    number = rng.randrange(7)
    words = drawn_list(rng, FRUITS, target, number)
    if number and rng.random() < 0.2:
        return Question(f"{', '.join(words)}: how many words are there?", str(len(words)), "count"), []
    ask = rng.choice(
        (f"how many {plural(target)}?", f"how many {plural(target)} are there?", f"count the {plural(target)}.")
    )
    return Question(f"{', '.join(words)}: {ask}", str(number), "count"), []


def succession(rng: random.Random) -> Drawn:
    n = rng.randint(1, 98)
    text, answer = rng.choice(
        (
            (f"which number comes after {n}?", n + 1), (f"what comes right after {n}?", n + 1),
            (f"which number comes before {n}?", n - 1), (f"what comes just before {n}?", n - 1),
            (f"what is one more than {n}?", n + 1), (f"what is one less than {n}?", n - 1),
            (f"which number is between {n - 1} and {n + 1}?", n), (f"the next number after {n} is", n + 1),
        )
    )  # fmt: skip
    return Question(text, str(answer), "succession"), []


def order(rng: random.Random) -> Drawn:
    numbers = distinct_numbers(rng, rng.choice((3, 3, 4)))
    rising = rng.random() < 0.5
    how = (
        ("from small to large", "from smallest to largest", "in rising order", "in ascending order, smallest first")
        if rising
        else (
            "from large to small",
            "from largest to smallest",
            "in falling order",
            "in descending order, largest first",
        )
    )
    shown = ", ".join(map(str, numbers))
    way = rng.choice(how)
    text = rng.choice((f"sort {shown} {way}.", f"put {shown} {way}.", f"write these numbers {way}: {shown}"))
    return Question(text, ", ".join(map(str, sorted(numbers, reverse=not rising))), "order"), []


def sequence(rng: random.Random) -> Drawn:
    step = rng.choice((1, 2, 3, 4, 5, 10))
    length = rng.choice((3, 4))
    start = rng.randrange(0, 60)
    numbers = [start + step * i for i in range(length + 1)]
    if rng.random() < 0.3 and numbers[-1] < 100:
        numbers.reverse()
    shown = ", ".join(map(str, numbers[:-1]))
    text = rng.choice((f"what comes next: {shown}?", f"continue: {shown},", f"{shown}: which number is next?"))
    return Question(text, str(numbers[-1]), "sequence"), []


def half(rng: random.Random) -> Drawn:
    n = rng.randrange(50)
    text = rng.choice((f"what is half of {2 * n}?", f"half of {2 * n} is", f"halve {2 * n}.", f"{2 * n} divided by 2?"))
    return Question(text, str(n), "half"), []


def double(rng: random.Random) -> Drawn:
    n = rng.randrange(50)
    text = rng.choice((f"what is twice {n}?", f"double {n}.", f"the double of {n} is", f"{n} times 2?"))
    return Question(text, str(2 * n), "double"), []


def digit_sum(rng: random.Random) -> Drawn:
    digits = [rng.randrange(10) for _ in range(rng.randint(2, 5))]
    chain = " + ".join(map(str, digits))
    text = rng.choice((f"{chain} =", f"what is {chain}?", f"add up {', '.join(map(str, digits))}.", f"sum: {chain}"))
    return Question(text, str(sum(digits)), "digit_sum"), []


def parity(rng: random.Random) -> Drawn:
    n = small_number(rng)
    name = ("even", "odd")[n % 2]
    if rng.random() < 0.5:
        return Question(rng.choice((f"is {n} even or odd?", f"even or odd: {n}?")), name, "parity"), []
    asked = rng.choice(("even", "odd"))
    answer = "yes" if asked == name else "no"
    text = rng.choice((f"is {n} {asked}?", f"is {n} an {asked} number?"))
    return Question(text, answer, "parity"), []


def digits(rng: random.Random) -> Drawn:
    length = rng.choice((2, 3, 4, 5))
    number = str(rng.randrange(10 ** (length - 1), 10**length))
    text, answer = rng.choice(
        (
            (f"what is the first digit of {number}?", number[0]), (f"what is the last digit of {number}?", number[-1]),
            (f"how many digits does {number} have?", str(length)), (f"what is the second digit of {number}?",
            number[1]),
            (f"write the digits of {number} one by one.", " ".join(number)),
            (f"write {number} backwards.", number[::-1]),
        )
    )  # fmt: skip
    return Question(text, answer, "digits"), []


_LETTERS = "abcdefghijkmnpqrstuvwxyz"


def code(rng: random.Random) -> str:
    """A code such as "k7q", "b-204" or "A13": letters and digits without l and o, which read as 1 and 0."""
    shape = rng.choice(("xdx", "xx dd", "x-ddd", "Xdd", "dddd", "xxx-dd", "XXd", "dd/dd", "d.dd"))
    table = {"x": _LETTERS, "X": _LETTERS.upper(), "d": "0123456789"}
    return "".join(rng.choice(table[s]) if s in table else s for s in shape)


def copy(rng: random.Random) -> Drawn:
    pieces = [
        rng.choice((code(rng), str(small_number(rng)), rng.choice(PLAIN_WORDS), rng.choice(THINGS)))
        for _ in range(rng.randint(1, 4))
    ]
    payload = " ".join(pieces)
    opening = rng.choice(
        ("repeat", "copy", "copy exactly", "write this again", "say this", "repeat after me", "the same again, please")
    )
    return Question(f"{opening}: {payload}", payload, "copy"), []


def word_of_number(rng: random.Random) -> Drawn:
    n = small_number(rng)
    word = number_word(n)
    text, answer = rng.choice(
        (
            (f"write {n} in words.", word), (f"how do you say {n} in words?", word), (f"spell the number {n}.", word),
            (f"write {word} in digits.", str(n)), (f"which number is {word}?", str(n)), (f"{word} in digits:", str(n)),
        )
    )  # fmt: skip
    return Question(text, answer, "number_word"), []


def sort_kind(rng: random.Random) -> Drawn:
    """How many words of a list belong to a group: counting by meaning."""
    group, other = rng.sample(("fruit", "animals", "vehicles", "clothes", "tools"), 2)
    number = rng.randint(1, 4)
    words = rng.sample(GROUPS[group], number) + rng.sample(GROUPS[other], rng.randint(1, 3))
    rng.shuffle(words)
    noun = "pieces of fruit" if group == "fruit" else group
    return Question(f"{', '.join(words)}: how many {noun}?", str(number), "count"), []


Draw = Callable[[random.Random], Drawn]

MAKERS: tuple[tuple[Draw, int], ...] = (
    (add, 5), (subtract, 5), (difference, 2), (compare, 3), (greater, 2), (count, 3), (sort_kind, 1), (succession, 2),
    (order, 2), (sequence, 2), (half, 1), (double, 1), (digit_sum, 2), (parity, 1), (digits, 2), (copy, 3),
    (word_of_number, 2),
)  # fmt: skip

_DRAWS = tuple(maker for maker, _ in MAKERS)
_WEIGHTS = tuple(weight for _, weight in MAKERS)


def standalone(rng: random.Random) -> Passage:
    """Two to five questions that need no passage."""
    drawn = [maker(rng) for maker in rng.choices(_DRAWS, _WEIGHTS, k=rng.randint(2, 5))]
    return Passage(
        description="",
        caption=rng.choice(("questions about numbers", "some arithmetic", "sums and numbers", "arithmetic questions")),
        questions=[question for question, _ in drawn],
        combinations=[pair for _, pairs in drawn for pair in pairs],
    )
