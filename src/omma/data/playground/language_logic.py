"""Situations with quantities, and statements about them to judge: at least, exactly, only, all, no, more than."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.language_words import (
    COLORS,
    CONTAINERS,
    FRUITS,
    NAMES,
    THINGS,
    VEGETABLES,
    number_word,
    plural,
)
from omma.data.playground.passages import Passage, combination, listed

Contents = dict[str, dict[str, int]]
"""Holder to item to how many, never 0."""

Claim = tuple[str, bool]
"""A statement and whether it is true."""


def amount(number: int, noun: str) -> str:
    """ "one apple", "three apples"."""
    return f"{number_word(number)} {noun if number == 1 else plural(noun)}"


_BOUNDS: tuple[tuple[str, Callable[[int, int], bool]], ...] = (
    ("at least", lambda have, n: have >= n),
    ("at most", lambda have, n: have <= n),
    ("exactly", lambda have, n: have == n),
    ("more than", lambda have, n: have > n),
    ("fewer than", lambda have, n: have < n),
)


def claim_about_contents(rng: random.Random, contents: Contents, items: list[str], verb: str, noun: str) -> Claim:
    """A random statement about who or what holds how many of what."""
    holders = list(contents)
    item = rng.choice(items)
    holder, other = rng.sample(holders, 2)
    having = [h for h in holders if item in contents[h]]
    have = contents[holder].get(item, 0)
    form = rng.randrange(7)
    if form <= 1:
        bound, holds = rng.choice(_BOUNDS)
        number = max(1, have + rng.choice((-1, 0, 0, 1)))
        return f"{holder} {verb} {bound} {amount(number, item)}", holds(have, number)
    if form == 2:
        return f"only {holder} {verb} {plural(item)}", having == [holder]
    if form == 3:
        return f"every {noun} {verb} {plural(item)}", len(having) == len(holders)
    if form == 4:
        return f"no {noun} {verb} {plural(item)}", not having
    if form == 5:
        return f"{holder} {verb} more {plural(item)} than {other}", have > contents[other].get(item, 0)
    number = rng.randint(1, len(holders))
    several = {"holds": "hold", "has": "have"}[verb] if number > 1 else verb
    return f"exactly {amount(number, noun)} {several} {plural(item)}", len(having) == number


def wanted(draw: Callable[[], Claim], true: bool) -> str:
    """A statement with that truth."""
    while True:
        text, truth = draw()
        if truth == true:
            return text


def judgement(rng: random.Random, draw: Callable[[], Claim], kind: str) -> Question:
    """A statement to judge; true and false have the same chance."""
    true = rng.random() < 0.5
    text = wanted(draw, true)
    asked = rng.choice(
        (f"true or false: {text}.", f"{text}. true or false?", f"is this true: {text}?", f"is it right that {text}?")
    )
    words = ("true", "false") if "or false" in asked else ("yes", "no")
    return Question(asked, words[0] if true else words[1], kind)


def boxes(rng: random.Random) -> Passage:
    """Boxes, or people, with counted items in them."""
    items = rng.sample(FRUITS + VEGETABLES, rng.randint(2, 3))
    if rng.random() < 0.6:
        noun, verb = rng.choice(CONTAINERS), "holds"
        holders = [f"the {color} {noun}" for color in rng.sample(COLORS, rng.randint(2, 3))]
    else:
        noun, verb = "person", "has"
        holders = rng.sample(NAMES, rng.randint(2, 3))
    contents: Contents = {
        holder: {item: rng.randint(1, 5) for item in rng.sample(items, rng.randint(0 if nth else 1, len(items)))}
        for nth, holder in enumerate(holders)
    }
    sentences = []
    for holder, inside in contents.items():
        what = listed(amount(n, item) for item, n in inside.items())
        if noun == "person":
            sentences.append(f"{holder} has {what}.")
        elif not inside:
            sentences.append(f"{holder} is empty.")
        else:
            sentences.append(
                rng.choice(
                    (f"{holder} holds {what}.", f"in {holder} {_be(inside)} {what}.", f"{holder} contains {what}.")
                )
            )
    rng.shuffle(sentences)

    def draw() -> Claim:
        return claim_about_contents(rng, contents, items, verb, noun)

    questions = [judgement(rng, draw, "quantifier") for _ in range(rng.randint(1, 3))]
    item, holder = rng.choice(items), rng.choice(holders)
    total = sum(inside.get(item, 0) for inside in contents.values())
    have = contents[holder].get(item, 0)
    where = f"are in {holder}" if verb == "holds" else f"does {holder} have"
    questions.append(Question(f"how many {plural(item)} {where}?", str(have), "how_many"))
    questions.append(Question(f"how many {plural(item)} are there in all?", str(total), "how_many"))
    having = [h for h in holders if item in contents[h]]
    which = f"who has {plural(item)}?" if noun == "person" else f"which {noun} holds {plural(item)}?"
    if len(having) <= 1:
        questions.append(Question(which, having[0] if having else ("nobody" if noun == "person" else "none"), "who"))
    if contents[holder]:
        text = f"what does {holder} have?" if noun == "person" else f"what is in {holder}?"
        questions.append(Question(text, listed(amount(n, i) for i, n in contents[holder].items()), "what"))
    pairs = sorted({combination(holder, i) for holder, inside in contents.items() for i in inside})
    caption = f"{amount(len(holders), noun)} with {listed(map(plural, items))}"
    asked = rng.sample(questions, min(len(questions), rng.randint(2, 5)))
    return Passage(" ".join(sentences), caption, asked, pairs, {"contents": contents, "noun": noun})


def _be(inside: dict[str, int]) -> str:
    return "is" if next(iter(inside.values())) == 1 else "are"


Stock = dict[tuple[str, str], int]
"""(color, noun) to how many."""


def claim_about_colors(rng: random.Random, stock: Stock) -> Claim:
    """A random statement about all, no, some or so many things of a color."""
    nouns = sorted({noun for _, noun in stock})
    colors = sorted({color for color, _ in stock})
    noun, color = rng.choice(nouns), rng.choice(colors)
    these = sum(n for (_, what), n in stock.items() if what == noun)
    both = stock.get((color, noun), 0)
    form = rng.randrange(6)
    if form == 0:
        return f"all {plural(noun)} are {color}", both == these
    if form == 1:
        return f"no {noun} is {color}", both == 0
    if form == 2:
        return f"some of the {plural(noun)} are {color}", both > 0
    if form == 3:
        bound, holds = rng.choice(_BOUNDS)
        number = max(1, these + rng.choice((-1, 0, 1)))
        return f"there {'is' if number == 1 else 'are'} {bound} {amount(number, noun)}", holds(these, number)
    if form == 4:
        only = {what for tone, what in stock if tone == color}
        return f"only {plural(noun)} are {color}", only == {noun}
    other = rng.choice([n for n in nouns if n != noun])
    those = sum(n for (_, what), n in stock.items() if what == other)
    return f"there are more {plural(noun)} than {plural(other)}", these > those


def collection(rng: random.Random) -> Passage:
    """Groups of things of several colors on a table."""
    nouns = rng.sample([t for t in THINGS if t != "scissors"], rng.randint(2, 3))
    colors = rng.sample(COLORS, rng.randint(2, 3))
    cells = [(color, noun) for color in colors for noun in nouns]
    picked = rng.sample(cells, rng.randint(2, 4))
    for noun in nouns:
        if all(what != noun for _, what in picked):
            picked.append((rng.choice(colors), noun))
    stock: Stock = {cell: rng.randint(1, 4) for cell in picked}
    shown = [f"{number_word(n)} {c} {noun if n == 1 else plural(noun)}" for (c, noun), n in stock.items()]
    place = rng.choice(("on the table", "in the shop", "in the room", "in the picture", "on the shelf"))
    text = rng.choice(
        (f"{place} there are {listed(shown)}.", f"{place} we see {listed(shown)}.", f"{listed(shown)} are {place}.")
    )
    if text.startswith(f"{place} there are one"):
        text = text.replace("there are one", "there is one", 1)

    def draw() -> Claim:
        return claim_about_colors(rng, stock)

    questions = [judgement(rng, draw, "quantifier") for _ in range(rng.randint(1, 3))]
    noun, color = rng.choice(nouns), rng.choice(colors)
    these = sum(n for (_, what), n in stock.items() if what == noun)
    tone = sum(n for (c, _), n in stock.items() if c == color)
    questions += [
        Question(f"how many {plural(noun)} are there?", str(these), "how_many"),
        Question(f"how many things are {color}?", str(tone), "how_many"),
        Question(f"how many {color} {plural(noun)} are there?", str(stock.get((color, noun), 0)), "how_many"),
        Question("how many things are there in all?", str(sum(stock.values())), "how_many"),
    ]
    tones = [c for c, what in stock if what == noun]
    if len(tones) == 1:
        word = rng.choice(("color", "colour"))
        text_ask = f"what {word} {'is' if these == 1 else 'are'} the {noun if these == 1 else plural(noun)}?"
        questions.append(Question(text_ask, tones[0], "color"))
    pairs = sorted({combination(c, what) for c, what in stock})
    caption = f"{listed(map(plural, nouns))} {place}"
    asked = rng.sample(questions, min(len(questions), rng.randint(2, 5)))
    facts = {"stock": [[c, what, n] for (c, what), n in stock.items()]}
    return Passage(text, caption, asked, pairs, facts)
