"""The words of the worlds of words, and their forms: plurals, articles, numbers, names and pronouns."""

from __future__ import annotations

GIRLS = tuple(
    "ann mary lucy emma sara julia nina olivia clara eva rosa ida mia lena zoe ella grace alice helen kate maya ruth"
    " daisy nora vera tina wendy paula jane lily".split()
)
BOYS = tuple(
    "ben tom john carl david peter max leo sam paul hugo oscar fred ivan jack noah adam henry luke simon george martin"
    " victor eric frank tim walter omar felix bruno".split()
)
NAMES = GIRLS + BOYS
TOWNS = tuple("oakville riverton hillside seaport greenfield northgate westbury lakewood stonebridge ashford".split())
DAYS = tuple("monday tuesday wednesday thursday friday saturday sunday".split())
MONTHS = tuple("january february march april may june july august september october november december".split())
PROPER = frozenset(NAMES + TOWNS + DAYS + MONTHS + ("i",)) - {"may", "march"}

COLORS = tuple("red blue green yellow black white brown orange purple pink gray".split())
ROOMS = tuple(
    "kitchen bathroom bedroom hallway garden office garage attic basement cellar workshop playroom classroom".split()
)
TOWN_PLACES = tuple(
    "park school library market bakery museum station hospital cinema harbor bank pool church zoo stadium airport"
    " theater farm beach forest lake hotel pharmacy bookshop cafe".split()
)
PLACES = ROOMS + TOWN_PLACES

THINGS = tuple(
    "ball book key cup hat umbrella lamp pencil bag bottle clock letter map phone camera coat scarf spoon plate basket"
    " rope hammer brush candle mirror toy doll kite drum flute ring watch wallet ticket box pillow blanket bucket"
    " ladder notebook newspaper towel jug bell guitar pen ruler purse coin stick stone feather bowl".split()
)
FRUITS = tuple("apple pear banana orange plum peach cherry lemon grape melon mango fig".split())
VEGETABLES = tuple("carrot potato onion tomato cabbage bean pea pepper cucumber pumpkin leek radish".split())
BOTANICAL_FRUITS = frozenset("bean pea tomato pepper cucumber pumpkin".split())
"""Vegetables to the cook, fruit to the botanist: no question asks which of the two they are."""

FOODS = tuple(
    "bread milk cheese butter rice soup cake pizza honey sugar salt tea coffee juice jam pasta fish meat salad"
    " chocolate flour oil yogurt water".split()
)
ANIMALS = tuple(
    "dog cat horse cow pig sheep goat hen duck goose rabbit mouse bird fish frog lion tiger bear wolf fox monkey"
    " elephant snake turtle bee ant spider butterfly owl eagle whale shark deer camel donkey parrot".split()
)
PETS = tuple("dog cat rabbit bird fish turtle parrot mouse hamster pony".split())
CLOTHES = tuple("shirt coat hat scarf sock shoe glove dress skirt jacket sweater belt cap boot tie".split())
FURNITURE = tuple("table chair bed shelf sofa desk cupboard bench stool carpet wardrobe".split())
TOOLS = tuple("hammer saw drill axe shovel rake screwdriver wrench knife scissors".split())
VEHICLES = tuple("car bus train bicycle boat plane truck ship tram van taxi tractor".split())
BODY = tuple("head hand foot arm leg eye ear nose mouth finger toe knee back neck tooth".split())
JOBS = tuple(
    "baker teacher doctor farmer nurse driver cook painter singer builder gardener pilot dentist writer tailor"
    " carpenter butcher sailor fisher actor dancer lawyer waiter plumber clerk judge soldier postman".split()
)
INSTRUMENTS = tuple("guitar drum flute piano violin trumpet harp bell".split())
CONTAINERS = tuple("box bag basket bucket drawer jar crate bowl chest tin".split())
SIZES = ("small", "big", "tiny", "large", "little", "huge")
ADJECTIVES = tuple(
    "old new clean dirty heavy light soft hard wet dry warm cold round flat long short full empty broken pretty quiet"
    " loud bright dark strong weak cheap sweet".split()
)

