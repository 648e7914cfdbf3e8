"""Short passages whose state does not change: diaries, causes, rooms, people, rankings, shopping."""

from __future__ import annotations

import itertools
import random

from omma.data.playground.base import Question
from omma.data.playground.language_journeys import UNKNOWN, at_place
from omma.data.playground.language_words import (
    COLORS,
    DAYS,
    FOODS,
    FRUITS,
    FURNITURE,
    INSTRUMENTS,
    JOBS,
    NAMES,
    PETS,
    ROOMS,
    SIZES,
    THINGS,
    TOWN_PLACES,
    TOWNS,
    VEGETABLES,
    article,
    number_word,
    plural,
    subject_pronoun,
)
from omma.data.playground.passages import Passage, combination, listed

_ACTIVITIES = (
    ("baked a cake", "bake a cake"), ("read a book", "read a book"), ("visited a friend", "visit a friend"),
    ("went swimming", "go swimming"), ("played football", "play football"), ("watched a film", "watch a film"),
    ("wrote a letter", "write a letter"), ("cleaned the house", "clean the house"), ("cooked soup", "cook soup"),
    ("painted a picture", "paint a picture"), ("planted a tree", "plant a tree"), ("bought a coat", "buy a coat"),
    ("repaired the car", "repair the car"), ("played chess", "play chess"), ("went fishing", "go fishing"),
    ("learned to dance", "learn to dance"), ("sang in the choir", "sing in the choir"),
    ("fed the ducks", "feed the ducks"),
    ("washed the windows", "wash the windows"), ("built a kite", "build a kite"), ("called a doctor", "call a doctor"),
    ("took photos", "take photos"), ("picked apples", "pick apples"), ("studied maths", "study maths"),
    ("rode a horse", "ride a horse"), ("climbed a hill", "climb a hill"),
    ("sold the old bicycle", "sell the old bicycle"),
    ("met an old teacher", "meet an old teacher"), ("mended the roof", "mend the roof"), ("made jam", "make jam"),
)  # fmt: skip
_TIMES = ("in the morning", "at noon", "in the afternoon", "in the evening", "at night")


def some(rng: random.Random, questions: list[Question], *, unknown: str) -> list[Question]:
    """Two to five of the questions; one time in five one more that the passage does not answer."""
    asked = rng.sample(questions, min(len(questions), rng.randint(2, 5)))
    if rng.random() < 0.2:
        asked.insert(rng.randint(0, len(asked)), Question(unknown, UNKNOWN, "unknown"))
    return asked


def diary(rng: random.Random) -> Passage:
    """What one person did on several days, or in the course of one day, not always told in order."""
    name = rng.choice(NAMES)
    span = DAYS if rng.random() < 0.5 else _TIMES
    count = rng.randint(2, min(4, len(span)))
    slots = sorted(rng.sample(range(len(span)), count))
    done = rng.sample(_ACTIVITIES, count)
    when = [f"on {span[s]}" if span is DAYS else span[s] for s in slots]
    friends = rng.sample([n for n in NAMES if n != name], count)
    company = [friends[i] if rng.random() < 0.4 else "" for i in range(count)]
    told = list(range(count))
    if rng.random() < 0.4:
        rng.shuffle(told)
    sentences = []
    for nth, i in enumerate(told):
        who = name if nth == 0 or rng.random() < 0.3 else subject_pronoun(name)
        tail = f" with {company[i]}" if company[i] else ""
        act = done[i][0] + tail
        sentences.append(f"{when[i]}, {who} {act}." if rng.random() < 0.6 else f"{who} {act} {when[i]}.")
    questions = []
    for i in range(count):
        base = done[i][1]
        questions.append(Question(f"when did {name} {base}?", when[i], "when"))
        questions.append(Question(f"what did {name} do {when[i]}?", done[i][0], "what"))
        full = f"{name} {done[i][0]} {when[i]}."
        questions.append(Question(f"when did {name} {base}? answer in a sentence.", full, "sentence"))
        if company[i]:
            questions.append(Question(f"who was with {name} {when[i]}?", company[i], "who"))
            questions.append(Question(f"when was {company[i]} with {name}?", when[i], "when"))
    i, j = rng.sample(range(count), 2)
    order = "before" if i < j else "after"
    questions.append(
        Question(f"did {name} {done[i][1]} before or after {subject_pronoun(name)} {done[j][0]}?", order, "before")
    )
    questions.append(Question(f"what did {name} do first?", done[0][0], "before"))
    questions.append(Question(f"what did {name} do last?", done[-1][0], "after"))
    other = rng.choice([a for a in _ACTIVITIES if a not in done])
    unknown = f"when did {name} {other[1]}?"
    pairs = [combination(name, base) for _, base in done]
    return Passage(
        " ".join(sentences), f"what {name} did {when[0]} and {when[-1]}", some(rng, questions, unknown=unknown), pairs
    )


