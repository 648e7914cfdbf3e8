"""Documents of a few words: signs, price tags, tickets, badges and plates."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground import lexicon
from omma.data.playground.documents_contents import Cell, Document, Row, single, told_by_line

_SIGNS: tuple[tuple[str, ...], ...] = (
    ("adjective|place|thing|animal|verb",),
    ("adjective|place|thing|animal|verb",),
    ("adjective", "place|thing"),
    ("=no|keep|your|lost|new|free|beware", "thing"),
    ("place", "=left|right|ahead|closed|open"),
    ("place", "#"),
    ("=please", "verb", "=here|slowly|now|later|quietly"),
    ("=no", "animal", "=here|inside|today|allowed"),
    ("adjective", "food", "=today|here|inside|bar|shop"),
    ("=the", "adjective", "animal"),
)
"""Patterns of signs, word by word: groups of the lexicon, or after ``=`` the words themselves, or ``#`` for a number."""


def sign(rng: random.Random, layout: str) -> Document:
    """One to three words, big."""
    words: list[str] = []
    present: list[tuple[str, str, int]] = []
    for piece in rng.choice(_SIGNS):
        choice = rng.choice(piece.lstrip("=").split("|"))
        if piece == "#":
            words.append(str(rng.randint(2, 399)))
        elif piece.startswith("="):
            words.append(choice)
        else:
            words.append(lexicon.word(rng, choice))
            present.append((words[-1], choice, 8))
    if layout == "stacked" or len(words) == 1:
        parts = [[w] for w in words]
    else:
        parts = [words[:-1], words[-1:]] if rng.random() < 0.5 else [words[:1], words[1:]]
    rows = tuple(single(" ".join(part), "text", arrange="center", scale=1.4) for part in parts)
    text, lines = " ".join(words), " / ".join(row.text for row in rows)
    description = rng.choice((f"a sign that says: {lines}.", f"a sign. text: {lines}.", told_by_line("a sign", rows)))
    caption = rng.choice((f"a sign that says {text}", f"a sign with the text {text}", f"{text}, says the sign"))
    return Document("sign", layout, rows, caption, description, (("text", text),), present=tuple(present))


def price_tag(rng: random.Random, layout: str) -> Document:
    """A product and its price, perhaps its weight, brand or code."""
    group = rng.choice(("food", "thing"))
    product, price = lexicon.word(rng, group), lexicon.money(lexicon.cents(rng, 2999))
    extra = rng.choice(
        (
            ("weight", f"{rng.choice((100, 150, 200, 250, 300, 400, 500, 750))} g"),
            ("brand", lexicon.word(rng, "animal")),
            ("code", lexicon.code(rng, rng.choice(("a000", "aa 00", "00a")))),
            ("color", rng.choice(("red", "blue", "green", "black", "white", "pink", "gray", "yellow"))),
        )
    )
    fields = [("product", product), ("price", price)]
    if layout == "price-first":
        fields.reverse()
    if rng.random() < 0.75:
        fields.append(extra)
    rows = tuple(
        single(value, name, code=name == "code", arrange="center", scale=1.5 if name == "price" else 1.0)
        for name, value in fields
    )
    described = ", ".join(f"{name} {value}" for name, value in fields)
    description = rng.choice((f"a price tag. {described}.", f"a price tag with {described}."))
    caption = rng.choice((f"a price tag for {product}", f"{product} for {price}", f"a tag with the price {price}"))
    present = ((product, group, 8),)
    return Document("price tag", layout, rows, caption, description, tuple(fields), present=present)


def ticket(rng: random.Random, layout: str) -> Document:
    """What it is for, and the seat, gate, time and so on."""
    title = rng.choice(("bus", "train", "cinema", "ferry", "concert", "museum", "flight", "circus", "tram"))
    makers: dict[str, Callable[[random.Random], str]] = {
        "seat": lambda rng: lexicon.code(rng, rng.choice(("0a", "00a", "a0", "a00"))),
        "gate": lambda rng: lexicon.code(rng, rng.choice(("a0", "0", "00"))),
        "time": lexicon.clock,
        "date": lexicon.date,
        "destination": lambda rng: lexicon.word(rng, "city"),
        "price": lambda rng: lexicon.money(lexicon.cents(rng, 2999)),
        "row": lambda rng: str(rng.randint(1, 48)),
    }
    names = rng.sample(sorted(makers), rng.randint(2, 3))
    named = tuple((name, makers[name](rng)) for name in names)
    rows = [Row((Cell(title, "purpose"),), "center" if layout == "centered" else "left", 1.15, rule_below=True)]
    for name, value in named:
        cells = (Cell("to" if name == "destination" else name), Cell(value, name, name in ("seat", "gate")))
        rows.append(Row(cells, "left" if layout == "plain" else "spread" if layout == "spread" else "center"))
    fields = (("purpose", title), *named)
    present = tuple((value, "city", 8) for name, value in named if name == "destination")
    described = ". ".join(row.text for row in rows[1:])
    description = rng.choice((f"a ticket. {title}. {described}.", told_by_line("a ticket", rows)))
    caption = rng.choice((f"a {title} ticket", f"a ticket with the {names[0]} {named[0][1]}"))
    return Document("ticket", layout, tuple(rows), caption, description, fields, present=present)


def badge(rng: random.Random, layout: str) -> Document:
    """A person's name, big, with the job and perhaps a number."""
    name, job = lexicon.word(rng, "name"), lexicon.word(rng, "job")
    fields = [("name", name), ("job", job)]
    if layout == "job-first":
        fields.reverse()
    if rng.random() < 0.6:
        fields.append(("number", lexicon.code(rng, rng.choice(("000", "a00", "00-0", "0a0")))))
    rows = tuple(
        single(value, field, code=field == "number", arrange="center", scale=1.4 if field == "name" else 1.0)
        for field, value in fields
    )
    described = ", ".join(f"{field} {value}" for field, value in fields)
    description = rng.choice((f"a badge. {described}.", f"a badge with {described}."))
    caption = rng.choice((f"a badge for {name}", f"the badge of {name}", f"{name}'s badge"))
    present = ((name, "name", 8), (job, "job", 8))
    return Document("badge", layout, rows, caption, description, tuple(fields), present=present)


def plate(rng: random.Random, layout: str) -> Document:
    """A registration number in a frame, on one line or two."""
    patterns = ("a0a 00", "aaa 000", "00 aaa", "aa 0000", "0aa 000", "aa00 aa", "a 0000")
    code = lexicon.code(rng, rng.choice(patterns))
    parts = code.split() if layout == "two-lines" else [code]
    rows = tuple(single(part, "number", code=True, arrange="center", scale=1.5) for part in parts)
    description = rng.choice((f"a plate with the number {' / '.join(parts)}.", f"a plate. number {' / '.join(parts)}."))
    caption = rng.choice((f"a plate with the number {code}", f"the plate {code}", f"a plate that reads {code}"))
    return Document("plate", layout, rows, caption, description, (("number", code),))
