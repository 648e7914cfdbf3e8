"""The same content in two styles: notes to sentences and back."""

from __future__ import annotations

import random

from omma.data.playground.base import Question
from omma.data.playground.language_words import (
    COLORS,
    DAYS,
    FOODS,
    JOBS,
    NAMES,
    PLACES,
    THINGS,
    TOWNS,
    article,
    number_word,
    plural,
)
from omma.data.playground.passages import Passage, combination, listed

Content = tuple[dict[str, str], str, tuple[str, str]]
"""Fields of the notes, the sentence that says the same, and the two values that combine."""


def _person(rng: random.Random) -> Content:
    name, job, town, age = rng.choice(NAMES), rng.choice(JOBS), rng.choice(TOWNS), rng.randint(18, 80)
    notes = {"name": name, "age": str(age), "job": job, "town": town}
    return notes, f"{name} is {age} years old and works as {article(job)} in {town}.", (name, job)


def _meeting(rng: random.Random) -> Content:
    one, two = rng.sample(NAMES, 2)
    day, place, hour = rng.choice(DAYS), rng.choice(PLACES), rng.randint(7, 20)
    notes = {"who": f"{one} and {two}", "day": day, "time": f"{hour}:00", "place": place}
    return notes, f"on {day} at {hour}:00, {one} and {two} meet at the {place}.", (one, place)


def _weather(rng: random.Random) -> Content:
    town, day, degrees = rng.choice(TOWNS), rng.choice(DAYS), rng.randint(0, 35)
    sky = rng.choice(("sunny", "rainy", "cloudy", "windy", "foggy", "stormy"))
    notes = {"town": town, "day": day, "weather": sky, "degrees": str(degrees)}
    return notes, f"on {day} it is {sky} in {town}, with {degrees} degrees.", (town, sky)


def _picture(rng: random.Random) -> Content:
    nouns = rng.sample(("circle", "square", "triangle", "star", "heart", "ring"), 2)
    colors = [rng.choice(COLORS) for _ in nouns]
    counts = [rng.randint(1, 5) for _ in nouns]
    shown = [
        f"{number_word(n)} {c} {noun if n == 1 else plural(noun)}"
        for n, c, noun in zip(counts, colors, nouns, strict=True)
    ]
    notes = {f"{c} {noun}": str(n) for n, c, noun in zip(counts, colors, nouns, strict=True)}
    verb = "is" if counts[0] == 1 else "are"
    return notes, f"in the picture there {verb} {listed(shown)}.", (colors[0], nouns[0])


def _sale(rng: random.Random) -> Content:
    name, thing = rng.choice(NAMES), rng.choice(FOODS)
    price = f"{rng.randint(0, 9)}.{rng.randrange(0, 100, 5):02d}"
    day = rng.choice(DAYS)
    notes = {"buyer": name, "item": thing, "price": price, "day": day}
    return notes, f"{name} bought {thing} for {price} on {day}.", (name, thing)


def _lost(rng: random.Random) -> Content:
    thing, color, place, name = rng.choice(THINGS), rng.choice(COLORS), rng.choice(PLACES), rng.choice(NAMES)
    notes = {"lost item": thing, "color": color, "place": place, "owner": name}
    return notes, f"{name} lost {article(f'{color} {thing}')} at the {place}.", (name, thing)


_CONTENTS = (_person, _meeting, _weather, _picture, _sale, _lost)


def styles(rng: random.Random) -> Passage:
    """A record as notes or as a sentence; the questions ask for the other style and for its fields."""
    make = rng.choice(_CONTENTS)
    notes, sentence, pair = make(rng)
    separator = rng.choice(("\n", "; "))
    noted = separator.join(f"{key}: {value}" for key, value in notes.items())
    lines = "; ".join(f"{key}: {value}" for key, value in notes.items())
    from_notes = rng.random() < 0.5
    questions = []
    if from_notes:
        text = rng.choice(("write this as a sentence.", "say it in a sentence.", "turn the notes into a sentence."))
        questions.append(Question(text, sentence, "to_sentence"))
    else:
        text = rng.choice(("write this as notes.", "make notes of it.", "turn the sentence into notes."))
        questions.append(Question(text, lines, "to_notes"))
    for key in rng.sample(sorted(notes), rng.randint(1, min(3, len(notes)))):
        if make is _picture:
            ask = f"how many {plural(key)}?"
        else:
            ask = rng.choice((f"what is the {key}?", f"{key}?", f"tell me the {key}.")) if key != "who" else "who?"
        questions.append(Question(ask, notes[key], "field"))
    rng.shuffle(questions)
    facts = {"notes": notes, "sentence": sentence}
    return Passage(
        noted if from_notes else sentence, sentence.removesuffix("."), questions, [combination(*pair)], facts
    )
