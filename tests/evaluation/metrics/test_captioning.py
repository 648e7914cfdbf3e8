"""BLEU, ROUGE-L and CIDEr-D: equal to the COCO evaluation's code, and the tokens that they are computed on."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.captioning import CiderD, bleu_counts, ptb_tokens, rouge_l

WORDS = "a the red small big cat dog sits stands on under table tree and with two of".split()


def corpus(seed: int, pictures: int = 50) -> tuple[list[list[str]], list[list[list[str]]]]:
    rng = random.Random(seed)

    def text() -> list[str]:
        return rng.choices(WORDS, k=rng.randint(1, 14))

    references = [[text() for _ in range(rng.randint(1, 5))] for _ in range(pictures)]
    # Half of the captions are near a reference, so that long n-grams match, too.
    captions = [
        [rng.choice(WORDS) if rng.random() < 0.2 else w for w in rng.choice(texts)] if rng.random() < 0.5 else text()
        for texts in references
    ]
    return captions, references


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_the_coco_evaluation(seed: int) -> None:
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu", reason="pycocoevalcap is not installed")
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge")
    captions, references = corpus(seed)
    theirs = {i: [" ".join(text) for text in texts] for i, texts in enumerate(references)}
    said = {i: [" ".join(caption)] for i, caption in enumerate(captions)}

    expected, _ = bleu.Bleu(4).compute_score(theirs, said, verbose=0)
    assert bleu_counts(captions, references).bleu() == pytest.approx(expected, abs=1e-6)

    expected, each = cider.Cider().compute_score(theirs, said)
    ours = CiderD(references)
    scores = [ours.score(caption, texts) for caption, texts in zip(captions, references, strict=True)]
    assert scores == pytest.approx(list(each), abs=1e-6)
    assert np.mean(scores) == pytest.approx(expected, abs=1e-6)

    expected, each = rouge.Rouge().compute_score(theirs, said)
    scores = [rouge_l(caption, texts) for caption, texts in zip(captions, references, strict=True)]
    assert scores == pytest.approx(list(each), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
        ('The "big" dog (a poodle), isn\'t here!', "the big dog a poodle is n't here"),
        ("A man's hat; it's 3:45 p.m. -- late...", "a man 's hat it 's 3:45 p.m. late"),
        ("a black-and-white t-shirt", "a black-and-white t-shirt"),
        ("they cannot pay $1,200.50", "they can not pay $ 1,200.50"),
        ("line\nbreak", "line break"),
        ("", ""),
    ],
)
def test_tokens(text: str, tokens: str) -> None:
    assert " ".join(ptb_tokens(text)) == tokens


def test_bleu_by_hand() -> None:
    """Papineni et al. 2002, section 2.1: clipping "the the the ..." to the two of the reference."""
    caption = "the the the the the the the".split()
    references = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    counts = bleu_counts([caption], [references])
    assert counts.counts[0, 0] == 2 and counts.counts[0, 4] == 7
    assert counts.bleu()[0] == pytest.approx(2 / 7)
    assert counts.bleu()[1] == 0.0


def test_a_short_caption_is_penalised() -> None:
    counts = bleu_counts(["the cat".split()], [["the cat is on the mat".split()]])
    assert counts.bleu()[0] == pytest.approx(np.exp(1 - 6 / 2))


def test_nothing_said_scores_nothing() -> None:
    references = [["a cat".split()], ["a dog".split()]]
    assert bleu_counts([[], []], references).bleu() == [0.0] * 4
    assert rouge_l([], references[0]) == 0.0
    assert CiderD(references).score([], references[0]) == 0.0


def test_one_picture_has_no_rare_words() -> None:
    references = [["a red cat".split()]]
    assert CiderD(references).score("a red cat".split(), references[0]) == 0.0


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=2, max_size=6))
def test_the_truth_scores_best_and_all_scores_are_in_their_range(texts: list[list[str]]) -> None:
    references = [[text] for text in texts]
    cider = CiderD(references)
    for text, truth in zip(texts, references, strict=True):
        assert rouge_l(text, truth) == pytest.approx(1.0)
        other = texts[0]
        assert 0 <= rouge_l(other, truth) <= 1
        assert -1e-9 <= cider.score(other, truth) <= cider.score(text, truth) + 1e-9 or cider.score(text, truth) == 0
    assert bleu_counts(texts, references).bleu()[0] == pytest.approx(1.0)