_CAUSES = (
    ("was hungry", "ate some bread", "eat some bread"),
    ("was thirsty", "drank a glass of water", "drink a glass of water"),
    ("was tired", "went to bed", "go to bed"), ("was cold", "put on a coat", "put on a coat"),
    ("was hot", "opened the window", "open the window"), ("was bored", "played a game", "play a game"),
    ("was ill", "went to the doctor", "go to the doctor"), ("was late", "ran to the bus", "run to the bus"),
    ("was sad", "called a friend", "call a friend"), ("was happy", "sang a song", "sing a song"),
    ("was dirty", "took a bath", "take a bath"), ("was lost", "asked the way", "ask the way"),
    ("was afraid", "turned on the light", "turn on the light"), ("was curious", "opened the box", "open the box"),
    ("was angry", "left the room", "leave the room"), ("was proud", "showed the picture", "show the picture"),
    ("was lonely", "visited the neighbors", "visit the neighbors"), ("was in a hurry", "took a taxi", "take a taxi"),
    ("saw the rain", "took an umbrella", "take an umbrella"), ("heard a noise", "looked outside", "look outside"),
    ("broke a cup", "cleaned the floor", "clean the floor"), ("lost the key", "waited at the door", "wait at the door"),
    ("won a prize", "gave a party", "give a party"),
    ("forgot the milk", "went back to the shop", "go back to the shop"),
    ("missed the train", "walked home", "walk home"), ("found a wallet", "went to the police", "go to the police"),
    ("had a birthday", "got a present", "get a present"), ("had a headache", "stayed at home", "stay at home"),
    ("wanted to learn", "read a book", "read a book"), ("needed money", "sold the bicycle", "sell the bicycle"),
    ("liked music", "bought a guitar", "buy a guitar"), ("smelled smoke", "called for help", "call for help"),
)  # fmt: skip


def causes(rng: random.Random) -> Passage:
    """Two or three people, each of whom did something for a reason."""
    people = rng.sample(NAMES, rng.randint(1, 3))
    reasons = rng.sample(_CAUSES, len(people))
    sentences, questions, pairs = [], [], []
    for name, (state, deed, base) in zip(people, reasons, strict=True):
        they = subject_pronoun(name)
        sentences.append(
            rng.choice(
                (
                    f"{name} {state}, so {they} {deed}.", f"{name} {deed} because {they} {state}.",
                    f"because {name} {state}, {they} {deed}.", f"{name} {state}. that is why {they} {deed}.",
                    f"{name} {state} and therefore {deed}.", f"since {name} {state}, {they} {deed}.",
                )
            )
        )  # fmt: skip
        questions += [
            Question(f"why did {name} {base}?", f"because {they} {state}", "why"),
            Question(f"who {state}?", name, "who"),
            Question(f"who {deed}?", name, "who"),
            Question(f"what did {name} do because {they} {state}?", deed, "what"),
        ]
        pairs.append(combination(name, base))
        if state.startswith("was "):
            feeling = state.removeprefix("was ")
            other = rng.choice([s for s, _, _ in _CAUSES if s.startswith("was ") and s != state]).removeprefix("was ")
            true = rng.random() < 0.5
            questions.append(Question(f"was {name} {feeling if true else other}?", "yes" if true else "no", "yes_no"))
            questions.append(Question(f"how was {name}?", feeling, "how"))
    absent = rng.choice([n for n in NAMES if n not in people])
    unknown = f"why did {absent} {rng.choice(reasons)[2]}?"
    return Passage(
        " ".join(sentences), f"why {people[0]} {reasons[0][1]}", some(rng, questions, unknown=unknown), sorted(pairs)
    )


_SPOTS = ("on", "under", "next to", "behind", "in front of")


