"""BEiT-3's picture embedding: a convolution over patches, masks in place of some, positions that other grids interpolate."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from omma.parts.encoders.patches import patches_of
from omma.parts.projectors.patch_embedding import PatchEmbedding

EMBEDDING = PatchEmbedding.Config(input_side=3).build(d_in=3 * 8 * 8, d_out=16)
PIXELS = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_convolution_and_positions() -> None:
    found = EMBEDDING.embed(patches_of(PIXELS, 8), (3, 3))
    kernel = EMBEDDING.linear.weight.view(16, 8, 8, 3).permute(0, 3, 1, 2)
    maps = F.conv2d(PIXELS, kernel, EMBEDDING.linear.bias, stride=8)
    expected = torch.cat([EMBEDDING.first.expand(2, 1, -1), maps.flatten(2).transpose(1, 2)], dim=1) + EMBEDDING.positions.weight[2:]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_masked_patches_are_all_one_vector_and_a_place() -> None:
    masked = torch.zeros(2, 9, dtype=torch.bool)
    masked[0, [0, 4]] = True
    clean, found = (EMBEDDING.embed(patches_of(PIXELS, 8), (3, 3), mask) for mask in (None, masked))
    for place in (0, 4):
        torch.testing.assert_close(found[0, 1 + place], EMBEDDING.mask + EMBEDDING.positions.weight[3 + place])
    hidden = F.pad(masked, (1, 0))
    assert torch.equal(found[~hidden], clean[~hidden])


@torch.no_grad()
def test_another_grid() -> None:
    """Where the table is a plane, interpolated positions lie on it."""
    rows = torch.arange(3.0).repeat_interleave(3)
    embedding = PatchEmbedding.Config(input_side=3).build(d_in=4, d_out=2)
    embedding.positions.weight.zero_()
    embedding.positions.weight[3:] = torch.stack([rows, -rows], dim=1)
    embedding.linear.weight.zero_()
    embedding.linear.bias.zero_()
    found = embedding.embed(torch.zeros(1, 6 * 9, 4), (6, 9))[0, 1:].unflatten(0, (6, 9))
    assert (found[..., 0] == -found[..., 1]).all()
    torch.testing.assert_close(found, found[:, :1].expand_as(found))  # columns are alike
    inner = found[2:4, 0, 0]
    torch.testing.assert_close(inner, torch.tensor([0.75, 1.25]), atol=0.1, rtol=0)
    assert embedding.grid((6, 9)) == (1, 55)
