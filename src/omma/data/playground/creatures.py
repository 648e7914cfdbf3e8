"""Knowledge that only connects through pictures: the worlds *creatures* (pictures) and *bestiary* (words only).

Sixteen creatures have a look each, a name in the hills and another on the coast. The bestiary tells where they live, by their
names in the hills, and what they eat, by those on the coast; pictures tell what a creature is called. So where one lives whose
picture is shown takes two steps, and what the hill people's creature eats three: through its look, which no text mentions. Of half of
the creatures both are asked in training, so that it can be learned that there is a way; of the others never
(docs/studies.md).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from omma.data.playground.base import WORLDS, Question, Scene, Split, World
from omma.data.playground.shapes import pictured, random_of
from omma.data.playground.shapes_layout import PICTURE_SIZES, Thing, layout_of
from omma.data.playground.shapes_words import references


@dataclass(frozen=True, slots=True)
class Creature:
    """What there is to know of one.

    Attributes:
        look: colour and shape.
        hill, coast: its two names.
        home: known under its name in the hills.
        food: known under its name on the coast.
    """

    look: tuple[str, str]
    hill: str
    coast: str
    home: str
    food: str


HOMES = ("cave", "lake", "forest", "desert", "island", "meadow", "swamp", "river")
FOODS = ("nuts", "figs", "roots", "plums", "berries", "seeds", "leaves", "eggs")

_LOOKS = (
    "red star", "red circle", "green heart", "green square", "blue ring", "blue cross", "yellow triangle", "yellow heart",
    "purple diamond", "purple star", "orange circle", "orange ring", "pink square", "pink triangle", "black cross", "black diamond",
)  # fmt: skip
_HILL = "bimo dorla fenn gasti huvek jopa kelt lurin mabo nefi ostra pavi rimul sotti tagon velu".split()
_COAST = "wabe zentu quol yarri ulmo trask spendo rolfi plim onda nuk mirt lozi krem ippa galu".split()

CREATURES: tuple[Creature, ...] = tuple(
    # Every home and every food comes twice, once with a linked and once with another creature, and never the same two; nor
    # do two creatures of one colour or one shape share either.
    Creature((look.split()[0], look.split()[1]), hill, coast, HOMES[(i // 2 + 3 * (i % 2)) % 8], FOODS[(i // 2 * 3 + 5 * (i % 2)) % 8])
    for i, (look, hill, coast) in enumerate(zip(_LOOKS, _HILL, _COAST, strict=True))
)
LINKED, UNLINKED = CREATURES[::2], CREATURES[1::2]
"""Those whose two steps are asked in training, and those whose are not."""

HOME_SAYS = ("the {x} lives in the {fact}.", "the home of the {x} is the {fact}.", "in the {fact} lives the {x}.")
FOOD_SAYS = ("the {x} eats {fact}.", "the food of the {x} is {fact}.", "{fact} are eaten by the {x}.")
HILL_PHRASES = ("what do the hill people call {x}?", "in the hills, what is {x} called?", "what is the hill name of {x}?")
COAST_PHRASES = ("what do the coast people call {x}?", "on the coast, what is {x} called?", "what is the coast name of {x}?")
HOME_PHRASES = ("where does {x} live?", "what is the home of {x}?", "where is {x} at home?", "name the home of {x}.")
FOOD_PHRASES = ("what does {x} eat?", "what is the food of {x}?", "what does {x} live on?", "name the food of {x}.")


@WORLDS.register("creatures")
class Creatures(World):
    """Pictures of one to three creatures. What is it called, where does it live, what does it eat?

    ``train`` and ``fresh`` ask for both names (kinds *hill name* and *coast name*), and *home* and *food* of the linked
    creatures. ``compositional`` shows only the others, and asks for their home and food: *untaught home* and *untaught food*.
    """

    name = "creatures"

    def scene(self, split: Split, index: int) -> Scene:
        rng = random_of(self.name, split, index)
        among = UNLINKED if split == "compositional" else CREATURES
        shown = {creature.look: creature for creature in rng.sample(among, rng.choice((1, 2, 2, 3)))}
        picture = rng.choice(PICTURE_SIZES)
        names: list[list[str]] = [[]]
        while not all(names):
            layout = layout_of(rng, list(shown), picture)
            names = [_names(thing, layout.things) for thing in layout.things]

        def ask() -> tuple[Question, ...]:
            named = zip(layout.things, names, strict=True)
            asked = [question for thing, called in named for question in _questions(rng, called, shown[thing.pair], split)]
            rng.shuffle(asked)
            return tuple(asked)

        return pictured(self.name, split, index, rng, layout, ask)


def _names(thing: Thing, things: tuple[Thing, ...]) -> list[str]:
    """Names by place or size, since what a creature looks like must not be said; none where that tells it from no other."""
    return ["this"] if len(things) == 1 else references(thing, things, ("size", "place"), "creature")


def _questions(rng: random.Random, names: list[str], creature: Creature, split: Split) -> list[Question]:
    def asked(phrases: tuple[str, ...], answer: str, kind: str) -> Question:
        return Question(rng.choice(phrases).format(x=rng.choice(names)), answer, kind)

    untaught = "untaught " if split == "compositional" else ""
    facts = [
        asked(HOME_PHRASES, creature.home, f"{untaught}home"),
        asked(FOOD_PHRASES, creature.food, f"{untaught}food"),
    ]
    if untaught:
        return facts
    named = [
        asked(HILL_PHRASES, creature.hill, "hill name"),
        asked(COAST_PHRASES, creature.coast, "coast name"),
    ]
    return named + (facts if creature in LINKED else [])


@WORLDS.register("bestiary")
class Bestiary(World):
    """Where creatures live and what they eat, in words only, by the one of their two names that it is known under.

    Half of the passages say what they ask for; kinds *home* and *food*. Of the linked creatures it is asked, too, what nothing
    says: where they live by their names on the coast, what they eat by their names in the hills, and what the other side
    calls them (kind *linked*). ``compositional`` asks just that of the others (kind *untaught*).
    """

    name = "bestiary"

    def scene(self, split: Split, index: int) -> Scene:
        rng = random_of(self.name, split, index)
        untaught = split == "compositional"
        among = rng.sample(UNLINKED if untaught else CREATURES, rng.randint(2, 4))
        known = [] if untaught else [fact for creature in among for fact in _known(creature)]
        said = [rng.choice(phrases).format(x=name, fact=fact) for _, name, fact, phrases, _ in known]
        rng.shuffle(said)
        questions = [Question(rng.choice(asks).format(x=f"the {name}"), fact, kind) for kind, name, fact, _, asks in known]
        questions += [q for creature in among if untaught or creature in LINKED for q in _linked(rng, creature, untaught)]
        rng.shuffle(questions)
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=(),
            caption="from a book of creatures",
            description=" ".join(said) if rng.random() < 0.5 else "",
            questions=tuple(questions),
            facts={"creatures": [creature.hill for creature in among]},
        )


def _known(creature: Creature) -> list[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]]:
    """(kind, name, fact, statements, questions), for both facts."""
    return [
        ("home", creature.hill, creature.home, HOME_SAYS, HOME_PHRASES),
        ("food", creature.coast, creature.food, FOOD_SAYS, FOOD_PHRASES),
    ]


def _linked(rng: random.Random, creature: Creature, untaught: bool) -> list[Question]:
    hill, coast = f"the {creature.hill}", f"the {creature.coast}"
    asked = (
        (rng.choice(HOME_PHRASES).format(x=coast), creature.home),
        (rng.choice(FOOD_PHRASES).format(x=hill), creature.food),
        (rng.choice(HILL_PHRASES).format(x=coast), creature.hill),
        (rng.choice(COAST_PHRASES).format(x=hill), creature.coast),
    )
    return [Question(text, answer, "untaught" if untaught else "linked") for text, answer in asked]