def room(rng: random.Random) -> Passage:
    """Things of various colors and sizes beside the furniture of a room."""
    place = rng.choice(ROOMS)
    things = rng.sample([t for t in THINGS if t not in ("lamp",)], rng.randint(2, 4))
    color = {t: rng.choice(COLORS) for t in things}
    size = {t: rng.choice(SIZES) for t in things if rng.random() < 0.4}
    spots = rng.sample([(s, f) for s in _SPOTS for f in rng.sample(FURNITURE, 4)], len(things))
    where = {t: f"{s} the {f}" for t, (s, f) in zip(things, spots, strict=True)}
    full = {t: article(f"{size[t]} {color[t]} {t}" if t in size else f"{color[t]} {t}") for t in things}
    first, *rest = things
    sentences = [
        rng.choice(
            (
                f"{at_place(place)} there is {full[first]} {where[first]}.",
                f"there is {full[first]} {where[first]} in the {place}.",
            )
        )
    ]
    for t in rest:
        sentences.append(
            rng.choice(
                (f"{full[t]} is {where[t]}.", f"{where[t]} is {full[t]}.", f"there is also {full[t]} {where[t]}.")
            )
        )
    questions = []
    for t in things:
        word = rng.choice(("color", "colour"))
        questions.append(Question(f"what {word} is the {t}?", color[t], "color"))
        questions.append(Question(f"where is the {t}?", where[t], "where"))
        questions.append(Question(f"what is {where[t]}?", full[t], "what"))
        questions.append(Question(f"in a whole sentence: where is the {t}?", f"the {t} is {where[t]}.", "sentence"))
        true = rng.random() < 0.5
        said = color[t] if true else rng.choice([c for c in COLORS if c != color[t]])
        questions.append(Question(f"is the {t} {said}?", "yes" if true else "no", "yes_no"))
        if t in size:
            questions.append(Question(f"what size is the {t}?", size[t], "size"))
    asked = rng.choice(list(color.values()))
    questions.append(
        Question(f"how many {asked} things are there?", str(sum(c == asked for c in color.values())), "how_many")
    )
    questions.append(Question("how many things are there?", str(len(things)), "how_many"))
    present = rng.random() < 0.5
    there = rng.choice(things) if present else rng.choice([t for t in THINGS if t not in things])
    questions.append(Question(f"is there {article(there)} in the {place}?", "yes" if present else "no", "yes_no"))
    absent = rng.choice([t for t in THINGS if t not in things])
    pairs = sorted({combination(color[t], t) for t in things})
    caption = f"{article(place)} with {listed([article(t) for t in things])}"
    return Passage(" ".join(sentences), caption, some(rng, questions, unknown=f"what color is the {absent}?"), pairs)


def profiles(rng: random.Random) -> Passage:
    """One or two people: work, age, town, pet, and what they like."""
    people = rng.sample(NAMES, rng.randint(1, 2))
    ages = rng.sample(range(20, 80), 2)
    # Nothing is shared, so that "who has a cat?" has one answer.
    owns = zip(*(rng.sample(options, 2) for options in (JOBS, TOWNS, PETS, FOODS, INSTRUMENTS)), strict=True)
    sentences, questions, pairs = [], [], []
    for name, age, own in zip(people, ages, owns, strict=False):
        they = subject_pronoun(name)
        job, town, pet, food, music = own
        told = [
            (f"{they} is {article(job)}.", Question(f"what is {name}'s job?", job, "what")),
            (f"{they} works as {article(job)}.", Question(f"what does {name} do for work?", job, "what")),
            (f"{they} is {age} years old.", Question(f"how old is {name}?", str(age), "how_many")),
            (f"{they} lives in {town}.", Question(f"where does {name} live?", f"in {town}", "where")),
            (f"{they} has {article(pet)}.", Question(f"what pet does {name} have?", article(pet), "what")),
            (f"{they} likes {food}.", Question(f"what does {name} like?", food, "what")),
            (f"{they} plays the {music}.", Question(f"what does {name} play?", f"the {music}", "what")),
        ]
        del told[rng.randrange(2)]
        facts = rng.sample(told, rng.randint(2, 4))
        age_fact = next(t for t in told if "years old" in t[0])
        if len(people) == 2 and age_fact not in facts:
            facts.append(age_fact)
        for nth, (text, question) in enumerate(facts):
            sentences.append(text.replace(they, name, 1) if nth == 0 else text)
            questions.append(question)
            if "years" not in text:
                questions.append(Question(f"who {text.removeprefix(they + ' ').removesuffix('.')}?", name, "who"))
                pairs.append(combination(name, question.answer))
    if len(people) == 2:
        old, young = people if ages[0] > ages[1] else people[::-1]
        older, yes = rng.random() < 0.5, rng.random() < 0.5
        questions.append(Question(f"who is {'older' if older else 'younger'}?", old if older else young, "compare"))
        a, b = (old, young) if yes else (young, old)
        questions.append(Question(f"is {a} older than {b}?", "yes" if yes else "no", "yes_no"))
    absent = rng.choice([n for n in NAMES if n not in people])
    unknown = rng.choice(
        (f"how old is {absent}?", f"what is the name of {people[0]}'s {rng.choice(('mother', 'brother'))}?")
    )
    return Passage(" ".join(sentences), f"about {listed(people)}", some(rng, questions, unknown=unknown), pairs)


