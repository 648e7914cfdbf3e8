"""Common knowledge as a table of relations: who eats what, what is the opposite of what, and so on.

Every subject has one answer in its relation. A relation brings its own wordings, of statements and of questions.
"""

from __future__ import annotations

from dataclasses import dataclass

from omma.data.playground.language_words import (
    ANIMALS,
    BODY,
    CLOTHES,
    DAYS,
    FRUITS,
    FURNITURE,
    GROUPS,
    INSTRUMENTS,
    JOBS,
    MONTHS,
    THINGS,
    TOOLS,
    VEHICLES,
    article,
    plural,
)


@dataclass(frozen=True, slots=True)
class Relation:
    """Facts of one type.

    Attributes:
        name: the ``kind`` of its questions.
        facts: subject to answer. In templates {s} is the subject, {as} it with an article, {ps} its plural,
            and {o}, {ao}, {po} the same of the answer.
        says: wordings of the fact as a statement.
        asks: wordings of the question that the answer answers.
        answer: the wording of the answer.
        exclusive: whether the answer of another subject is certainly false of this one: not so for parts, say,
            since a tail is part of a dog and of a cat.
    """

    name: str
    facts: dict[str, str]
    says: tuple[str, ...]
    asks: tuple[str, ...]
    answer: str = "{o}"
    exclusive: bool = False


def fill(template: str, subject: str, answer: str) -> str:
    """A wording of a relation with its subject and answer filled in."""
    forms = {"s": subject, "o": answer, "as": article(subject), "ao": article(answer)}
    if "{p" in template:
        forms |= {"ps": plural(subject), "po": plural(answer)}
    return template.format(**forms)


def _table(text: str) -> dict[str, str]:
    """ "a: b, c: d" as a dictionary."""
    return {key.strip(): value.strip() for key, value in (pair.split(":") for pair in text.split(","))}


def _both(text: str) -> dict[str, str]:
    """A table of pairs, read in both directions."""
    one = _table(text)
    return one | {value: key for key, value in one.items()}


def _cycle(words: tuple[str, ...], step: int) -> dict[str, str]:
    return {word: words[(i + step) % len(words)] for i, word in enumerate(words)}


_OPPOSITES = _both(
    "hot: cold, big: small, fast: slow, happy: sad, open: closed, day: night, up: down, left: right, old: young,"
    " hard: soft, wet: dry, full: empty, bright: dark, high: low, long: short, thick: thin, strong: weak, rich: poor,"
    " early: late, near: far, clean: dirty, loud: quiet, first: last, true: false, heavy: light, front: back,"
    " inside: outside, always: never, summer: winter, good: bad, sweet: sour, win: lose, buy: sell, push: pull,"
    " begin: end, friend: enemy, above: below, before: after, question: answer, north: south, east: west, deep:"
    " shallow,"
    " wide: narrow, easy: difficult, cheap: expensive, brave: afraid, love: hate, laugh: cry, give: take, all: none"
)

_GROUP_OF = {
    **dict.fromkeys(FRUITS, "fruit"),
    **dict.fromkeys(GROUPS["vegetables"], "vegetable"),
    **dict.fromkeys(ANIMALS, "animal"),
    **dict.fromkeys(TOOLS, "tool"),
    **dict.fromkeys(VEHICLES, "vehicle"),
    **dict.fromkeys((i for i in INSTRUMENTS if i != "bell"), "instrument"),
    **dict.fromkeys((f for f in FURNITURE if f != "carpet"), "piece of furniture"),
    **dict.fromkeys(CLOTHES, "piece of clothing"),
    **dict.fromkeys(JOBS, "job"),
    **dict.fromkeys(BODY, "part of the body"),
}
_GROUP_OF.pop("scissors")

CATEGORY = Relation(
    "category",
    _GROUP_OF,
    ("{as} is {ao}.", "{as} is a kind of {o}.", "{as} counts as {ao}."),
    ("what is {as}?", "what kind of thing is {as}?", "{as} is a kind of what?"),
    "{ao}",
    exclusive=True,
)

