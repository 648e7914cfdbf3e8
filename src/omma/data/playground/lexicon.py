"""What the generated worlds print: common English words and names in groups, pseudo-words, numbers, dates and codes.

Everything is lower-case; how a page prints it (upper, title) is the page's affair. Groups hold words of one kind, so that
a word that is *not* on a page can be drawn from the group of one that is.
"""

from __future__ import annotations

import random
from types import MappingProxyType

_GROUPS = {
    "food": (
        "apple bacon bagel banana beans beef beer bread butter cabbage cake candy carrot celery cereal cheese cherry "
        "chicken chili cider cocoa coconut coffee cookie corn crab cream curry dates donut eggs fig fish flour garlic "
        "ginger grapes gravy ham herbs honey ice jam jelly juice kale kiwi lamb leek lemon lentils lettuce lime lobster "
        "mango melon milk mint muffin mustard noodles nuts oats olives onion orange pasta peach peanuts pear peas "
        "pepper pickle pie pizza plum popcorn pork potato pudding pumpkin radish raisins rice salad salmon salsa salt "
        "sauce shrimp soda soup spinach squash steak sugar syrup tea toast tofu tomato tuna turkey vanilla vinegar "
        "waffle walnut water wine yeast yogurt"
    ),
    "thing": (
        "anchor apron backpack bag ball balloon basket bat battery bell belt bench blanket boat book boots bottle bowl "
        "box bracelet brick broom brush bucket bulb button cable camera candle card carpet chair chalk clock coat comb "
        "compass cup curtain desk dish doll door drill drum envelope eraser fan fence flag flute fork frame glasses "
        "globe gloves glue guitar hammer hat helmet hose jacket jar kettle key kite knife ladder lamp lantern lock "
        "magnet map marker mask mirror mop mug nail napkin needle oven paddle paint paper pen pencil phone piano pillow "
        "pipe plate pot printer pump purse puzzle radio rake razor ring rope ruler sandals saw scale scarf scissors "
        "shelf shirt shoes shovel soap socks sofa spoon stamp stool stove string suitcase table tape tent ticket "
        "tire toaster torch towel toy tray trumpet umbrella vase violin wallet watch wheel whistle window wire"
    ),
    "name": (
        "aaron ada adam aisha alan alice amir amy ana andre anna anton arjun ben bella bruno carl carla chen chloe clara "
        "daniel daria david diego elena eli ella emil emma eric eva fatima felix fiona frank george gina grace hana "
        "hans harry hassan helen henry hugo ida igor ines iris isaac ivan jack jane jin joan john jonas jose julia kai "
        "karen kate kenji kim lars laura lea lena leo lily linda lisa louis lucas lucy luis maria mark marta mary max "
        "maya mei mia milo mina mona nadia nina noah nora olaf olga oliver omar oscar pablo paul pedro peter petra priya "
        "rachel raj rita robert rosa ruth sam sara simon sofia stella steve susan tara tim tina tom vera victor walter "
        "wei yara yuki zara zoe"
    ),
    "city": (
        "accra ankara athens austin bergen berlin bern bogota bonn boston bremen cairo cali chicago cusco dakar dallas "
        "delhi denver doha dover dubai dublin florence geneva genoa ghent hanoi havana houston jakarta kiev kyoto lagos "
        "leeds leipzig lima lisbon london lyon madrid malaga malmo manila miami milan milano minsk moscow mumbai munich "
        "nairobi naples nice osaka oslo ottawa oxford paris perth porto prague quito riga rome salzburg seattle seoul "
        "shanghai sofia sydney tampa tokyo toronto tunis turin valencia venice vienna vilnius warsaw york zagreb zurich"
    ),
    "place": (
        "airport alley bakery bank barn beach bridge cafe camp canal castle cave cellar chapel church cinema clinic "
        "college corner court dock entrance exit factory farm ferry field forest fountain gallery garage garden gate "
        "hall harbor hospital hostel hotel island kitchen lake library lobby market mill museum office palace park "
        "parking platform pool port reception river road roof school shop stable stadium station street studio temple "
        "terminal theater toilet tower tunnel valley village"
    ),
    "animal": (
        "ant badger bear beaver bee bird bison camel cat cow crow deer dog dolphin donkey dove duck eagle falcon ferret "
        "fox frog giraffe goat goose hamster hare hawk hen horse koala lion lizard llama monkey moose mouse otter owl "
        "panda parrot penguin pig pigeon pony puppy rabbit raven seal shark sheep snail snake spider squid swan tiger "
        "toad trout turtle whale wolf zebra"
    ),
    "verb": (
        "ask bake boil bring build buy call carry catch change check clean climb close cook count cut draw drink drive "
        "dry eat empty fetch fill find fix fold follow freeze hang help hide hold iron keep kick knock leave lift "
        "listen load look mail make meet mend mix move open order pack paint pay peel plan plant pour press print pull "
        "push read rent repair rest return ride ring run save sell send share show sing sit sleep slice slow sort "
        "speak start stay stop store study sweep swim switch take teach throw touch try turn visit wait walk wash watch "
        "water wear weigh wipe work wrap write"
    ),
    "adjective": (
        "bad best big bitter black blue bold brave bright broken brown busy calm cheap clean clear clever cold cool "
        "dark deep dirty double dry early easy empty extra fair fast final fine first flat free fresh full gentle giant "
        "gold golden good grand gray great green half happy hard heavy high hot huge icy kind large last late lazy "
        "left light little local lone long lost loud low lucky main modern narrow new next noisy north old only open "
        "pink plain polite poor pretty private proud public purple quick quiet rare raw ready red rich right ripe rough "
        "round royal sad safe salty second secret sharp short shy silent silver simple single slow small smooth soft "
        "sour south spare special spicy strong sunny sweet tall thick thin tidy tiny tired urgent warm weak wet white "
        "wide wild wise wrong yellow young"
    ),
    "job": (
        "actor artist baker barber butcher captain chef clerk coach cook dancer dentist doctor driver editor farmer "
        "fisher guard guide host judge lawyer mason miner nurse painter pilot plumber poet police porter printer sailor "
        "singer smith tailor teacher trainer vet waiter welder writer"
    ),
    "day": "monday tuesday wednesday thursday friday saturday sunday",
    "month": "jan feb mar apr may jun jul aug sep oct nov dec",
}

