from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.descriptions import ThingsThere
from omma.evaluation.metrics.boxes import FRAMES, Frame
from omma.evaluation.metrics.captioning import CiderD, bleu_counts, ptb_tokens
from omma.evaluation.metrics.hallucination import Ontology
from omma.evaluation.truths import (
    UNPARSED,
    Captions,
    ContainedText,
    Option,
    PeoplesAnswers,
    ReadText,
    RelaxedAnswer,
    RightBox,
    ShortAnswer,
    Truth,
    YesOrNo,
    box_as_text,
    written_box,
)

PEOPLE = ("blue",) * 2 + ("light blue",) * 3 + ("the sky",) * 5
REFERENCES = ("a dog runs on grass", "one dog running in a field")
CIDER = CiderD([[ptb_tokens(text) for text in REFERENCES], [ptb_tokens("two boats in a harbour")]])
WORDS = {"dog": ("puppy",), "grass": (), "person": ("man",), "tree": ()}
AMBER = ThingsThere(
    ("dog", "grass"), ("person",), WORDS, Ontology({w: w for w in ("dog", "puppy", "grass", "person", "man", "tree", "sky")}), frozenset({"sky"})
)
BOX = RightBox((100, 50, 300, 150), (400, 200), FRAMES["thousandths"], "[250, 250, 750, 750]")


@pytest.mark.parametrize(
    ("truth", "reply", "credit", "read"),
    [
        (ShortAnswer("Red"), " red. ", 1, None),
        (ShortAnswer("red"), "the red", 0, None),
        (PeoplesAnswers(PEOPLE, "vqav2"), "Blue", 0.6, None),
        (PeoplesAnswers(PEOPLE, "vqav2"), "light blue!", 0.9, None),
        (PeoplesAnswers(PEOPLE, "textvqa"), "sky", 1, None),
        (PeoplesAnswers(PEOPLE, "textvqa"), "green", 0, None),
        (ReadText(("2,000", "$ 2,000")), "2.000", 0.8, None),
        (ReadText(("2,000",)), "nothing of the kind", 0, None),
        (RelaxedAnswer("100", "strict"), "104.", 1, None),
        (RelaxedAnswer("100", "strict"), "106", 0, None),
        (RelaxedAnswer("U.S.", "strict"), "u.s.", 1, None),
        (RelaxedAnswer("12%", "strict"), "0.12", 0, None),
        (RelaxedAnswer("12%", "pix2struct"), "0.12", 1, None),
        (ContainedText(("CENTRE", "Center")), "It says\ncenter of town", 1, None),
        (ContainedText(("x ^ { 2 }",), formula=True), "$x^{2}$", 1, None),
        (ContainedText(("X",), formula=True), "x", 0, None),
        (Option(("a dog", "a hot dog", "a cat"), 1), "B", 1, "B"),
        (Option(("a dog", "a hot dog", "a cat"), 1), "It is a hot dog.", 1, "B"),
        (Option(("a dog", "a hot dog", "a cat"), 1), "A dog", 0, "A"),
        (Option(("a dog", "a hot dog", "a cat"), 1), "Based on what I see, hard to say", 0, UNPARSED),
        (Option(("", "", "", ""), 3), "D", 1, "D"),
        (YesOrNo("no"), "No, there is none.", 1, "no"),
        (YesOrNo("no"), "There is none.", 0, UNPARSED),
        (YesOrNo("yes", "pope-original"), "There is one.", 1, "yes"),
        (YesOrNo("no", "pope-original"), "There is not one.", 1, "no"),
        (YesOrNo("yes"), "I cannot know that.", 0, UNPARSED),
        (YesOrNo("yes", unknown_is_right=True), "I don\u2019t know that.", 1, "unknown"),
        (YesOrNo("yes", unknown_is_right=True), "No, I cannot see it.", 0, "no"),
        (BOX, "[250, 250, 750, 750]", 1, "250, 250, 750, 750"),
        (BOX, "It is at (250,250),(750,700).", 1, "250, 250, 750, 700"),
        (BOX, "<ref>it</ref><box>[[250, 250, 400, 750]]</box>", 0, "250, 250, 400, 750"),
        (BOX, "[750, 250, 250, 750]", 0, "750, 250, 250, 750"),
        (BOX, "on the left", 0, UNPARSED),
        (AMBER, "A puppy on the grass.", 1, "dog, grass"),
        (AMBER, "Two dogs, a man and a tree below the sky.", 1 / 3, "dog, person, tree"),
        (AMBER, "It is lovely.", 0, UNPARSED),
        (Captions(REFERENCES, CIDER), "a dog runs on grass", 1, None),
        (Captions(REFERENCES, CIDER), "boats", 0, None),
    ],
)  # fmt: skip
def test_what_replies_are_worth(truth: Truth, reply: str, credit: float, read: str | None) -> None:
    verdict = truth.judge(reply)
    assert verdict.credit == pytest.approx(credit)
    assert verdict.read == read


