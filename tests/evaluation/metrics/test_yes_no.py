"""Yes and no: replies read, and the scores of POPE, MME and HallusionBench by hand and beside scikit-learn."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import precision_recall_fscore_support

from omma.evaluation.metrics.yes_no import (
    IllusionRecord,
    YesNoCounts,
    illusion_scores,
    mme_scores,
    yes_or_no,
    yes_unless_no,
)


@pytest.mark.parametrize(
    ("reply", "read", "as_pope"),
    [
        ("Yes", "yes", "yes"),
        ("no.", "no", "no"),
        ("No, there is none. Yes?", "no", "no"),
        ("Yes\nno", "yes", "yes"),
        ("There is a dog", None, "yes"),
        ("There is not", None, "no"),
        ("yes and no", None, "no"),
        ("nobody knows", None, "yes"),
        ("", None, "yes"),
        ("YES!", "yes", "yes"),
    ],
)
def test_replies(reply: str, read: str | None, as_pope: str) -> None:
    assert yes_or_no(reply) == read
    assert yes_unless_no(reply) == as_pope


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_the_same_as_scikit_learn(positive: str) -> None:
    rng = random.Random(3)
    truths = rng.choices(["yes", "no"], k=200)
    replies = [truth if rng.random() < 0.8 else rng.choice(["yes", "no"]) for truth in truths]
    found = YesNoCounts.of(replies, truths).scores(positive)  # type: ignore[arg-type]
    expected = precision_recall_fscore_support(truths, replies, pos_label=positive, average="binary")[:3]
    assert (found.precision, found.recall, found.f1) == pytest.approx(expected, abs=1e-9)
    assert found.accuracy == sum(map(str.__eq__, truths, replies)) / 200
    assert found.yes_ratio == replies.count("yes") / 200


def test_who_always_says_yes() -> None:
    found = YesNoCounts.of(["yes"] * 4, ["yes", "no", "yes", "no"]).scores()
    assert (found.accuracy, found.precision, found.recall, found.yes_ratio) == (0.5, 0.5, 1.0, 1.0)
    assert found.f1 == pytest.approx(2 / 3)


def test_what_cannot_be_read_is_wrong_and_neither_yes_nor_no() -> None:
    found = YesNoCounts.of(["yes", None, "no", None], ["yes", "yes", "no", "no"]).scores()
    assert (found.accuracy, found.precision, found.recall, found.yes_ratio, found.unparsed) == (0.5, 1.0, 1.0, 0.25, 0.5)


def test_no_questions_no_division() -> None:
    assert YesNoCounts.of([], []).scores().f1 == 0.0
    with pytest.raises(ValueError, match="shorter"):
        YesNoCounts.of(["yes"], [])


def test_mme() -> None:
    pictures, right = ["a", "b", "a", "b", "c", "c"], [True, True, True, False, False, False]
    found = mme_scores(pictures, right)
    assert (found.accuracy, found.accuracy_plus) == (0.5, pytest.approx(1 / 3))
    assert found.score == pytest.approx(50 + 100 / 3)
    with pytest.raises(ValueError, match="two questions about a picture, 'b' has 1"):
        mme_scores(["a", "a", "b"], [True] * 3)


def test_illusions() -> None:
    def record(category: str, figure: str, question: str, right: bool) -> IllusionRecord:
        return IllusionRecord(category, "chart", "1", figure, question, right)

    found = illusion_scores([
        record("VS", "0", "q1", True), record("VS", "1", "q1", True), record("VS", "2", "q1", False),
        record("VS", "0", "q2", False), record("VS", "1", "q2", True), record("VS", "2", "q2", True),
        record("VD", "1", "q1", True),
    ])  # fmt: skip
    assert found.all == 5 / 7
    assert found.question == 1 / 3
    assert found.figure == 2 / 3  # the figure that is none does not count
    assert found.mean == pytest.approx((5 / 7 + 1 / 3 + 2 / 3) / 3)
    with pytest.raises(ValueError, match="with a picture"):
        illusion_scores([record("VS", "0", "q1", True)])
