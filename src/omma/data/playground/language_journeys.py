"""Stories of people who go to places, take things, put them down and give them away: state that changes over time."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from omma.data.playground.base import Question
from omma.data.playground.language_words import COLORS, NAMES, PLACES, ROOMS, THINGS, subject_pronoun
from omma.data.playground.passages import Passage, combination, listed

UNKNOWN = "i do not know"
"""The answer to a question that the passage does not answer."""

_INSIDE = frozenset(ROOMS) | {"park", "forest", "hospital", "church"}

Event = tuple[str, ...]
"""("go", person, place), ("take", person, thing), ("drop", person, thing), ("give", person, person, thing)."""


def at_place(place: str) -> str:
    """ "in the kitchen", "at the station"."""
    return f"{'in' if place in _INSIDE else 'at'} the {place}"


@dataclass(slots=True)
class Journey:
    """The state of the world, and how it came about. Places and holders are None while the story has not told."""

    place: dict[str, str | None]
    holder: dict[str, str | None]
    spot: dict[str, str | None]
    events: list[Event] = field(default_factory=list)

    def possible(self, rng: random.Random, person: str, places: list[str]) -> Event:
        """One thing that this person can do now."""
        here = self.place[person]
        held = [thing for thing, who in self.holder.items() if who == person]
        free = [t for t, who in self.holder.items() if who is None and (self.spot[t] is None or self.spot[t] == here)]
        near = [p for p, where in self.place.items() if where == here and p != person]
        options: list[tuple[Event, int]] = [(("go", person, rng.choice([p for p in places if p != here])), 3)]
        if here and free:
            options.append((("take", person, rng.choice(free)), 5))
        if here and held:
            options.append((("drop", person, rng.choice(held)), 3))
            if near:
                options.append((("give", person, rng.choice(near), rng.choice(held)), 12))
        events = [event for event, _ in options]
        return rng.choices(events, [weight for _, weight in options])[0]

    def apply(self, event: Event) -> None:
        kind, person, target = event[0], event[1], event[-1]
        if kind == "go":
            self.place[person] = target
            for thing, who in self.holder.items():
                if who == person:
                    self.spot[thing] = target
        elif kind == "take":
            self.holder[target], self.spot[target] = person, self.place[person]
        elif kind == "drop":
            self.holder[target] = None
        else:
            self.holder[target] = event[2]
        self.events.append(event)


_GO = ("went to", "walked to", "ran to", "moved to", "hurried to", "traveled to", "came to", "headed to")
_TAKE = ("took", "picked up", "grabbed", "got", "lifted")
_DROP = ("put down", "dropped", "set down", "left")
_GIVE = ("gave", "handed", "passed")
_OPENINGS = ("one morning, ", "one day, ", "yesterday, ", "in the afternoon, ", "early in the day, ", "at first, ")
_MANNERS = ("", "", "", "", "", "", "quickly ", "slowly ", "quietly ", "soon ", "happily ")
_LINKS = ("then ", "after that, ", "later, ", "next, ", "a little later, ", "soon after, ")


def phrase(rng: random.Random, event: Event, names: dict[str, str]) -> str:
    """The event without its subject: "went to the kitchen", "gave the red ball to ben"."""
    kind, target = event[0], event[-1]
    if kind == "go":
        return f"{rng.choice(_MANNERS)}{rng.choice(_GO)} the {target}"
    thing = names[target]
    if kind == "take":
        return f"{rng.choice(_MANNERS)}{rng.choice(_TAKE)} {thing}"
    if kind == "drop":
        verb = rng.choice(_DROP)
        return f"{verb} {thing}{' there' if verb == 'left' else ''}"
    verb = rng.choice(_GIVE)
    return f"{verb} {thing} to {event[2]}" if rng.random() < 0.6 else f"{verb} {event[2]} {thing}"


def tell(rng: random.Random, journey: Journey, names: dict[str, str]) -> str:
    """The events as sentences, in order: pronouns only for the subject of the sentence before."""
    sentences: list[str] = []
    subject, clear = "", False
    events = journey.events
    at = 0
    while at < len(events):
        event = events[at]
        who = subject_pronoun(event[1]) if clear and event[1] == subject and rng.random() < 0.5 else event[1]
        said = f"{who} {phrase(rng, event, names)}"
        last = event
        if at + 1 < len(events) and events[at + 1][1] == event[1] and event[0] != "give" and rng.random() < 0.4:
            at += 1
            last = events[at]
            said += f" and {rng.choice(('', '', 'then '))}{phrase(rng, last, names)}"
        link = rng.choice(_LINKS if sentences else _OPENINGS) if rng.random() < 0.35 else ""
        sentences.append(f"{link}{said}.")
        subject, clear = event[1], last[0] != "give"
        at += 1
    return " ".join(sentences)


def journey(rng: random.Random) -> Passage:
    """Three to eight events with two or three people, two or three places and one to three things."""
    people = rng.sample(NAMES, rng.randint(2, 3))
    places = rng.sample(PLACES, rng.randint(2, 4))
    things = rng.sample(THINGS, rng.randint(1, 3))
    color = {thing: rng.choice(COLORS) for thing in things if rng.random() < 0.45}
    names = {thing: f"the {color[thing]} {thing}" if thing in color else f"the {thing}" for thing in things}
    world = Journey(dict.fromkeys(people), dict.fromkeys(things), dict.fromkeys(things))
    opening = []
    for thing in things:
        if rng.random() < 0.4:
            spot = rng.choice(places)
            world.spot[thing] = spot
            opening.append(f"{names[thing]} was {at_place(spot)}.")
    actors: list[str] = []
    for _ in range(rng.randint(3, 8)):
        actor = actors[-1] if actors and rng.random() < 0.45 else rng.choice(people)
        actors.append(actor)
        world.apply(world.possible(rng, actor, places))
    told = " ".join([*opening, tell(rng, world, names)])
    questions = journey_questions(rng, world, people, places, things, color, names)
    events = world.events
    pairs = {combination(e[1], e[2]) for e in events if e[0] in ("go", "take")}
    last = events[-1][1]
    home = [e[2] for e in events if e[0] == "go" and e[1] == last][-1]
    caption = f"in the end {last} is {at_place(home)}"
    facts = {"events": [list(event) for event in events], "color": color}
    return Passage(told, caption, rng.sample(questions, min(len(questions), rng.randint(3, 6))), sorted(pairs), facts)


def journey_questions(
    rng: random.Random,
    world: Journey,
    people: list[str],
    places: list[str],
    things: list[str],
    color: dict[str, str],
    names: dict[str, str],
) -> list[Question]:
    """Every question that the story answers, in one wording each; sometimes one that it does not answer."""
    ask: list[Question] = []
    moves = {p: [e[2] for e in world.events if e[0] == "go" and e[1] == p] for p in people}
    for person in people:
        here = world.place[person]
        if here is None:
            continue
        text = rng.choice((f"where is {person}?", f"where is {person} now?", f"where is {person} at the end?"))
        ask.append(Question(text, at_place(here), "where"))
        ask.append(Question(f"where is {person}? answer in a sentence.", f"{person} is {at_place(here)}.", "sentence"))
        said = here if rng.random() < 0.5 else rng.choice([p for p in places if p != here])
        ask.append(Question(f"is {person} {at_place(said)} now?", "yes" if said == here else "no", "yes_no"))
        if len(moves[person]) > 1:
            last, before = moves[person][-1], moves[person][-2]
            if moves[person].count(last) == 1:
                ask.append(Question(f"where was {person} before the {last}?", at_place(before), "before"))
            if moves[person].count(before) == 1:
                ask.append(Question(f"where did {person} go after the {before}?", f"to the {last}", "after"))
        touches = [e[-1] for e in reversed(world.events) if e[0] != "go" and world.holder[e[-1]] == person]
        held = list(dict.fromkeys(touches))[::-1]
        if held or rng.random() < 0.3:
            text = rng.choice(
                (f"what does {person} have?", f"what is {person} carrying?", f"what is {person} holding?")
            )
            ask.append(Question(text, listed(names[t] for t in held), "what"))
        if held or rng.random() < 0.15:
            ask.append(Question(f"how many things is {person} carrying?", str(len(held)), "how_many"))
        mine = [e for e in world.events if e[1] == person]
        for one, two in itertools.pairwise(mine):
            if one[0] == "go" and mine.count(one) == 1 and two[0] == "take":
                text = f"what did {person} take after going to the {one[2]}?"
                ask.append(Question(text, names[two[2]], "after"))
                break
    for thing in things:
        touched = [e for e in world.events if e[0] != "go" and e[-1] == thing]
        spot, holder = world.spot[thing], world.holder[thing]
        if spot is not None:
            text = rng.choice(
                (f"where is the {thing}?", f"where is the {thing} now?", f"in which place is the {thing}?")
            )
            full = f"the {thing} is {at_place(spot)}."
            ask.append(Question(f"in a whole sentence: where is the {thing}?", full, "sentence"))
            answer = f"the {spot}" if text.startswith("in which") else at_place(spot)
            ask.append(Question(text, answer, "where"))
        if touched:
            text = rng.choice((f"who has the {thing} now?", f"who has the {thing}?", f"who is carrying the {thing}?"))
            ask.append(Question(text, holder or "nobody", "who"))
            taken = [e for e in touched if e[0] == "take"]
            ask.append(Question(f"who was the first to take the {thing}?", taken[0][1], "who"))
        gifts = [e for e in touched if e[0] == "give"]
        if len(gifts) == 1:
            gift = gifts[0]
            ask.append(Question(f"who gave the {thing} away?", gift[1], "who"))
            ask.append(Question(f"to whom did {gift[1]} give the {thing}?", gift[2], "who"))
            if sum(e[:3] == gift[:3] for e in world.events) == 1:
                ask.append(Question(f"what did {gift[1]} give to {gift[2]}?", names[thing], "what"))
        if thing in color and touched:
            word = rng.choice(("color", "colour"))
            ask.append(Question(f"what {word} is the {thing}?", color[thing], "color"))
    shown = [p for p in people if any(p in e[1:-1] for e in world.events)]
    ask.append(Question("how many people are in the story?", str(len(shown)), "how_many"))
    ask.append(Question("who did something first?", world.events[0][1], "who"))
    if rng.random() < 0.35:
        ask.append(unanswerable(rng, people, things, color))
    return ask


def unanswerable(rng: random.Random, people: list[str], things: list[str], color: dict[str, str]) -> Question:
    """A question that sounds like the others, with no answer in the story."""
    absent = rng.choice([name for name in NAMES if name not in people])
    plain = [thing for thing in things if thing not in color]
    texts = [f"where is {absent}?", f"what does {absent} have?", f"how old is {rng.choice(people)}?"]
    if plain:
        texts += [f"what {rng.choice(('color', 'colour'))} is the {rng.choice(plain)}?"] * 2
    missing = rng.choice([thing for thing in THINGS if thing not in things])
    texts += [f"who has the {missing}?", f"where is the {missing}?"]
    return Question(rng.choice(texts), UNKNOWN, "unknown")
