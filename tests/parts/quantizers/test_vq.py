"""Vector quantization beside diffusers' and a well-kept library's, moving averages, and codes that begin anew."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from omma.parts.quantizers.nearest import MOST_DISTANCES, nearest
from omma.parts.quantizers.vq import Vq


def built(**changes: object) -> Vq:
    torch.manual_seed(1)
    quantizer: Vq = Vq.Config(**({"codes": 16, "width": 4} | changes)).build()  # type: ignore[arg-type]
    with torch.no_grad():
        quantizer.codebook.normal_()
    return quantizer


def vectors(count: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 4, 5, 5, generator=torch.Generator().manual_seed(seed))


def test_by_gradients_as_diffusers_does_it() -> None:
    vae = pytest.importorskip("diffusers.models.autoencoders.vae", reason="diffusers is not installed: pip install 'omma[draw]'")
    quantizer, found = built(decay=None), vectors().requires_grad_()
    theirs = vae.VectorQuantizer(16, 4, beta=0.25, legacy=False)
    theirs.embedding.weight.data.copy_(quantizer.codebook.data)
    out, loss, (_, _, codes) = theirs(found)
    ours = quantizer(found)
    assert torch.equal(ours.codes.flatten(), codes)
    torch.testing.assert_close(ours.vectors, out)
    torch.testing.assert_close(sum(ours.losses.values()), loss)
    both = [torch.autograd.grad(total, (found, book)) for total, book in (
        (loss, theirs.embedding.weight), (sum(ours.losses.values()), quantizer.codebook)
    )]  # fmt: skip
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("unit", [False, True])
def test_moving_averages_as_the_library_has_them(unit: bool) -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    quantizer = built(decay=0.8, reset=0, unit=unit)
    theirs = library.VectorQuantize(
        4, 16, decay=0.8, rotation_trick=False, use_cosine_sim=unit, accept_image_fmap=True, commitment_weight=0.25, eps=1e-5
    ).train()
    start = F.normalize(quantizer.codebook.data, dim=1) if unit else quantizer.codebook.data
    quantizer.codebook.data.copy_(start)
    quantizer.uses.fill_(1)
    quantizer.sums.copy_(start)
    book = theirs._codebook
    book.embed.copy_(start[None])
    book.embed_avg.copy_(start[None])
    book.cluster_size.fill_(1)
    for seed in range(5):
        found = vectors(seed=seed)
        out, codes, loss = theirs(found)
        ours = quantizer(found)
        assert torch.equal(ours.codes, codes.flatten(1))
        torch.testing.assert_close(ours.vectors, out)
        torch.testing.assert_close(ours.losses["commitment"], loss.squeeze())
        assert not ours.losses["codebook"].requires_grad
        quantizer.follow(found, ours.codes)
        torch.testing.assert_close(quantizer.codebook.data, book.embed[0])


def test_codes_come_to_the_means_of_what_is_theirs() -> None:
    centers = torch.tensor([[4.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 4]])
    found = (centers.repeat(50, 1) + 0.3 * torch.randn(200, 4, generator=torch.Generator().manual_seed(0))).T[None, :, :, None]
    quantizer = built(codes=4, decay=0.9, reset=2.0)
    for _ in range(200):
        quantizer.follow(found, quantizer(found).codes)
    means = found[0, :, :, 0].T.view(50, 4, 4).mean(0)
    order = quantizer.codebook.argmax(1)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    torch.testing.assert_close(quantizer.codebook.data, means[order], atol=1e-3, rtol=1e-3)


def test_a_dead_code_begins_where_a_vector_is_and_stays_there() -> None:
    quantizer = built(decay=0.9, reset=1.0)
    found = vectors()
    quantizer.follow(found, quantizer(found).codes)
    quantizer.codebook.data[3] = 1e3
    quantizer.uses[3], quantizer.sums[3] = 0.5, 500.0
    quantizer.follow(found, quantizer(found).codes)
    flat = found.flatten(2).transpose(1, 2).reshape(-1, 4)
    assert (flat - quantizer.codebook[3]).norm(dim=1).min() < 0.01
    assert quantizer.uses[3] == 1.0


def test_the_first_codes_are_vectors_and_those_by_gradients_never_follow() -> None:
    quantizer, found = built(codes=40), vectors()
    quantizer.follow(found, quantizer(found).codes)
    flat = found.flatten(2).transpose(1, 2).reshape(-1, 4)
    assert (quantizer.codebook.data[:, None] - flat).norm(dim=2).min(1).values.max() < 1e-6
    assert not list(quantizer.parameters())
    still = built(decay=None)
    before = still.codebook.clone()
    still.follow(found, still(found).codes)
    assert torch.equal(still.codebook, before) and still.codebook.requires_grad


def test_nearest_in_parts_is_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    found, codes = torch.randn(100, 4), torch.randn(16, 4)
    whole = torch.cdist(found.double(), codes.double()).argmin(1)
    assert torch.equal(nearest(found, codes), whole)
    monkeypatch.setattr("omma.parts.quantizers.nearest.MOST_DISTANCES", 16 * 7)
    assert torch.equal(nearest(found, codes), whole) and MOST_DISTANCES > 16 * 7
