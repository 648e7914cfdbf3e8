"""The ways in which each kind of question about a document is asked. ``{noun}`` is what the document is called."""

from __future__ import annotations

from types import MappingProxyType

READ_ALL = (
    "what does the {noun} say?",
    "read the {noun}.",
    "what is written on the {noun}?",
    "read all the text.",
    "what text is on the {noun}?",
    "what is printed here?",
    "transcribe the {noun}.",
    "what can you read on the {noun}?",
)
READ_LINE = (
    "what is written in line {number}?",
    "what does the {ordinal} line say?",
    "read line {number}.",
    "read the {ordinal} line of the {noun}.",
    "what is in the {ordinal} line?",
    "what text is on line {number} of the {noun}?",
    "the {ordinal} line reads what?",
    "transcribe the {ordinal} line.",
)
READ_LAST = (
    "what is written in the last line?",
    "what does the bottom line say?",
    "read the last line.",
    "read the bottom line of the {noun}.",
    "what is in the last line?",
    "what text is at the very bottom?",
    "the last line reads what?",
    "transcribe the last line.",
)
READ_ENTRY = (
    "what is entry {number}?",
    "what is the {ordinal} entry?",
    "read entry {number} of the list.",
    "which entry is {ordinal}?",
    "what is the {ordinal} thing on the list?",
    "what does entry {number} say?",
    "read the {ordinal} entry.",
    "what comes {ordinal} on the list?",
)
READ_END = (
    "what is the {end} letter or digit?",
    "which character comes {end}?",
    "read the {end} character.",
    "what is the {end} character printed?",
    "which is the {end} letter or digit on the {noun}?",
    "name the {end} character of the text.",
    "what character does the text have {end}?",
    "find the {end} letter or digit.",
)
FIELD = (
    "what is the {field}?",
    "what {field} is printed?",
    "what is the {field} on the {noun}?",
    "read the {field}.",
    "which {field} does the {noun} show?",
    "give the {field}.",
    "find the {field} on the {noun}.",
    "what does the {noun} give as the {field}?",
)
PRICE = (
    "what is the price of {item}?",
    "how much is the {item}?",
    "what does {item} cost?",
    "how much does {item} cost?",
    "read the price of {item}.",
    "what price is next to {item}?",
    "which price does {item} have?",
    "give the price of {item}.",
)
CELL = (
    "what is the {column} of {row}?",
    "which {column} does {row} have?",
    "look up the {column} of {row}.",
    "in the row of {row}, what is the {column}?",
    "what {column} is given for {row}?",
    "read the {column} for {row}.",
    "what is in the {column} column for {row}?",
    "what {column} belongs to {row}?",
)
REVERSE_CELL = (
    "which {key} has the {column} {value}?",
    "whose {column} is {value}?",
    "for which {key} is the {column} {value}?",
    "which {key} is in the row with {value}?",
    "what {key} has {value} as {column}?",
    "find the {key} with {column} {value}.",
    "the {column} {value} belongs to which {key}?",
    "which {key} goes with {value}?",
)
BELOW = (
    "what is printed below {text}?",
    "what is directly below {text}?",
    "what comes right under {text}?",
    "which text is just below {text}?",
    "what follows under {text}?",
    "read what is below {text}.",
    "what stands right below {text}?",
    "what is the next line after {text}?",
)
ABOVE = (
    "what is printed above {text}?",
    "what is directly above {text}?",
    "what comes right over {text}?",
    "which text is just above {text}?",
    "what stands right above {text}?",
    "read what is above {text}.",
    "what is the line before {text}?",
    "what do you find just above {text}?",
)
NEXT_WORD = (
    "which word comes after {word}?",
    "what word follows {word}?",
    "what is the next word after {word}?",
    "after {word}, which word comes?",
    "read the word after {word}.",
    "which word is right after {word}?",
    "what comes after the word {word}?",
    "find the word that follows {word}.",
)
FIELD_AT = (
    "which field comes {place}?",
    "what is the {place} field called?",
    "name the {place} field of the form.",
    "what does the {place} field ask for?",
    "which field is {place} on the form?",
    "what is the label of the {place} field?",
    "the {place} field is for what?",
    "read the {place} label.",
)
FIELD_WITH = (
    "which field says {value}?",
    "{value} is in which field?",
    "in which field is {value} written?",
    "what is the label of {value}?",
    "which field has the value {value}?",
    "what label belongs to {value}?",
    "name the field that says {value}.",
    "find the field with {value}.",
)
COSTS = (
    "which item costs {price}?",
    "what costs {price}?",
    "which item has the price {price}?",
    "what is sold for {price}?",
    "the price {price} belongs to which item?",
    "find the item that costs {price}.",
    "which item is next to {price}?",
    "for which item is {price} paid?",
)
COUNT = (
    "how many {things} are there?",
    "how many {things} does the {noun} have?",
    "count the {things}.",
    "what is the number of {things}?",
    "how many {things} do you see?",
    "how many {things} are on the {noun}?",
    "count the {things} on the {noun}.",
    "the {noun} has how many {things}?",
)
EXIST = (
    "is {word} on the {noun}?",
    "does the {noun} contain {word}?",
    "is the word {word} printed here?",
    "can you find {word} on the {noun}?",
    "does {word} appear on the {noun}?",
    "does it say {word} anywhere?",
    "is there {word} on this {noun}?",
    "is {word} written on the {noun}?",
)
CHEAPER = (
    "which is cheaper, {a} or {b}?",
    "what costs less, {a} or {b}?",
    "is {a} or {b} cheaper?",
    "which has the lower price, {a} or {b}?",
    "of {a} and {b}, which costs less?",
    "{a} or {b}: which is cheaper?",
    "between {a} and {b}, what is cheaper?",
    "name the cheaper one, {a} or {b}.",
)
EXTREME_PRICE = (
    "which item is the {most}?",
    "what is the {most} item?",
    "name the {most} item.",
    "what is the {most} thing on the receipt?",
    "find the {most} item.",
    "which of the items is {most}?",
    "read the name of the {most} item.",
    "of all items, which is the {most}?",
)
EXTREME_CELL = (
    "which {key} has the {most} {column}?",
    "what {key} has the {most} {column}?",
    "find the {key} with the {most} {column}.",
    "name the {key} with the {most} {column}.",
    "the {most} {column} belongs to which {key}?",
    "which {key} is {most} in {column}?",
    "whose {column} is the {most}?",
    "for which {key} is the {column} {most}?",
)
OLDER = (
    "who is older, {a} or {b}?",
    "is {a} or {b} older?",
    "of {a} and {b}, who is older?",
    "{a} or {b}: who is older?",
    "which one is older, {a} or {b}?",
    "name the older one, {a} or {b}.",
    "between {a} and {b}, who is older?",
    "who has the higher age, {a} or {b}?",
)
KIND = (
    "what kind of document is this?",
    "what is this?",
    "which kind of page is this?",
    "what type of document do you see?",
    "what sort of document is shown?",
    "name the kind of document.",
    "what does the picture show?",
    "what kind of thing is printed here?",
)

