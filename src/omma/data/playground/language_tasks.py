"""Things to do with letters, words and lists: spell, join, reverse, pick, count, rewrite, complete."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.language_words import GROUPS, NAMES, PLAIN_WORDS
from omma.data.playground.passages import Passage, combination, listed

_WORDS = tuple(
    dict.fromkeys(PLAIN_WORDS + tuple(word for group in GROUPS.values() for word in group if " " not in word))
)
_NTH = ("first", "second", "third", "fourth", "fifth")

Drawn = tuple[Question, str]
"""The question and the word that it is about; word and task together make the combination."""


def _line(rng: random.Random, least: int = 3, most: int = 6) -> list[str]:
    return rng.sample(_WORDS, rng.randint(least, most))


def spell(rng: random.Random) -> Drawn:
    word = rng.choice(_WORDS)
    text = rng.choice(
        (f"spell {word}.", f"spell the word {word}.", f"how do you spell {word}?", f"the letters of {word}:")
    )
    return Question(text, " ".join(word), "spell"), word


def join(rng: random.Random) -> Drawn:
    word = rng.choice(_WORDS)
    letters = " ".join(word)
    text = rng.choice((f"join the letters: {letters}", f"which word is {letters}?", f"make a word of {letters}."))
    return Question(text, word, "join"), word


def letters(rng: random.Random) -> Drawn:
    word = rng.choice(_WORDS)
    text, answer = rng.choice(
        (
            (f"what is the first letter of {word}?", word[0]), (f"what is the last letter of {word}?", word[-1]),
            (f"how many letters does {word} have?", str(len(word))), (f"which letter starts the word {word}?", word[0]),
            (f"what is the second letter of {word}?", word[1]),
        )
    )  # fmt: skip
    return Question(text, answer, "letters"), word


def has_letter(rng: random.Random) -> Drawn:
    word, yes = rng.choice(_WORDS), rng.random() < 0.5
    letter = rng.choice(word) if yes else rng.choice([c for c in "abcdefghiklmnoprstuwy" if c not in word])
    text = rng.choice((f"is there the letter {letter} in {word}?", f"does {word} contain the letter {letter}?"))
    return Question(text, "yes" if yes else "no", "yes_no"), word


def capitals(rng: random.Random) -> Drawn:
    words = " ".join(_line(rng, 1, 3))
    text, answer = rng.choice(
        (
            (f"write in capital letters: {words}", words.upper()), (f"say it in upper case: {words}", words.upper()),
            (f"write in small letters: {words.upper()}", words), (f"say it in lower case: {words.upper()}", words),
        )
    )  # fmt: skip
    return Question(text, answer, "case"), words.split()[0]


def repeat(rng: random.Random) -> Drawn:
    words = _line(rng, 1, 6)
    sentence = " ".join(words)
    opening = rng.choice(
        ("repeat after me", "repeat", "say", "please say", "copy this line", "write", "say this again")
    )
    return Question(f"{opening}: {sentence}", sentence, "repeat"), words[0]


def reverse(rng: random.Random) -> Drawn:
    words = _line(rng, 2, 4)
    text = rng.choice(
        ("reverse the list", "write the words in reverse order", "from last to first", "turn the list around")
    )
    return Question(f"{text}: {', '.join(words)}", ", ".join(reversed(words)), "reverse"), words[0]


def pick(rng: random.Random) -> Drawn:
    words = _line(rng, 3, 5)
    at = rng.randrange(len(words) + 1)
    nth, answer = ("last", words[-1]) if at == len(words) else (_NTH[at], words[at])
    line = " ".join(words)
    text = rng.choice(
        (f"what is the {nth} word: {line}", f"{nth} word of this line: {line}", f"give me the {nth} word of: {line}")
    )
    return Question(text, answer, "pick"), answer


def neighbor(rng: random.Random) -> Drawn:
    words = _line(rng, 3, 5)
    at = rng.randrange(len(words) - 1)
    side, given, answer = rng.choice((("after", words[at], words[at + 1]), ("before", words[at + 1], words[at])))
    return Question(f"{' '.join(words)}: which word comes {side} {given}?", answer, "pick"), answer


def count_words(rng: random.Random) -> Drawn:
    words = _line(rng, 1, 7)
    return Question(f"how many words: {' '.join(words)}", str(len(words)), "count"), words[0]


def alphabet(rng: random.Random) -> Drawn:
    words: list[str] = []
    while len({word[0] for word in words}) < 3:
        words = rng.sample(_WORDS, 3)
    text = rng.choice(("put in alphabetical order", "sort by the alphabet", "sort from a to z"))
    return Question(f"{text}: {', '.join(words)}", ", ".join(sorted(words)), "sort"), words[0]


def membership(rng: random.Random) -> Drawn:
    words, yes = _line(rng, 3, 6), rng.random() < 0.5
    word = rng.choice(words) if yes else rng.choice([w for w in rng.sample(_WORDS, 8) if w not in words])
    return Question(f"is {word} in this list: {', '.join(words)}?", "yes" if yes else "no", "yes_no"), word


def add_or_remove(rng: random.Random) -> Drawn:
    words = _line(rng, 3, 5)
    if rng.random() < 0.5:
        gone = rng.choice(words)
        return Question(f"leave out {gone}: {', '.join(words)}", ", ".join(w for w in words if w != gone), "edit"), gone
    new = words.pop()
    old = rng.choice(words)
    changed = ", ".join(new if w == old else w for w in words)
    return Question(f"put {new} in place of {old}: {', '.join(words)}", changed, "edit"), new


def rewrite(rng: random.Random) -> Drawn:
    name, items = rng.choice(NAMES), rng.sample(_GOODS, rng.randint(2, 4))
    sentence = f"{name} likes {listed(items)}."
    if rng.random() < 0.5:
        return Question(f"rewrite as a list: {sentence}", "\n".join(f"- {item}" for item in items), "rewrite"), items[0]
    return Question(
        f"rewrite as a sentence: {name} likes\n" + "\n".join(f"- {i}" for i in items), sentence, "rewrite"
    ), items[0]


_GOODS = tuple(
    "tea music books cake horses chess soup flowers trains stories cats dogs summer snow films bread".split()
)

TASKS: tuple[tuple[Callable[[random.Random], Drawn], int], ...] = (
    (spell, 3), (join, 3), (letters, 3), (has_letter, 1), (capitals, 2), (repeat, 4), (reverse, 2), (pick, 3),
    (neighbor, 2), (count_words, 2), (alphabet, 1), (membership, 2), (add_or_remove, 2), (rewrite, 2),
)  # fmt: skip
_MAKERS = tuple(task for task, _ in TASKS)
_WEIGHTS = tuple(weight for _, weight in TASKS)


def tasks(rng: random.Random) -> Passage:
    """Two to four tasks. A held-out combination is a task and its main word."""
    drawn = [task(rng) for task in rng.choices(_MAKERS, _WEIGHTS, k=rng.randint(2, 4))]
    return Passage(
        "",
        rng.choice(("tasks with words", "words and letters", "work with words")),
        [question for question, _ in drawn],
        [combination(question.kind, word) for question, word in drawn],
    )