RELATIONS: tuple[Relation, ...] = (
    CATEGORY,
    Relation(
        "opposite",
        _OPPOSITES,
        ("the opposite of {s} is {o}.", "{s} and {o} are opposites.", "{o} is the opposite of {s}."),
        ("what is the opposite of {s}?", "which word means the opposite of {s}?", "opposite of {s}?", "not {s} but"),
        exclusive=True,
    ),
    Relation(
        "color",
        _table(
            "grass: green, snow: white, blood: red, coal: black, milk: white, chocolate: brown, the sun: yellow,"
            " a carrot: orange, a banana: yellow, a clear sky: blue, a strawberry: red, a leaf in summer: green,"
            " soot: black,"
            " sand: yellow, a pumpkin: orange, salt: white, an elephant: gray, a polar bear: white,"
            " a fire engine: red, a plum: purple, a flamingo: pink, a crow: black, a lemon: yellow, a cucumber: green"
        ),
        ("{s} is {o}.", "the color of {s} is {o}.", "most people know that {s} is {o}."),
        ("what color is {s}?", "what colour is {s}?", "which color does {s} have?", "the color of {s} is"),
        exclusive=True,
    ),
    Relation(
        "after",
        _cycle(DAYS, 1) | _cycle(MONTHS, 1) | _cycle(("spring", "summer", "autumn", "winter"), 1),
        ("after {s} comes {o}.", "{o} follows {s}.", "{s} is followed by {o}."),
        ("what comes after {s}?", "what follows {s}?", "which one is next after {s}?"),
        exclusive=True,
    ),
    Relation(
        "before",
        _cycle(DAYS, -1) | _cycle(MONTHS, -1) | _cycle(("spring", "summer", "autumn", "winter"), -1),
        ("before {s} comes {o}.", "{o} is just before {s}."),
        ("what comes before {s}?", "which one is right before {s}?"),
        exclusive=True,
    ),
    Relation(
        "plural",
        {w: plural(w) for w in ANIMALS + FRUITS + BODY + CLOTHES + FURNITURE + VEHICLES + THINGS},
        ("one {s}, two {o}.", "the plural of {s} is {o}.", "more than one {s}: {o}."),
        ("what is the plural of {s}?", "one {s}, two", "how do you say more than one {s}?"),
        exclusive=True,
    ),
    Relation(
        "sound",
        _table(
            "dog: barks, cat: meows, cow: moos, duck: quacks, lion: roars, bee: buzzes, sheep: bleats, horse: neighs,"
            " wolf: howls, snake: hisses, mouse: squeaks, owl: hoots, pig: grunts, bird: sings, frog: croaks"
        ),
        ("{as} {o}.", "the {s} {o}.", "when you hear {as}, it {o}."),
        ("what sound does {as} make?", "how does {as} sound?", "what does {as} do when it makes a noise?"),
        "it {o}",
    ),
    Relation(
        "young",
        _table(
            "dog: puppy, cat: kitten, cow: calf, horse: foal, sheep: lamb, hen: chick, duck: duckling, pig: piglet,"
            " bear: cub, lion: cub, goose: gosling, deer: fawn, owl: owlet, goat: kid, frog: tadpole"
        ),
        ("a young {s} is called {ao}.", "the child of {as} is {ao}.", "a baby {s} is {ao}."),
        ("what is a young {s} called?", "what do you call a baby {s}?", "the child of {as} is"),
        "{ao}",
    ),
    Relation(
        "use",
        _table(
            "knife: cut, pen: write, spoon: eat soup, broom: sweep, key: open doors, bed: sleep, cup: drink, book:"
            " read,"
            " camera: take photos, umbrella: stay dry, clock: tell the time, hammer: hit nails, saw: cut wood,"
            " phone: call people, lamp: make light, oven: bake, soap: wash, towel: dry hands, needle: sew, rope: tie"
            " things,"
            " ruler: measure, brush: paint, shovel: dig, ladder: climb, boat: cross water, chair: sit, scarf: keep"
            " warm,"
            " mirror: see yourself, map: find the way, eraser: rub out, thermometer: measure heat, fridge: keep food"
            " cold"
        ),
        ("you use {as} to {o}.", "{as} is there to {o}.", "people need {as} to {o}."),
        ("what do you do with {as}?", "what is {as} for?", "what do you use {as} for?"),
        "to {o}",
    ),
    Relation(
        "part",
        _table(
            "wheel: car, page: book, roof: house, branch: tree, wing: bird, finger: hand, toe: foot, petal: flower,"
            " sail: ship, handle: door, tail: dog, key: piano, string: guitar, room: house, button: shirt, sleeve:"
            " coat,"
            " pedal: bicycle, screen: phone, keyboard: computer, nose: face, fin: fish, trunk: elephant, drawer: desk,"
            " minute: hour, day: week, month: year, letter: word, word: sentence, player: team, island: sea"
        ),
        ("{as} is part of {ao}.", "{as} belongs to {ao}.", "you find {as} on or in {ao}."),
        ("what is {as} part of?", "where does {as} belong?", "{as} is part of"),
        "{ao}",
    ),
    Relation(
        "work",
        _table(
            "baker: bakes bread, teacher: teaches children, doctor: helps sick people, farmer: grows food,"
            " pilot: flies planes, cook: prepares meals, painter: paints pictures, singer: sings songs, builder:"
            " builds houses,"
            " driver: drives a bus, dentist: looks after teeth, writer: writes books, tailor: makes clothes,"
            " carpenter: works with wood, butcher: sells meat, sailor: works on a ship, fisher: catches fish, actor:"
            " plays in films,"
            " gardener: looks after plants, postman: brings letters, plumber: repairs pipes, waiter: brings the food,"
            " judge: decides in court, nurse: cares for patients, soldier: serves in the army, firefighter: puts out"
            " fires"
        ),
        ("{as} {o}.", "the work of {as}: the {s} {o}.", "it is {as} who {o}."),
        ("what does {as} do?", "what is the work of {as}?", "what is {as}'s job?"),
        "{as} {o}",
    ),
    Relation(
        "made_of",
        _table(
            "bread: flour, butter: milk, cheese: milk, wine: grapes, paper: wood, glass: sand, a window: glass, a"
            " sweater: wool,"
            " a snowman: snow, jam: fruit, juice: fruit, an omelet: eggs, a coin: metal, a book: paper, a candle: wax,"
            " a tire: rubber, yogurt: milk, a brick: clay, ice: water, a pencil: wood, chips: potatoes"
        ),
        ("{s} is made of {o}.", "people make {s} from {o}.", "you need {o} to make {s}."),
        ("what is {s} made of?", "what do people make {s} from?", "what do you need to make {s}?"),
    ),
    Relation(
        "home",
        _table(
            "bird: nest, bee: hive, fish: water, horse: stable, cow: barn, lion: savanna, camel: desert, monkey:"
            " jungle,"
            " whale: sea, spider: web, bear: forest, hen: coop, king: castle, rabbit: burrow, pig: sty, penguin: ice,"
            " frog: pond"
        ),
        ("{as} lives in or on the {o}.", "the home of {as} is the {o}.", "the {o} is where {as} lives."),
        ("where does {as} live?", "what is the home of {as}?", "in which place would you look for {as}?"),
        "the {o}",
    ),
    Relation(
        "how_many",
        _table(
            "days does a week have: 7, months does a year have: 12, legs does a dog have: 4, legs does a spider have:"
            " 8,"
            " wheels does a car have: 4, wheels does a bicycle have: 2, fingers does a hand have: 5, eyes does a cat"
            " have: 2,"
            " hours does a day have: 24, minutes does an hour have: 60, seasons does a year have: 4, legs does a bird"
            " have: 2,"
            " sides does a triangle have: 3, sides does a square have: 4, legs does an ant have: 6, corners does a"
            " square have: 4,"
            " letters does the english alphabet have: 26, seconds does a minute have: 60, wings does a bird have: 2,"
            " sides does a hexagon have: 6, corners does a triangle have: 3, toes does a foot have: 5, legs does a"
            " bee have: 6"
        ),
        ("how many {s}? {o}.", "the answer to how many {s} is {o}."),
        ("how many {s}?", "do you know how many {s}?", "can you tell me how many {s}?"),
    ),
    Relation(
        "definition",
        _table(
            "kitchen: a room for cooking, library: a place with many books, hospital: a place for sick people,"
            " bakery: a shop that sells bread, island: land with water all around it, desert: a dry land with little"
            " rain,"
            " orphan: a child without parents, twin: one of two children born together, dentist: a doctor for teeth,"
            " winter: the coldest season, breakfast: the first meal of the day, dinner: the main meal of the day,"
            " noon: the middle of the day, midnight: the middle of the night, week: seven days, decade: ten years,"
            " century: a hundred years, pair: two things that belong together, dozen: twelve, bridge: a way over water,"
            " museum: a house for old and beautiful things, school: a place where children learn, harbor: a place for"
            " ships,"
            " airport: a place for planes, garage: a room for a car, attic: a room under the roof, cellar: a room"
            " under the house,"
            " dictionary: a book about words, calendar: a list of days, receipt: a paper that shows what you paid,"
            " photo: a picture made with a camera, chart: a picture of numbers, circle: a round shape, square: a"
            " shape with four equal"
            " sides, triangle: a shape with three sides, neighbor: somebody who lives near you, uncle: the brother of"
            " a parent,"
            " aunt: the sister of a parent, umbrella: a thing that keeps the rain off, caption: a short text about a"
            " picture"
        ),
        ("{s}: {o}.", "the word {s} means {o}.", "by {s} people mean {o}."),
        ("what does {s} mean?", "define {s}.", "explain the word {s}.", "what is the meaning of {s}?"),
    ),
)
