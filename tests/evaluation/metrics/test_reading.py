"""What was read, letter by letter and number by number: ANLS, relaxed accuracy, error rates."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.anls import anls
from omma.evaluation.metrics.error_rates import character_errors, word_errors
from omma.evaluation.metrics.relaxed import relaxed_accuracy


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("Hello", ["hello"], 1.0),
        ("helo", ["hello"], 0.8),
        ("hexxo", ["hello"], 0.6),
        ("hexxx", ["hello"], 0.0),  # a distance of 0.6
        ("abcd", ["abxy"], 0.0),  # a distance of exactly 0.5 is too far
        ("a  b", ["a b"], 1.0),
        ("", [""], 1.0),
        ("", ["x"], 0.0),
        ("12 May", ["12 march", "12 may"], 1.0),
    ],
)
def test_anls(prediction: str, answers: list[str], expected: float) -> None:
    assert anls(prediction, answers) == pytest.approx(expected, abs=1e-9)


def test_anls_wants_an_answer() -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        anls("x", [])


@pytest.mark.parametrize(
    ("prediction", "answer", "profile", "right"),
    [
        ("105", "100", "strict", True),
        ("105.1", "100", "strict", False),
        ("-95", "-100", "strict", True),
        ("1,234", "1234", "strict", True),
        ("$12.50", "12.5", "strict", True),
        ("12%", "12", "strict", True),
        ("12%", "12", "pix2struct", False),
        ("12%", "0.12", "pix2struct", True),
        ("12%", "12 %", "strict", True),
        ("0.0", "0", "strict", True),
        ("0.01", "0", "strict", False),
        ("Red", " red", "strict", True),
        ("12 apples", "12", "strict", False),
        ("1999", "2000", "strict", True),
        ("1999", "2000", "strict-year", False),
        ("2000", "2000", "strict-year", True),
        ("2105", "2200", "strict-year", True),  # no year any more
        ("inf", "inf", "strict", True),
        ("1e400", "5", "strict", False),
        ("nan", "5", "strict", False),
    ],
)
def test_relaxed_accuracy(prediction: str, answer: str, profile: str, right: bool) -> None:
    assert relaxed_accuracy(prediction, answer, profile) is right  # type: ignore[arg-type]


TEXTS = st.lists(st.text("ab c", max_size=8), min_size=1, max_size=5)


@given(st.data())
def test_error_rates_are_those_of_jiwer(data: st.DataObject) -> None:
    answers = [a for a in data.draw(TEXTS) if a.strip()] or ["a"]
    predictions = [data.draw(st.text("ab c", max_size=8)) for _ in answers]
    clean = [" ".join(text.split()) for text in (*answers, *predictions)]
    truth, said = clean[: len(answers)], clean[len(answers) :]
    assert character_errors(predictions, answers).rate == pytest.approx(jiwer.cer(truth, said), abs=1e-9)
    assert word_errors(predictions, answers).rate == pytest.approx(jiwer.wer(truth, said), abs=1e-9)


def test_rates_are_of_the_corpus_not_means_of_ratios() -> None:
    counts = character_errors(["x", "abcdefghij"], ["a", "abcdefghij"])
    assert list(counts.edits) == [1, 0] and list(counts.lengths) == [1, 10]
    assert counts.rate == pytest.approx(1 / 11)


def test_nothing_to_read() -> None:
    assert character_errors([""], [""]).rate == 0.0
    assert character_errors(["abc"], [""]).rate == 1.0
    assert word_errors(["a b", "c"], ["", "c"]).rate == 2.0


def test_full_width_letters_are_the_same_letters() -> None:
    assert character_errors(["ＡＢ１"], ["AB1"]).rate == 0.0


def test_as_many_answers_as_predictions() -> None:
    with pytest.raises(ValueError, match="found 1 and 2"):
        word_errors(["a"], ["a", "b"])
