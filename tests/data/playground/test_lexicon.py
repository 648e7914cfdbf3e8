from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from omma.data.playground import lexicon

randoms = st.integers(0, 2**32).map(random.Random)
groups = st.sampled_from(sorted(set(lexicon.GROUPS) - {"month", "day"}))


def test_groups_are_large_clean_and_without_repeats() -> None:
    assert len({word for words in lexicon.GROUPS.values() for word in words}) >= 700
    for words in lexicon.GROUPS.values():
        assert len(set(words)) == len(words)
        assert all(word.isalpha() and word.islower() for word in words)


@given(randoms, groups, st.integers(6, 9))
def test_words_keep_to_the_length(rng: random.Random, group: str, longest: int) -> None:
    words = lexicon.distinct_words(rng, group, 5, longest)
    assert len(set(words)) == 5 and all(3 <= len(word) <= longest or len(word) == 2 for word in words)
    assert lexicon.absent_word(rng, group, set(words), longest) not in words


@given(randoms)
def test_pseudo_words_are_letters_with_a_vowel(rng: random.Random) -> None:
    word = lexicon.pseudo_word(rng)
    assert word.isalpha() and word.islower() and 4 <= len(word) <= 8 and set(word) & set("aeiou")


def test_the_share_of_pseudo_words() -> None:
    rng = random.Random(0)
    known = set(lexicon.GROUPS["food"])
    invented = sum(lexicon.word(rng, "food") not in known for _ in range(4000)) / 4000
    assert abs(invented - lexicon.PSEUDO_SHARE) < 0.03


@given(randoms)
def test_numbers_have_their_shapes(rng: random.Random) -> None:
    assert lexicon.money(lexicon.cents(rng, 999)).count(".") == 1 and len(lexicon.money(5)) == 4
    hours, minutes = map(int, lexicon.clock(rng).split(":"))
    assert 0 <= hours < 24 and minutes % 5 == 0 and minutes < 60
    letters_digits = lexicon.code(rng, "a0a 00")
    assert letters_digits[0].isalpha() and letters_digits[1].isdigit() and letters_digits[3] == " "
    assert len(lexicon.phone(rng)) == 8 and len(lexicon.date(rng)) <= 8
