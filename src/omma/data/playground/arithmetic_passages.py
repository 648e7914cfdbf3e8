"""Passages with numbers in them: worked sums, lists, tallies, prices and short stories, with questions about each."""

from __future__ import annotations

import random
from typing import Any

from omma.data.playground.arithmetic_questions import distinct_numbers, drawn_list, operands, small_number
from omma.data.playground.base import Question
from omma.data.playground.language_words import (
    CLOTHES,
    FOODS,
    FRUITS,
    GROUPS,
    NAMES,
    PETS,
    THINGS,
    counted,
    object_pronoun,
    plural,
    subject_pronoun,
)
from omma.data.playground.passages import Passage, listed

_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_COUNTABLE = FRUITS + ("book", "coin", "pencil", "stone", "shell", "stamp", "marble", "ticket", "egg", "flower", "card")


def chosen(rng: random.Random, questions: list[Question], most: int) -> list[Question]:
    """Up to ``most`` of the questions, at least two."""
    return rng.sample(questions, min(len(questions), rng.randint(2, most)))


def worked(rng: random.Random) -> Passage:
    """Some sums with their results, as an exercise book shows them."""
    lines: list[str] = []
    questions: list[Question] = []
    pairs: list[str] = []
    style = rng.randrange(3)
    for _ in range(rng.randint(2, 5)):
        b, a = sorted((small_number(rng), small_number(rng)))
        plus = rng.random() < 0.5
        if plus:
            a, b = rng.sample((a, b), 2)
        result = a + b if plus else a - b
        sign, word = ("+", "plus") if plus else ("-", "minus")
        line = (f"{a} {sign} {b} = {result}", f"{a} {word} {b} is {result}.", f"{a} {word} {b} equals {result}.")[style]
        lines.append(line)
        questions.append(
            Question(f"what is {a} {rng.choice((sign, word))} {b}?", str(result), "add" if plus else "subtract")
        )
        pairs += operands(a, b)
    return Passage(
        ("\n" if style == 0 else " ").join(lines), f"{len(lines)} worked sums", chosen(rng, questions, 3), pairs
    )


def word_list(rng: random.Random) -> Passage:
    """A list of words with repeats."""
    group = rng.choice((FRUITS, CLOTHES, PETS, GROUPS["colors"]))
    target = rng.choice(group)
    number = rng.randrange(6)
    words = drawn_list(rng, group, target, number)
    other = rng.choice(group)
    show = ", ".join(words)
    text = rng.choice(
        (f"the list says: {show}.", f"list: {show}", f"these are the words: {show}.", f"i wrote down {show}.")
    )
    place = rng.randrange(min(len(words), 5))
    questions = [
        Question(
            rng.choice((f"how often is {w} in the list?", f"how many times does the list say {w}?")), str(n), "count"
        )
        for w, n in {target: number, other: words.count(other)}.items()
    ]
    questions += [
        Question(rng.choice(("how many words are in the list?", "how long is the list?")), str(len(words)), "count"),
        Question(f"what is the {_ORDINALS[place]} word?", words[place], "position"),
        Question(rng.choice(("what is the last word?", "which word ends the list?")), words[-1], "position"),
        Question("how many different words are there?", str(len(set(words))), "count"),
    ]
    return Passage(
        text, rng.choice(("a list of words", "a short list")), chosen(rng, questions, 4), facts={"words": words}
    )


