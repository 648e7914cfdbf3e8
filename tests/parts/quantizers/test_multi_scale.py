"""Residual quantization in scales: VAR's sizes and shared convolutions, and that scales add up."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.quantizers.vq import Vq

VAR = MultiScale.Config().build()


def built(scales: tuple[int, ...] = (1, 2, 3, 6), codes: int = 64, decay: float | None = None) -> MultiScale:
    torch.manual_seed(2)
    quantizer: MultiScale = MultiScale.Config(codes=codes, width=4, scales=scales, decay=decay).build()
    with torch.no_grad():
        quantizer.codebook.normal_()
    return quantizer


def test_sizes_as_published() -> None:
    assert sum(p.numel() for p in VAR.parameters()) == 168_064 and VAR.codebook.numel() == 131_072
    assert VAR.length((16, 16)) == 680
    # Ten scales share four convolutions, as the published code has it: two ties are decided by rounding.
    assert [list(VAR.phis).index(VAR.phi(k)) for k in range(10)] == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    large = MultiScale.Config(scales=(1, 2, 3, 4, 6, 9, 13, 18, 24, 32)).build()
    assert large.length((32, 32)) == 2240


def test_the_scales_add_up_to_what_the_encoder_told() -> None:
    quantizer, found = built(), torch.randn(2, 4, 6, 6)
    quantized = quantizer(found)
    sums = list(quantizer.scale_by_scale(quantized.codes))
    assert len(sums) == 4
    torch.testing.assert_close(sums[-1], quantized.vectors.detach())
    # And each is what the codes up to there stand for, whatever the finer ones say.
    shuffled = quantized.codes.clone()
    shuffled[:, 1 + 4 + 9 :] = 0
    others = list(quantizer.scale_by_scale(shuffled))
    for k in range(3):
        torch.testing.assert_close(others[k], sums[k])
    assert not torch.allclose(others[3], sums[3])


def test_losses_are_means_over_scales_of_what_is_left() -> None:
    quantizer, found = built(), torch.randn(2, 4, 6, 6)
    quantized = quantizer(found)
    left = torch.stack([F.mse_loss(total, found) for total in quantizer.scale_by_scale(quantized.codes)])
    torch.testing.assert_close(quantized.losses["codebook"], left.mean())
    torch.testing.assert_close(quantized.losses["commitment"], 0.25 * left.mean())


def test_every_scale_takes_something_off_where_codes_fit() -> None:
    quantizer = built(codes=512)
    with torch.no_grad():
        for phi in quantizer.phis:
            phi.weight.zero_()
            phi.bias.zero_()
            phi.weight[range(4), range(4), 1, 1] = 1  # nothing is smoothed
        quantizer.codebook[0] = 0  # a scale may leave everything as it is
    found = torch.randn(4, 4, 6, 6)
    left = [F.mse_loss(total, found).item() for total in quantizer.scale_by_scale(quantizer(found).codes)]
    assert left[-1] < 0.5 * left[0]


def test_codebook_and_convolutions_learn() -> None:
    quantizer, found = built(), torch.randn(2, 4, 6, 6)
    sum(quantizer(found).losses.values()).backward()
    assert quantizer.codebook.grad is not None and quantizer.codebook.grad.abs().max() > 0
    assert all(phi.weight.grad is not None for phi in quantizer.phis)


def test_one_scale_is_vector_quantization_and_one_convolution() -> None:
    quantizer, found = built(scales=(5,)), torch.randn(2, 4, 5, 5)
    codes = torch.cdist(found.flatten(2).transpose(1, 2), quantizer.codebook[None]).argmin(2)
    assert torch.equal(quantizer(found).codes, codes)


def test_one_scale_follows_as_vector_quantization_does() -> None:
    quantizer, plain = built(scales=(6,), decay=0.8), Vq.Config(codes=64, width=4, decay=0.8).build()
    plain.codebook.copy_(quantizer.codebook)
    for seed in range(4):
        found = torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(seed))
        for each in (quantizer, plain):
            torch.manual_seed(seed)
            each.follow(found, each(found).codes)
        torch.testing.assert_close(quantizer.codebook, plain.codebook)


def test_a_book_that_follows_serves_all_scales() -> None:
    quantizer = built(decay=0.9)
    quantizer.codebook.mul_(0.01)
    found = torch.randn(16, 4, 6, 6)
    assert {name.split(".")[0] for name, _ in quantizer.named_parameters()} == {"phis"}
    before = quantizer(found)
    for _ in range(30):
        quantizer.follow(found, quantizer(found).codes)
    after = quantizer(found)
    assert F.mse_loss(after.vectors, found) < 0.5 * F.mse_loss(before.vectors, found)
    assert len(after.codes.unique()) > 60
    # Uses are counted over all scales: half of the way from 16 * 50 vectors a step.
    assert quantizer.uses.sum() > 0.5 * 16 * (1 + 4 + 9 + 36)


def test_codes_follow_what_looked_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer, found = built(decay=0.9), torch.randn(3, 4, 6, 6)
    moved: list[torch.Tensor] = []
    monkeypatch.setattr(quantizer, "move", lambda *them: moved.extend(them))
    quantizer.follow(found, quantizer(found).codes)
    vectors, codes = moved
    assert torch.equal(torch.cdist(vectors, quantizer.codebook).argmin(1), codes)


def test_one_by_gradients_does_not_follow() -> None:
    quantizer, found = built(), torch.randn(2, 4, 6, 6)
    before = quantizer.codebook.clone()
    quantizer.follow(found, quantizer(found).codes)
    assert torch.equal(quantizer.codebook, before)


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_first_and_last_scale_have_the_first_and_the_last_convolution(count: int) -> None:
    quantizer: MultiScale = MultiScale.Config(codes=4, width=4, scales=(1, 2, 3, 4, 5, 6, 7, 8), convolutions=count).build()
    assert quantizer.phi(0) is quantizer.phis[0] and quantizer.phi(7) is quantizer.phis[-1]