_SCALES = (
    ("taller", "shorter", "tallest", "shortest"), ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"), ("stronger", "weaker", "strongest", "weakest"),
    ("richer", "poorer", "richest", "poorest"), ("louder", "quieter", "loudest", "quietest"),
)  # fmt: skip


def ranking(rng: random.Random) -> Passage:
    """Three or four people, compared two by two, in any order: the rest follows."""
    people = rng.sample(NAMES, rng.randint(3, 4))
    up, down, top, bottom = rng.choice(_SCALES)
    sentences = [
        f"{a} is {up} than {b}." if rng.random() < 0.6 else f"{b} is {down} than {a}."
        for a, b in itertools.pairwise(people)
    ]
    rng.shuffle(sentences)
    i, j = sorted(rng.sample(range(len(people)), 2))
    yes, more = rng.random() < 0.5, rng.random() < 0.5
    a, b = (people[i], people[j]) if yes == more else (people[j], people[i])
    questions = [
        Question(f"who is the {top}?", people[0], "compare"),
        Question(f"who is the {bottom}?", people[-1], "compare"),
        Question(f"is {a} {up if more else down} than {b}?", "yes" if yes else "no", "yes_no"),
        Question(f"who is {up}, {a} or {b}?", people[i], "compare"),
        Question(f"list them from {top} to {bottom}.", ", ".join(people), "order"),
    ]
    pairs = sorted({combination(top, name) for name in people})
    unknown = f"who is the {rng.choice([s for s in _SCALES if s[0] != up])[2]}?"
    return Passage(" ".join(sentences), f"who is {up} than whom", some(rng, questions, unknown=unknown), pairs)


def shopping(rng: random.Random) -> Passage:
    """Who bought how many of what, where and when."""
    name, other = rng.sample(NAMES, 2)
    place = rng.choice([p for p in TOWN_PLACES if p in ("market", "farm", "harbor")])
    day = rng.choice(DAYS)
    goods = rng.sample(FRUITS + VEGETABLES, rng.randint(2, 3))
    counts = [rng.randint(2, 9) for _ in goods]
    bought = listed([f"{number_word(n)} {plural(g)}" for n, g in zip(counts, goods, strict=True)])
    they = subject_pronoun(name)
    gift = rng.choice(goods)
    sentences = [
        rng.choice(
            (
                f"on {day}, {name} bought {bought} {at_place(place)}.",
                f"{name} went to the {place} on {day}. {they} bought {bought}.",
                f"{name} was {at_place(place)} on {day} and bought {bought} there.",
            )
        )
    ]  # fmt: skip
    if rng.random() < 0.6:
        sentences.append(f"{they} gave one {gift} to {other}.")
    questions = [
        Question(f"when did {name} buy the {plural(gift)}?", f"on {day}", "when"),
        Question(f"where did {name} buy the {plural(gift)}?", at_place(place), "where"),
        Question(f"who bought {plural(gift)}?", name, "who"),
        Question(f"what did {name} buy?", bought, "what"),
    ]
    for n, g in zip(counts, goods, strict=True):
        questions.append(Question(f"how many {plural(g)} did {name} buy?", str(n), "how_many"))
        yes = rng.random() < 0.5
        thing = g if yes else rng.choice([f for f in FRUITS + VEGETABLES if f not in goods])
        questions.append(Question(f"did {name} buy any {plural(thing)}?", "yes" if yes else "no", "yes_no"))
    if len(sentences) == 2:
        left = counts[goods.index(gift)] - 1
        questions.append(Question(f"how many {plural(gift)} does {name} have left?", str(left), "how_many"))
        questions.append(Question(f"what did {name} give to {other}?", f"one {gift}", "what"))
        questions.append(Question(f"who got one {gift}?", other, "who"))
    absent = rng.choice([n for n in NAMES if n not in (name, other)])
    pairs = [combination(name, g) for g in goods]
    return Passage(
        " ".join(sentences),
        f"{name} buys {listed(map(plural, goods))}",
        some(rng, questions, unknown=f"what did {absent} buy?"),
        pairs,
    )
