"""Residual quantization in scales: VAR's sizes and shared convolutions, and that scales add up."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from omma.parts.quantizers.multi_scale import MultiScale

VAR = MultiScale.Config().build()


def built(scales: tuple[int, ...] = (1, 2, 3, 6), codes: int = 64) -> MultiScale:
    torch.manual_seed(2)
    quantizer: MultiScale = MultiScale.Config(codes=codes, width=4, scales=scales).build()
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


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_first_and_last_scale_have_the_first_and_the_last_convolution(count: int) -> None:
    quantizer: MultiScale = MultiScale.Config(codes=4, width=4, scales=(1, 2, 3, 4, 5, 6, 7, 8), convolutions=count).build()
    assert quantizer.phi(0) is quantizer.phis[0] and quantizer.phi(7) is quantizer.phis[-1]
