"""The codebook: nearest by cosine, moving averages, and a beginning where vectors are."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from omma.parts.tokenizers.codebook import Codebook, spherical_k_means


def directions(count: int, width: int = 4, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_nearest_is_the_smallest_angle() -> None:
    book, vectors = Codebook(7, 4, decay=0.9), directions(50)
    angles = torch.stack([F.cosine_similarity(vectors, code[None]) for code in book.codes], dim=1)
    assert torch.equal(book.nearest(vectors), angles.argmax(1))
    torch.testing.assert_close(book(book.nearest(book.codes)), book.codes)


def test_codes_follow_the_mean_of_what_is_theirs() -> None:
    book, vectors = Codebook(5, 4, decay=0.9), directions(40)
    book.begun.fill_(1)
    before = book.codes.clone()
    numbers = torch.arange(40) % 4  # nothing for the last one
    book.follow(vectors, numbers)
    for code in range(4):
        mean = F.normalize(vectors[numbers == code].sum(0), dim=0)
        torch.testing.assert_close(book.codes[code], F.normalize(0.9 * before[code] + 0.1 * mean, dim=0))
    assert torch.equal(book.codes[4], before[4])


def test_they_begin_where_vectors_are() -> None:
    """Three tight bundles, three codes: one in each."""
    torch.manual_seed(0)
    centers = torch.eye(4)[:3]
    vectors = F.normalize(centers.repeat(20, 1) + 0.01 * directions(60), dim=1)
    book = Codebook(3, 4, decay=0.9)
    book.follow(vectors, book.nearest(vectors))
    assert book.begun and sorted((book.codes @ centers.T).argmax(1).tolist()) == [0, 1, 2]
    assert (book.codes @ centers.T).amax(1).min() > 0.999


def test_fewer_vectors_than_codes() -> None:
    found = spherical_k_means(directions(3), 8)
    assert found.shape == (8, 4) and torch.isfinite(found).all()
    torch.testing.assert_close(found.norm(dim=1), torch.ones(8))


def test_no_optimizer_touches_it() -> None:
    book = Codebook(3, 4, decay=0.9)
    assert list(book.parameters()) == [] and set(book.state_dict()) == {"codes", "begun"}