OWN_WAYS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "writer": (
            "who wrote this?",
            "who is the {noun} from?",
            "who signed the {noun}?",
            "who sent it?",
            "what is the name of the writer?",
            "which name is at the end?",
            "by whom is the {noun}?",
            "who is the writer?",
        ),
        "reader": (
            "who is the {noun} for?",
            "to whom is it written?",
            "who gets the {noun}?",
            "who is addressed?",
            "what is the name of the reader?",
            "which name is at the top?",
            "whom does the writer greet?",
            "who is the reader?",
        ),
        "thing to bring": (
            "what should be brought?",
            "what does the writer want?",
            "what should the reader bring?",
            "what is asked for?",
            "what is needed?",
            "which thing should be brought along?",
            "what does the {noun} ask for?",
            "what is to be brought?",
        ),
        "purpose": (
            "what is the ticket for?",
            "which kind of ticket is it?",
            "what does the title say?",
            "what sort of ticket is this?",
            "for what is the ticket?",
            "read the title of the ticket.",
            "what can one visit or ride with it?",
            "what is the heading?",
        ),
    }
)
"""Fields whose names nobody would use in a question."""

MORE_WAYS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "day": ("on which day?", "which day is named?", "what day does the {noun} name?"),
        "time": ("at what time?", "which time is given?", "at what time is it?"),
        "destination": ("where does it go to?", "which city is it for?", "where to?"),
        "product": ("what is sold?", "which product is it?", "what is this the price of?"),
        "price": ("how much is it?", "what does it cost?", "how much must be paid?"),
        "total": ("how much is paid in all?", "what is the sum?", "what does it all cost?"),
        "shop": ("which shop is it from?", "what is the name of the shop?", "where was it bought?"),
        "name": ("what name is printed?", "who is this?", "which name is there?"),
        "age": ("how old is the person?", "what age is written?", "how many years old is the person?"),
        "job": ("what does the person work as?", "what is the person's work?"),
    }
)
"""Ways to ask for a field in addition to `FIELD`."""
