"""Passages and questions from the table of common knowledge."""

from __future__ import annotations

import random

from omma.data.playground.base import Question
from omma.data.playground.language_knowledge import CATEGORY, RELATIONS, Relation, fill
from omma.data.playground.language_words import GROUPS, article
from omma.data.playground.passages import Passage, combination, listed

_WEIGHTS = tuple(2 + len(relation.facts) // 40 for relation in RELATIONS)


def knowledge(rng: random.Random) -> Passage:
    """Two to four facts: half the time said first, else only asked. A held-out combination is a subject and wording."""
    questions: list[Question] = []
    pairs: list[str] = []
    said: list[str] = []
    subjects: list[str] = []
    for _ in range(rng.randint(2, 4)):
        relation = rng.choices(RELATIONS, _WEIGHTS)[0]
        subject = rng.choice(tuple(relation.facts))
        answer = relation.facts[subject]
        template = rng.choice(relation.asks + _completions(relation))
        said.append(fill(rng.choice(relation.says), subject, answer))
        questions.append(
            Question(fill(template, subject, answer), fill(relation.answer, subject, answer), relation.name)
        )
        pairs.append(combination(subject, template))
        subjects.append(subject)
        if relation.exclusive and rng.random() < 0.5:
            questions.append(_judgement(rng, relation, subject))
    rng.shuffle(questions)
    return Passage(
        " ".join(said) if rng.random() < 0.5 else "",
        rng.choice(("common knowledge", "some facts", "questions about the world", "things people know")),
        questions,
        pairs,
        {"subjects": subjects},
    )


def _completions(relation: Relation) -> tuple[str, ...]:
    """Statements that end in the answer, without it, to be completed."""
    end = f" {relation.answer}."
    return tuple(f"complete the sentence: {says.removesuffix(end)}" for says in relation.says if says.endswith(end))


def _judgement(rng: random.Random, relation: Relation, subject: str) -> Question:
    """A statement, true or false with the same chance: false by an answer that belongs to another subject."""
    true = rng.random() < 0.5
    answers = sorted(set(relation.facts.values()) - {relation.facts[subject]})
    answer = relation.facts[subject] if true else rng.choice(answers)
    statement = fill(relation.says[0], subject, answer)
    if relation is CATEGORY and rng.random() < 0.5:
        return Question(f"is {article(subject)} {article(answer)}?", "yes" if true else "no", "yes_no")
    text = rng.choice((f"true or false: {statement}", f"{statement} true or false?"))
    return Question(text, "true" if true else "false", "true_false")


def groups(rng: random.Random) -> Passage:
    """Questions about words of two groups: the odd one out, which is a member, sorting into groups."""
    one, two = rng.sample(sorted(GROUPS), 2)
    ones, twos = rng.sample(GROUPS[one], 3), rng.sample(GROUPS[two], 3)
    odd = twos[0]
    row = [*ones, odd]
    rng.shuffle(row)
    mixed = [*ones[:2], *twos[:2]]
    rng.shuffle(mixed)
    trio = [ones[0], *twos[:2]]
    rng.shuffle(trio)
    group = rng.choice((one, two))
    yes = rng.random() < 0.5
    member = rng.choice(GROUPS[one] if yes else GROUPS[two])
    questions = [
        Question(f"which word does not belong: {', '.join(row)}?", odd, "odd_one_out"),
        Question(f"which one belongs to the {one}: {listed(trio, 'or')}?", ones[0], "category"),
        Question(
            f"sort into {one} and {two}: {', '.join(mixed)}",
            f"{one}: {', '.join(w for w in mixed if w in ones)}. {two}: {', '.join(w for w in mixed if w in twos)}.",
            "groups",
        ),
        Question(f"does {member} belong to the {one}?", "yes" if yes else "no", "yes_no"),
        Question(
            f"{', '.join(mixed)}: name only the {group}.",
            ", ".join(w for w in mixed if w in GROUPS[group]),
            "groups",
        ),
    ]
    pairs = sorted({combination(word, group) for word in (ones[0], odd)})
    return Passage("", f"words for {one} and {two}", rng.sample(questions, rng.randint(2, 4)), pairs)