def row(rng: random.Random) -> Passage:
    """A row of different numbers."""
    numbers = distinct_numbers(rng, rng.randint(3, 6))
    shown = listed(numbers)
    text = rng.choice(
        (
            f"the numbers are {shown}.",
            f"numbers: {', '.join(map(str, numbers))}",
            f"on the paper are the numbers {shown}.",
        )
    )
    place = rng.randrange(min(len(numbers), 5))
    limit = rng.choice(numbers)
    even = rng.random() < 0.5
    asked = rng.choice(numbers) if rng.random() < 0.5 else rng.choice([n for n in range(100) if n not in numbers])
    most = rng.random() < 0.5
    questions = [
        Question(
            f"which number is the {rng.choice(('largest', 'biggest', 'highest') if most else ('smallest', 'lowest'))}?",
            str(max(numbers) if most else min(numbers)),
            "compare",
        ),
        Question(
            rng.choice(("how many numbers are there?", "how many numbers do you see?")), str(len(numbers)), "count"
        ),
        Question(f"how many of the numbers are larger than {limit}?", str(sum(n > limit for n in numbers)), "count"),
        Question(
            f"how many of the numbers are {'even' if even else 'odd'}?",
            str(sum((n % 2 == 0) == even for n in numbers)),
            "parity",
        ),
        Question(f"what is the {_ORDINALS[place]} number?", str(numbers[place]), "position"),
        Question("what is the last number?", str(numbers[-1]), "position"),
        Question(f"is {asked} one of the numbers?", "yes" if asked in numbers else "no", "lookup"),
        Question("sort the numbers from small to large.", ", ".join(map(str, sorted(numbers))), "order"),
        Question("repeat the numbers.", ", ".join(map(str, numbers)), "copy"),
    ]
    return Passage(text, f"{len(numbers)} numbers", chosen(rng, questions, 5), facts={"numbers": numbers})


def _ranking(rng: random.Random, numbers: dict[str, int], nouns: str, ways: tuple[str, str]) -> Question:
    """To be sorted by number, in the first of two ways from the largest down."""
    down = rng.random() < 0.5
    ranked = sorted(numbers, key=lambda name: numbers[name], reverse=down)
    verb = rng.choice(("sort", "order", "list"))
    return Question(f"{verb} the {nouns} from {ways[0] if down else ways[1]}.", ", ".join(ranked), "ranking")


def tally(rng: random.Random) -> Passage:
    """Who has how many."""
    names = rng.sample(NAMES, rng.randint(2, 4))
    thing = rng.choice(_COUNTABLE)
    numbers = rng.sample(range(2, rng.choice((10, 21, 60))), len(names))
    have = dict(zip(names, numbers, strict=True))
    style = rng.randrange(3)
    if style == 0:
        first, *rest = have.items()
        text = listed([f"{first[0]} has {counted(first[1], thing)}", *(f"{n} has {k}" for n, k in rest)]) + "."
    elif style == 1:
        text = " ".join(f"{name} has {counted(number, thing)}." for name, number in have.items())
    else:
        text = f"{plural(thing)}: " + ", ".join(f"{name} {number}" for name, number in have.items())
    one, two = sorted(rng.sample(names, 2), key=lambda name: have[name])
    high, yes = rng.random() < 0.5, rng.random() < 0.5
    best = (max if high else min)(names, key=lambda name: have[name])
    who = rng.choice(names)
    a, b = (two, one) if yes else (one, two)
    pairs: list[str] = []
    questions = [
        Question(f"who has the {'most' if high else 'fewest'} {plural(thing)}?", best, "most"),
        Question(f"how many {plural(thing)} does {who} have?", str(have[who]), "lookup"),
        Question(f"does {a} have more {plural(thing)} than {b}?", "yes" if yes else "no", "greater"),
        Question(
            f"how many more {plural(thing)} does {two} have than {one}?", str(have[two] - have[one]), "difference"
        ),
        Question(f"how many {plural(thing)} do {a} and {b} have together?", str(have[a] + have[b]), "add"),
        Question(f"who has {counted(have[who], thing)}?", who, "lookup"),
        _ranking(rng, have, "names", (f"most to fewest {plural(thing)}", f"fewest to most {plural(thing)}")),
    ]
    asked = chosen(rng, questions, 5)
    if any(q.kind in ("greater", "difference", "add") for q in asked):
        pairs = operands(have[one], have[two])
    return Passage(text, f"how many {plural(thing)} {listed(names)} have", asked, pairs, facts={"have": have})


def money(cents: int) -> str:
    """Two decimals, no currency ("2.40")."""
    return f"{cents // 100}.{cents % 100:02d}"