GROUPS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType({k: tuple(v.split()) for k, v in _GROUPS.items()})
"""Words by kind; within a group no word occurs twice."""

PSEUDO_SHARE = 0.15
"""How often `word` invents one, so that reading needs letters and not word shapes."""

_SOUNDS = {
    "onset": "b bl br c ch d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sk sl sn st t tr v w z",
    "vowel": "a e i o u a e i o u ai ea ou",
    "coda": "b d g k l m n p r s t x nd nt rk lm sh",
}
_ONSETS, _VOWELS, _CODAS = (tuple(sounds.split()) for sounds in _SOUNDS.values())
_LETTERS = "abcdefghjkmnpqrstuvwxyz"  # without i, l and o, which some fonts print like digits


def pseudo_word(rng: random.Random, longest: int = 8) -> str:
    """A pronounceable word of 4 to ``longest`` letters (at least 4) that hardly ever exists."""
    while True:
        syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((2, 2, 3)))]
        word = "".join(syllables) + (rng.choice(_CODAS) if rng.random() < 0.7 else "")
        if len(word) <= longest:
            return word


def word(rng: random.Random, group: str, longest: int = 8) -> str:
    """A word of that group with at most ``longest`` letters, or, with `PSEUDO_SHARE`, a pseudo-word."""
    if rng.random() < PSEUDO_SHARE:
        return pseudo_word(rng, longest)
    return real_word(rng, group, longest)


def real_word(rng: random.Random, group: str, longest: int = 8) -> str:
    """A word of that group with at most ``longest`` letters. The group must have one."""
    words = GROUPS[group]
    while True:
        chosen = words[int(rng.random() * len(words))]
        if len(chosen) <= longest:
            return chosen


def distinct_words(rng: random.Random, group: str, count: int, longest: int = 8) -> list[str]:
    """``count`` different words of that group, pseudo-words among them."""
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        chosen[word(rng, group, longest)] = None
    return list(chosen)


def absent_word(rng: random.Random, group: str, present: set[str], longest: int = 8) -> str:
    """A word of that group that is not among ``present``: the hard wrong answer."""
    while True:
        chosen = word(rng, group, longest)
        if chosen not in present:
            return chosen


def cents(rng: random.Random, highest: int = 999) -> int:
    """A price in cents, at least 0.25, at most ``highest``; prices ending in 0, 5 and 9 are the usual ones."""
    price = rng.randint(25, highest)
    return price if rng.random() < 0.4 else max(25, price - price % 5)


def money(amount: int) -> str:
    """An amount in cents as a page prints it: ``4.75``."""
    return f"{amount // 100}.{amount % 100:02d}"


def clock(rng: random.Random) -> str:
    """A time of day: ``14:35``."""
    return f"{rng.randint(0, 23)}:{rng.randrange(0, 60, 5):02d}"


def date(rng: random.Random) -> str:
    """A date, in one of three common styles: ``14 mar``, ``2.11.24``, ``03/07``."""
    day, month = rng.randint(1, 28), rng.randint(1, 12)
    style = rng.randrange(3)
    if style == 0:
        return f"{day} {GROUPS['month'][month - 1]}"
    if style == 1:
        return f"{day}.{month}.{rng.randint(10, 39)}"
    return f"{day:02d}/{month:02d}"


def phone(rng: random.Random) -> str:
    """A telephone number of seven digits: ``482-1970``."""
    return f"{rng.randint(200, 999)}-{rng.randint(0, 9999):04d}"


def code(rng: random.Random, pattern: str) -> str:
    """A code after ``pattern``, where ``a`` is a letter, ``0`` a digit, and anything else itself: ``a0a 00``."""
    kinds = {"a": _LETTERS, "0": "0123456789"}
    return "".join(rng.choice(kinds[c]) if c in kinds else c for c in pattern)
