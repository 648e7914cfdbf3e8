"""Lookup-free quantization: bits, the entropy term beside its definition and beside a well-kept library's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.parts.quantizers.lfq import TEMPERATURE, Lfq, signs


def built(width: int, **changes: object) -> Lfq:
    quantizer: Lfq = Lfq.Config(width=width, **changes).build()  # type: ignore[arg-type]
    return quantizer


def small(width: int, count: int = 40, seed: int = 0) -> torch.Tensor:
    """Vectors near 0, where probabilities are neither 0 nor 1."""
    return torch.randn(1, count, width, generator=torch.Generator().manual_seed(seed)) * TEMPERATURE


def by_definition(vectors: torch.Tensor, width: int, diversity: float) -> torch.Tensor:
    codes = signs(torch.arange(1 << width), width).double()
    p = torch.softmax(2 * vectors.flatten(0, 1).double() @ codes.T / TEMPERATURE, dim=1)
    each, together = -torch.xlogy(p, p).sum(1).mean(), p.mean(0)
    return each + diversity * torch.xlogy(together, together).sum()


@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("diversity", [0.0, 1.0, 0.3])
def test_the_entropy_term_is_the_sum_over_all_codes(width: int, diversity: float) -> None:
    quantizer, vectors = built(width, diversity=diversity), small(width)
    torch.testing.assert_close(quantizer.entropy(vectors).double(), by_definition(vectors, width, diversity), atol=1e-5, rtol=1e-5)


def test_groups_are_exact_where_bits_are_independent() -> None:
    """All sixteen combinations of four vectors of two bits with each other: the halves are independent."""
    halves = small(2, 4)[0]
    vectors = torch.cat([halves.repeat_interleave(4, 0), halves.repeat(4, 1)], dim=1)[None]
    torch.testing.assert_close(built(4, group=2).entropy(vectors), built(4, group=4).entropy(vectors), atol=1e-5, rtol=1e-5)


def test_as_the_library_has_it() -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    theirs = library.LFQ(codebook_size=256, dim=8, entropy_loss_weight=0.1, commitment_loss_weight=0.25, diversity_gamma=1.0).train()
    vectors = small(8, 36).transpose(1, 2).unflatten(2, (6, 6))
    ours = built(8, group=8)(vectors)
    out, codes, loss = theirs(vectors)
    torch.testing.assert_close(ours.vectors, out)
    torch.testing.assert_close(sum(ours.losses.values()), loss, atol=1e-4, rtol=0)  # logarithms are cut off at 1e-5 there
    # There the first number is the most significant bit.
    backwards = sum(((codes.flatten(1) >> i) & 1) << (7 - i) for i in range(8))
    assert torch.equal(ours.codes, backwards)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 62), st.data())
def test_codes_and_signs_there_and_back(width: int, data: st.DataObject) -> None:
    codes = torch.tensor([data.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=6))])
    quantizer = built(width, group=1)
    vectors = quantizer.lookup(codes, (codes.shape[1],))
    assert set(vectors.unique().tolist()) <= {-1.0, 1.0}
    assert torch.equal(quantizer(vectors).codes, codes)
    assert torch.equal(quantizer(torch.zeros(1, width, 1)).codes, torch.zeros(1, 1, dtype=torch.int64))


def test_sure_and_even_is_the_best() -> None:
    """Least where every vector is sure of its code and all codes are used alike: minus the logarithm of their number."""
    sure_and_even = signs(torch.arange(16), 4)[None]
    best = built(4).entropy(sure_and_even)
    torch.testing.assert_close(best, -torch.tensor(16.0).log())
    for worse in (sure_and_even[:, :1].expand(1, 16, 4), torch.zeros(1, 16, 4), small(4)):
        assert built(4).entropy(worse) > best + 0.5


def test_a_vocabulary_of_2_to_the_18_needs_no_table() -> None:
    quantizer = built(18)
    assert quantizer.vocabulary == 262_144 and not list(quantizer.parameters()) and not list(quantizer.buffers())


def test_gradients_are_finite_where_codes_are_not_used_at_all() -> None:
    """Vectors far from zero, all of one code: the probabilities of the others underflow."""
    quantizer = Lfq.Config(width=6, group=3).build()
    vectors = torch.full((1, 6, 2, 2), 3.0, requires_grad=True)
    quantizer(vectors).losses["entropy"].backward()
    assert vectors.grad is not None and vectors.grad.isfinite().all()