GROUPS: dict[str, tuple[str, ...]] = {
    "fruit": FRUITS,
    "vegetables": tuple(v for v in VEGETABLES if v not in BOTANICAL_FRUITS),
    "animals": tuple(a for a in ANIMALS if a != "fish"),
    "clothes": CLOTHES,
    "furniture": FURNITURE,
    "vehicles": VEHICLES,
    "colors": tuple(c for c in COLORS if c != "orange"),
    "jobs": JOBS,
    "days": DAYS,
    "months": MONTHS,
    "tools": TOOLS,
    "instruments": INSTRUMENTS,
    "body parts": BODY,
}
"""Groups to sort words into. No word is in two of them."""

PLAIN_WORDS = tuple(
    "about above again air always answer around autumn away baby bad before begin behind below best better between big"
    " bird body both boy bridge bring brother build busy buy call calm capital care carry catch cause center chair"
    " change child choose circle city class clean clear close cloud cold color come corner cost count country cover"
    " cross cry cut dance dark daughter day deep door down draw dream drink drive each early earth east easy eat edge"
    " eight empty end enough evening every face fall family famous far fast father few field fight find fine fire first"
    " five floor flower fly follow forest forget four free fresh friend front full game gentle gift girl give glad"
    " glass gold good grass great green ground group grow guess half happy hard hear heart help here high hill hold"
    " home hope hour house hundred idea inside island join jump keep kind king know lake land language last late laugh"
    " learn leave left leg less letter life light line list listen little live local look lost love lucky machine make"
    " many mark math meal mean meet metal middle mind minute miss modern money moon more morning mother mountain move"
    " music name narrow near never new next night nine noise north number ocean often old open order other outside"
    " page paint paper parent part party pass past path peace people person picture piece place plan planet plant play"
    " point poor power present price proud public pull push question quick quiet rain reach read ready real rest rich"
    " right river road rock roof room round rule run safe sail same sand save say sea season seat second see seed seem"
    " sell send sentence seven shape share sharp shop short show side silver simple sing sister six skin sky sleep slow"
    " small smile snow soft song soon sound south space speak spell spring square stand star start stay steel step"
    " still"
    " stop storm story street strong study sugar summer sun sure surface sweet swim table talk tall teach team ten"
    " thank thin thing think thousand three time together tomorrow top touch town travel tree true turn twelve twenty"
    " two uncle under village visit voice wait walk wall want warm wash watch wave way weak wear weather week west"
    " wheel whisper white wide wild wind window winter wish wonder wood word work world write year yellow young"
    " zero".split()
)
"""Everyday words for spelling, copying and lists: lower-case letters only, no two the same."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def number_word(number: int) -> str:
    """A number from 0 to 99 in words ("forty-two").

    Raises:
        ValueError: outside that range.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"number_word goes from 0 to 99, found {number}")
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth", "fish": "fish", "sheep": "sheep",
    "deer": "deer", "knife": "knives", "shelf": "shelves", "scarf": "scarves", "wolf": "wolves", "child": "children",
    "man": "men", "woman": "women", "leaf": "leaves", "potato": "potatoes", "tomato": "tomatoes",
    "scissors": "scissors",
    "mango": "mangoes", "postman": "postmen", "person": "people", "half": "halves", "life": "lives", "wife": "wives",
    "loaf": "loaves", "thief": "thieves", "ox": "oxen",
}  # fmt: skip


def plural(noun: str) -> str:
    """The plural of a singular noun of this file."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def counted(number: int, noun: str) -> str:
    """ "1 apple", "3 apples"."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def article(noun: str) -> str:
    """The noun, or adjective and noun, with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' and not noun.startswith(('uni', 'use')) else 'a'} {noun}"


def subject_pronoun(name: str) -> str:
    """ "he" or "she"."""
    return "she" if name in GIRLS else "he"


def object_pronoun(name: str) -> str:
    """ "him" or "her"."""
    return "her" if name in GIRLS else "him"


def possessive(name: str) -> str:
    """ "his" or "her"."""
    return "her" if name in GIRLS else "his"