def test_counts() -> None:
    assert ShortAnswer("red").judge("the red").counts == {"vqa_match": 1.0}
    assert BOX.judge("[250, 250, 400, 750]").counts == {"iou": pytest.approx(0.3), "centre": 1.0, "invalid": 0.0}
    assert BOX.judge("[750, 250, 250, 750]").counts == {"iou": 0.0, "centre": 0.0, "invalid": 1.0}
    assert AMBER.judge("Two dogs, a man and a tree.").counts == pytest.approx({"chair": 2 / 3, "cover": 0.5, "hal": 1, "cog": 1 / 3})
    counts = Captions(REFERENCES, CIDER).judge("a dog in a field").counts
    said, references = ptb_tokens("a dog in a field"), [ptb_tokens(text) for text in REFERENCES]
    assert counts["cider_d"] == CIDER.score(said, references) > 0
    expected = bleu_counts([said], [references]).counts[0]
    assert [counts[f"match_{n}"] for n in range(1, 5)] == expected[:4].tolist()
    assert (counts["length"], counts["reference"]) == (5, 5)


@pytest.mark.parametrize(
    ("reply", "box"),
    [
        ("[0.1, 0.2, 0.35, 1]", (0.1, 0.2, 0.35, 1)),
        ("<box>(12,34),(56,78)</box>", (12, 34, 56, 78)),
        ("<loc0001><loc0023><loc1023><loc0500> cat", (1, 23, 1023, 500)),
        ("The two dogs: [10, 20, 30, 40]", (10, 20, 30, 40)),
        ("bbox 1 2 3 4", (1, 2, 3, 4)),
        ("[-3, .5, 7, 8.]", (-3, 0.5, 7, 8)),
        ("[1, 2, 3]", None),
        ("12345678", None),
        ("1. a dog 2. a cat 3. a cow 4. a hen", None),
        ("<loc0001><loc0002>", None),
        ("", None),
    ],
)
def test_boxes_as_they_are_written(reply: str, box: tuple[float, ...] | None) -> None:
    assert written_box(reply) == box


@given(
    st.sampled_from([*FRAMES.values(), Frame("xywh"), Frame("cxcywh", scale=100), Frame(resized=(448, 224))]),
    st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_frames_write_what_they_read(frame: Frame, size: tuple[int, int], shares: list[float]) -> None:
    box = np.sort(np.array(shares).reshape(2, 2), axis=0).ravel() * np.array([*size, *size])
    assert np.allclose(frame.to_pixels(frame.of_pixels(box, size), size), box, atol=1e-6)


@given(st.sampled_from(sorted(FRAMES)), st.tuples(st.integers(50, 2000), st.integers(50, 2000)), st.data())
def test_a_box_in_words_is_the_box(name: str, size: tuple[int, int], data: st.DataObject) -> None:
    left, top = (data.draw(st.integers(0, side // 2)) for side in size)
    right, bottom = (data.draw(st.integers(low + side // 4, side)) for low, side in zip((left, top), size, strict=True))
    text = box_as_text((left, top, right, bottom), FRAMES[name], size)
    # A thousandth of a long side is much of a short one: a band of 12 pixels in 1899 x 50 loses a tenth to rounding.
    assert RightBox((left, top, right, bottom), size, FRAMES[name], text).judge(text).counts["iou"] > 0.75


TRUTHS = (
    ShortAnswer("red"), PeoplesAnswers(PEOPLE, "vqav2"), PeoplesAnswers(PEOPLE, "textvqa"), ReadText(("2,000",)), RelaxedAnswer("100", "strict"),
    ContainedText(("x",)), Option(("a dog", "a cat"), 1), YesOrNo("no"), YesOrNo("yes", "pope-original"), BOX, AMBER, Captions(REFERENCES, CIDER),
)  # fmt: skip


@given(st.sampled_from(TRUTHS), st.text() | st.lists(st.sampled_from("yes no A B ( ) [ , 1 2.5 dog 1e999 \u0661 <loc0001>".split())).map(" ".join))
def test_any_reply_has_a_worth(truth: Truth, reply: str) -> None:
    verdict = truth.judge(reply)
    assert 0 <= verdict.credit <= 1
    assert truth.graded or verdict.credit in (0, 1)
    assert all(np.isfinite(number) for number in verdict.counts.values())
    assert not (verdict.read == UNPARSED and verdict.credit), "what cannot be read earns nothing"


def test_every_answer_is_right() -> None:
    for truth in TRUTHS:
        if not isinstance(truth, ThingsThere | PeoplesAnswers):
            assert all(truth.judge(answer).credit >= 0.4 for answer in truth.answers), truth


def test_fingerprints_tell_truths_apart() -> None:
    prints = [repr(truth.fingerprint()) for truth in TRUTHS]
    assert len(set(prints)) == len(TRUTHS)