def prices(rng: random.Random) -> Passage:
    """What two to four things cost, in whole multiples of 5 hundredths or of 1."""
    things = rng.sample(FOODS, rng.randint(2, 4)) if rng.random() < 0.7 else rng.sample(THINGS, rng.randint(2, 4))
    step = rng.choice((50, 10, 5, 1))
    cents = [step * n for n in rng.sample(range(-(-50 // step), 650 // step), len(things))]
    cost = dict(zip(things, cents, strict=True))
    each = [f"{thing} {money(c)}" for thing, c in cost.items()]
    text = (
        listed([f"{thing} costs {money(c)}" for thing, c in cost.items()]) + ".",
        "price list: " + ", ".join(each),
        "\n".join(each),
        "in the shop, " + listed([f"{thing} is {money(c)}" for thing, c in cost.items()]) + ".",
    )[rng.randrange(4)]
    one, two = sorted(rng.sample(things, 2), key=lambda thing: cost[thing])
    a, b = rng.sample((one, two), 2)
    low, yes = rng.random() < 0.5, rng.random() < 0.5
    pair_end = (one, ("cheaper", "less expensive")) if low else (two, ("more expensive", "dearer"))
    all_end = (
        (min(things, key=lambda t: cost[t]), ("cheapest", "least expensive"))
        if low
        else (max(things, key=lambda t: cost[t]), ("most expensive", "dearest"))
    )
    c, d = (two, one) if yes else (one, two)
    paid = 500 if cost[two] < 500 else 1000
    questions = [
        Question(f"which is {rng.choice(pair_end[1])}, {a} or {b}?", pair_end[0], "price_compare"),
        Question(f"which is the {rng.choice(all_end[1])}?", all_end[0], "price_compare"),
        Question(f"does {c} cost more than {d}?", "yes" if yes else "no", "greater"),
        Question(rng.choice((f"what does {a} cost?", f"how much is {a}?", f"price of {a}?")), money(cost[a]), "price"),
        Question(rng.choice((f"what costs {money(cost[b])}?", f"which one is {money(cost[b])}?")), b, "price"),
        Question(
            rng.choice((f"how much are {a} and {b} together?", f"what do {a} and {b} cost in total?")),
            money(cost[a] + cost[b]),
            "price_total",
        ),
        Question(rng.choice(("what is the total?", "how much is everything?")), money(sum(cents)), "price_total"),
        Question(f"how much more does {two} cost than {one}?", money(cost[two] - cost[one]), "price_total"),
        Question(
            f"you pay {money(paid)} for {two}. how much change do you get?", money(paid - cost[two]), "price_total"
        ),
        _ranking(rng, cost, "things", ("most to least expensive", "cheapest to dearest")),
    ]
    return Passage(text, f"prices of {listed(things)}", chosen(rng, questions, 5), facts={"cost": cost})


_GAINS = ("gets {b} more", "finds {b} more", "buys {b} more", "receives {b} more from {other}")
_LOSSES = ("loses {b}", "gives {b} to {other}", "sells {b}", "gives away {b}")


def story(rng: random.Random) -> Passage:
    """Somebody has some things and then more or fewer."""
    name, other = rng.sample(NAMES, 2)
    thing = rng.choice(_COUNTABLE)
    start = rng.randrange(2, rng.choice((10, 20, 60)))
    gain = rng.random() < 0.5
    change = rng.randrange(1, rng.choice((10, 30))) if gain else rng.randrange(1, start)
    after = start + change if gain else start - change
    what = rng.choice(_GAINS if gain else _LOSSES).format(b=change, other=other)
    who = rng.choice((name, subject_pronoun(name)))
    sentences = [
        rng.choice((f"{name} has {counted(start, thing)}.", f"at first {name} has {counted(start, thing)}.")),
        rng.choice((f"{who} {what}.", f"then {who} {what}.", f"later, {who} {what}.")),
    ]
    now = rng.choice(
        (f"how many {plural(thing)} does {name} have now?", f"how many {plural(thing)} does {name} have in the end?")
    )
    questions = [
        Question(now, str(after), "story"),
        Question(f"how many {plural(thing)} did {name} have at first?", str(start), "lookup"),
        Question(f"does {name} have more or fewer {plural(thing)} now?", "more" if gain else "fewer", "story"),
        Question(f"how many {plural(thing)} came or went?", str(change), "lookup"),
    ]
    if other in what:
        questions.append(
            Question(f"who {'gave' if gain else 'got'} some {plural(thing)}?", other, "lookup")
            if gain
            else Question(f"who got {change} from {object_pronoun(name)}?", other, "lookup")
        )
    facts: dict[str, Any] = {"start": start, "change": change if gain else -change}
    caption = f"{name} has {'more' if gain else 'fewer'} {plural(thing)} in the end"
    return Passage(" ".join(sentences), caption, chosen(rng, questions, 4), operands(start, change), facts)
