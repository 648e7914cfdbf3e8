"""Documents of several rows: receipts, forms, letters, tables and lists."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import MappingProxyType

from omma.data.playground import lexicon
from omma.data.playground.documents_contents import Arrange, Cell, Document, Row, single, told_by_line


def receipt(rng: random.Random, layout: str) -> Document:
    """Items with prices and their sum; the held-out layout prints the sum on top."""
    group = rng.choice(("food", "food", "thing"))
    names = lexicon.distinct_words(rng, group, rng.randint(1, 4), longest=7)
    prices: dict[int, None] = {}
    while len(prices) < len(names):
        prices[lexicon.cents(rng)] = None
    items = tuple(zip(names, prices, strict=True))
    total = lexicon.money(sum(prices))
    shop = lexicon.word(rng, rng.choice(("city", "animal", "name")))
    word = rng.choice(("total", "sum"))
    last = len(items) - 1 if layout != "total-first" else -1
    sold = [
        Row((Cell(name), Cell(lexicon.money(price), name)), "spread", rule_below=i == last)
        for i, (name, price) in enumerate(items)
    ]
    summed = [Row((Cell(word), Cell(total, "total")), "spread", rule_below=layout == "total-first")]
    head = [single(shop, "shop", arrange="center", scale=1.15)]
    fields, dated, date_told = [("total", total), ("shop", shop)], list[Row](), list[str]()
    if rng.random() < 0.35 and len(items) < 4:
        date = lexicon.date(rng)
        fields.append(("date", date))
        dated, date_told = [single(date, "date", arrange="center")], [f"date {date}"]
    sold_told = [", ".join(row.text for row in sold)]
    summed_told, head_told = [f"{word} {total}"], [f"shop {shop}"]
    if layout == "total-first":
        rows, told = summed + sold + dated + head, summed_told + sold_told + date_told + head_told
    elif layout == "shop-below":
        rows, told = sold + summed + dated + head, sold_told + summed_told + date_told + head_told
    else:
        rows, told = head + sold + summed + dated, head_told + sold_told + summed_told + date_told
    description = rng.choice((f"a receipt. {'. '.join(told)}.", f"a receipt: {'; '.join(told)}."))
    caption = rng.choice(
        (f"a receipt from {shop} for {total}", f"a receipt for {total}", f"a receipt with {names[0]}, total {total}")
    )
    present = tuple((name, group, 7) for name in names)
    return Document("receipt", layout, tuple(rows), caption, description, tuple(fields), items, present=present)


_COLORS = ("red", "blue", "green", "black", "white", "pink", "gray", "brown")
_FORM_FIELDS: MappingProxyType[str, Callable[[random.Random], str]] = MappingProxyType(
    {
        "name": lambda rng: lexicon.word(rng, "name"),
        "age": lambda rng: str(rng.randint(5, 89)),
        "city": lambda rng: lexicon.word(rng, "city"),
        "date": lexicon.date,
        "phone": lexicon.phone,
        "room": lambda rng: str(rng.randint(10, 499)),
        "job": lambda rng: lexicon.word(rng, "job"),
        "color": lambda rng: rng.choice(_COLORS),
        "pet": lambda rng: lexicon.word(rng, "animal", 7),
        "time": lexicon.clock,
        "code": lambda rng: lexicon.code(rng, rng.choice(("a000", "aa00", "0a0a"))),
    }
)


def form(rng: random.Random, layout: str) -> Document:
    """Labels with filled-in values; the held-out layout prints a label above its value, in two columns."""
    names = rng.sample(sorted(_FORM_FIELDS), 4 if layout == "two-columns" else rng.randint(2, 5))
    if "name" not in names and rng.random() < 0.6:
        names[0] = "name"
    fields = tuple((name, _FORM_FIELDS[name](rng)) for name in names)
    title = rng.choice(("member", "guest", "order", "visit", "student", "patient", "")) if len(fields) < 5 else ""
    rows = [single(title, arrange="center", scale=1.15)] if title else []
    if layout == "two-columns":
        for pair in (fields[:2], fields[2:]):
            rows.append(Row(tuple(Cell(name) for name, _ in pair), "grid"))
            rows.append(Row(tuple(Cell(value, name, name == "code") for name, value in pair), "grid", rule_below=True))
    else:
        mark: str = ":" if layout == "colon" else ""
        arrange: Arrange = "left" if layout == "colon" else "spread"
        for name, value in fields:
            cells = (Cell(name + mark), Cell(value, name, name == "code"))
            rows.append(Row(cells, arrange, rule_below=layout == "ruled"))
    opening = f"a form. title: {title}." if title else "a form."
    filled = " ".join(f"{name}: {value}." for name, value in fields)
    description = rng.choice(
        (f"{opening} {filled}", f"{opening} {', '.join(f'{name} is {value}' for name, value in fields)}.")
    )
    values = dict(fields)
    caption = (
        f"a form filled in for {values['name']}" if "name" in values else f"a form with the {names[0]} {fields[0][1]}"
    )
    groups = {"name": ("name", 8), "city": ("city", 8), "job": ("job", 8), "pet": ("animal", 7)}
    present = tuple((value, *groups[name]) for name, value in fields if name in groups)
    return Document("form", layout, tuple(rows), caption, description, fields, present=present, by_line=False)


_Slots = dict[str, Callable[[random.Random], str]]
_MESSAGES: tuple[tuple[str, _Slots], ...] = (
    ("please bring {thing to bring}", {"thing to bring": lambda rng: lexicon.word(rng, "food")}),
    (
        "please {v} the {thing}",
        {"v": lambda rng: lexicon.real_word(rng, "verb"), "thing": lambda rng: lexicon.word(rng, "thing")},
    ),
    (
        "see you on {day} at {time}",
        {"day": lambda rng: lexicon.real_word(rng, "day", 9), "time": lexicon.clock},
    ),
    (
        "meet me in {city} on {day}",
        {"city": lambda rng: lexicon.word(rng, "city"), "day": lambda rng: lexicon.real_word(rng, "day", 9)},
    ),
    ("call me at {time}", {"time": lexicon.clock}),
    (
        "thanks for the {a} {gift}",
        {"a": lambda rng: lexicon.word(rng, "adjective", 7), "gift": lambda rng: lexicon.word(rng, "thing")},
    ),
    (
        "your {animal} is in the {place}",
        {"animal": lambda rng: lexicon.word(rng, "animal"), "place": lambda rng: lexicon.word(rng, "place")},
    ),
    (
        "i left the {thing} in the {place}",
        {"thing": lambda rng: lexicon.word(rng, "thing"), "place": lambda rng: lexicon.word(rng, "place")},
    ),
    ("my number is {phone}", {"phone": lexicon.phone}),
)


def letter(rng: random.Random, layout: str) -> Document:
    """A greeting, a sentence wrapped to the page, and who wrote it."""
    to, sender = lexicon.distinct_words(rng, "name", 2, longest=7)
    pattern, slots = rng.choice(_MESSAGES)
    values = {name: make(rng) for name, make in slots.items()}
    named = {value: name for name, value in values.items() if len(name) > 1}
    fields = (("reader", to), ("writer", sender), *((name, value) for value, name in named.items()))
    lines: list[list[str]] = [[]]
    for word in pattern.format_map(values).split():
        if lines[-1] and len(" ".join([*lines[-1], word])) > 14:
            lines.append([])
        lines[-1].append(word)
    body = [Row(tuple(Cell(word, named.get(word, "")) for word in line)) for line in lines]
    greeting = rng.choice(("dear", "hi", "hello"))
    head = Row((Cell(greeting), Cell(to, "reader"))) if rng.random() < 0.85 else single(to, "reader")
    close = single(sender, "writer", arrange="right" if layout == "signed-right" else "left")
    if rng.random() < 0.35:
        close = Row((Cell(rng.choice(("love", "yours", "from"))), Cell(sender, "writer")), close.arrange)
    rows = (head, *body, close)
    description = rng.choice((told_by_line("a letter", rows), f"a letter: {' / '.join(row.text for row in rows)}."))
    caption = rng.choice((f"a letter to {to} from {sender}", f"{sender} writes to {to}", f"a note for {to}"))
    present = ((to, "name", 7), (sender, "name", 7))
    return Document("letter", layout, rows, caption, description, fields, present=present)


_COLUMNS: MappingProxyType[str, Callable[[random.Random], str]] = MappingProxyType(
    {
        "age": lambda rng: str(rng.randint(5, 89)),
        "city": lambda rng: lexicon.word(rng, "city", 6),
        "score": lambda rng: str(rng.randint(10, 99)),
        "room": lambda rng: str(rng.randint(10, 499)),
        "job": lambda rng: lexicon.word(rng, "job", 6),
        "price": lambda rng: lexicon.money(lexicon.cents(rng)),
        "stock": lambda rng: str(rng.randint(1, 99)),
        "time": lexicon.clock,
        "temp": lambda rng: str(rng.randint(1, 39)),
        "bus": lambda rng: str(rng.randint(1, 99)),
        "rank": lambda rng: str(rng.randint(1, 30)),
        "guide": lambda rng: lexicon.word(rng, "name"),
    }
)
_TABLES = (
    ("name", "name", ("age", "city", "score", "room", "job")),
    ("item", "food", ("price", "stock")),
    ("city", "city", ("temp", "bus", "time", "guide")),
    ("team", "animal", ("rank", "score", "city")),
)


def table(rng: random.Random, layout: str) -> Document:
    """A header and two to four rows of two or three columns; no value occurs twice in a column."""
    key, group, pool = rng.choice(_TABLES)
    columns = [key, *rng.sample(pool, rng.choice((1, 1, 2)))]
    height = rng.randint(2, 4)
    cells = [lexicon.distinct_words(rng, group, height, longest=6)]
    for name in columns[1:]:
        values: dict[str, None] = {}
        while len(values) < height:
            values[_COLUMNS[name](rng)] = None
        cells.append(list(values))
    body = tuple(zip(*cells, strict=True))
    ruled = layout == "ruled"
    rows = [Row(tuple(Cell(name) for name in columns), "grid", rule_below=True)]
    for line in body:
        named = (Cell(v, "" if i == 0 else f"{columns[i]} of {line[0]}") for i, v in enumerate(line))
        rows.append(Row(tuple(named), "grid", rule_below=ruled))
    printed = (tuple(columns), *body)
    description = rng.choice(
        (
            f"a table. columns: {', '.join(columns)}. rows: {'; '.join(', '.join(line) for line in body)}.",
            f"a table. {' '.join(', '.join(f'{n} {v}' for n, v in zip(columns, line, strict=True)) + '.' for line in body)}",
        )
    )
    caption = rng.choice((f"a table with {' and '.join(columns)}", f"a table of {columns[1]} by {key}"))
    present = tuple((line[0], group, 6) for line in body)
    return Document("table", layout, tuple(rows), caption, description, table=printed, present=present, by_line=False)


_LISTS = (
    ("shopping", "food"),
    ("packing", "thing"),
    ("guests", "name"),
    ("trip", "city"),
    ("zoo", "animal"),
    ("to do", "verb"),
)


def listing(rng: random.Random, layout: str) -> Document:
    """A title, mostly, and two to five entries."""
    title, group = rng.choice(_LISTS)
    entries = lexicon.distinct_words(rng, group, rng.randint(2, 5))
    present = tuple((entry, group, 8) for entry in entries)
    if group == "verb":
        things = lexicon.distinct_words(rng, "thing", len(entries), longest=7)
        entries = [f"{lexicon.real_word(rng, 'verb', 5)} {thing}" for thing in things]
        present = tuple((thing, "thing", 7) for thing in things)
    # A list with neither title nor bullets would look like a sign.
    titled = layout == "bare" or rng.random() < 0.75
    head = [single(title, arrange="center", scale=1.15)] if titled else []
    body = [Row((Cell(entry, f"entry {i + 1}"),), bullet=layout != "bare") for i, entry in enumerate(entries)]
    opening = f"a list. title: {title}." if head else "a list."
    description = rng.choice((f"{opening} {', '.join(entries)}.", f"{opening} entries: {' / '.join(entries)}."))
    caption = rng.choice(
        (
            f"a list with {entries[0]} and {entries[-1]}",
            f"a list that starts with {entries[0]}",
            f"a list: {entries[0]}",
        )
    )
    rows = (*head, *body)
    printed = tuple(entries)
    return Document("list", layout, rows, caption, description, entries=printed, present=present, by_line=False)
