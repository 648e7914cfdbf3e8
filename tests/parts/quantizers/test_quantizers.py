"""What every quantizer keeps: codes and vectors there and back, gradients to what went in, nothing changed by looking."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.errors import BadInput
from omma.parts.quantizers import QUANTIZERS, Quantizer

KINDS: dict[str, dict[str, Any]] = {
    "vq": {"type": "vq", "codes": 11, "width": 4},
    "vq by gradients": {"type": "vq", "codes": 11, "width": 4, "decay": None},
    "vq on the sphere": {"type": "vq", "codes": 11, "width": 4, "unit": True},
    "lfq": {"type": "lfq", "width": 4, "group": 2},
    "multi-scale": {"type": "multi-scale", "codes": 11, "width": 4, "scales": [1, 2, 4], "convolutions": 2},
}
kinds = pytest.mark.parametrize("kind", KINDS)


def built(kind: str) -> Quantizer:
    torch.manual_seed(0)
    quantizer: Quantizer = QUANTIZERS.parse(KINDS[kind], where="test").build()
    with torch.no_grad():  # codes that vectors of the size of 1 have different ones of
        for parameter in quantizer.parameters():
            parameter.normal_(0, 1)
    return quantizer


def vectors(count: int = 3, side: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 4, side, side, generator=torch.Generator().manual_seed(seed))


@kinds
def test_codes_stand_for_the_vectors_that_they_are_told_with(kind: str) -> None:
    quantizer, found = built(kind), vectors()
    quantized = quantizer(found)
    assert quantized.vectors.shape == found.shape and quantized.codes.dtype == torch.int64
    assert quantized.codes.shape == (3, quantizer.length((4, 4)))
    assert quantized.codes.min() >= 0 and quantized.codes.max() < quantizer.vocabulary
    torch.testing.assert_close(quantizer.lookup(quantized.codes, (4, 4)), quantized.vectors)
    if kind != "multi-scale":  # whose first map is of the sum of all, not of the first
        assert torch.equal(quantizer(quantized.vectors).codes, quantized.codes)


@kinds
def test_a_picture_has_the_codes_that_it_has_alone(kind: str) -> None:
    quantizer, found = built(kind), vectors()
    assert torch.equal(quantizer(found).codes[1:2], quantizer(found[1:2]).codes)
    assert torch.equal(quantizer(found.flip(0)).codes, quantizer(found).codes.flip(0))


@kinds
def test_gradients_pass_through_and_looking_changes_nothing(kind: str) -> None:
    quantizer, found = built(kind), vectors().requires_grad_()
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    quantized = quantizer(found)
    weights = torch.randn_like(found)
    (gradient,) = torch.autograd.grad((quantized.vectors * weights).sum(), found, retain_graph=True)
    if "sphere" not in kind:  # there they are scaled to length 1 first
        torch.testing.assert_close(gradient, weights)
    assert gradient.abs().max() > 0
    assert all(torch.isfinite(loss) and loss.shape == () for loss in quantized.losses.values())
    (moved,) = torch.autograd.grad(quantized.losses["commitment"], found)
    assert moved.abs().max() > 0
    for name, tensor in quantizer.state_dict().items():
        assert torch.equal(tensor, before[name])


@kinds
def test_bf16_has_the_codes_of_the_same_numbers_in_float32(kind: str) -> None:
    quantizer, found = built(kind), vectors().bfloat16()
    assert torch.equal(quantizer(found).codes, quantizer(found.float()).codes)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 1000))
def test_any_number_of_axes(frames: int, rows: int, columns: int, seed: int) -> None:
    found = torch.randn(2, 4, frames, rows, columns, generator=torch.Generator().manual_seed(seed))
    for kind in ("vq", "lfq"):
        quantizer = built(kind)
        quantized = quantizer(found)
        assert quantized.codes.shape == (2, frames * rows * columns)
        torch.testing.assert_close(quantizer.lookup(quantized.codes, (frames, rows, columns)), quantized.vectors)
        flat = quantizer(found.flatten(2)[..., None]).codes
        assert torch.equal(flat, quantized.codes)


def test_scales_want_the_grid_that_they_end_with() -> None:
    with pytest.raises(BadInput, match=r"expected pictures of 4 x 4 vectors.*found 3 x 4"):
        built("multi-scale")(torch.zeros(1, 4, 3, 4))
    with pytest.raises(BadInput, match="each larger than the one before"):
        QUANTIZERS.parse(KINDS["multi-scale"] | {"scales": [1, 4, 4]}, where="quantizer")
    with pytest.raises(BadInput, match=r"groups that divide a width of 18, not of 4"):
        QUANTIZERS.parse({"type": "lfq", "width": 18, "group": 4}, where="quantizer")
