"""Fidelity beside well-kept libraries and beside what theory says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import linalg

from omma.errors import BadInput
from omma.evaluation.drawing.codes import CodeUse, code_use
from omma.evaluation.drawing.fidelity import frechet_distance, kernel_distance, psnr, ssim


def picture(seed: int, size: tuple[int, int] = (24, 20)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def normal(count: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (count, width))


def test_psnr_and_ssim_as_the_libraries_have_them() -> None:
    image = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed: pip install 'omma[draw]'")
    metrics = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed")
    for seed in range(5):
        one, other = picture(seed), Image.blend(picture(seed), picture(seed + 50), 0.3)
        a, b = np.asarray(one), np.asarray(other)
        assert psnr(one, other) == pytest.approx(image.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-6)
        pixels = [torch.from_numpy(x.astype(np.float64)).permute(2, 0, 1)[None] for x in (a, b)]
        theirs = metrics.structural_similarity_index_measure(*pixels, data_range=255.0, gaussian_kernel=True, sigma=1.5, kernel_size=11)
        assert ssim(one, other) == pytest.approx(float(theirs), abs=0.01)  # edges are treated in other ways
    assert psnr(picture(0), picture(0)) == float("inf") and ssim(picture(0), picture(0)) == pytest.approx(1)
    black, gray = (Image.new("RGB", (16, 16), (value,) * 3) for value in (0, 51))
    assert psnr(black, gray) == pytest.approx(20 * np.log10(5))


def test_frechet_distance_as_its_formula_with_a_matrix_root() -> None:
    for seed in range(5):
        one, other = normal(60, 6, seed) @ normal(6, 6, seed + 10), normal(70, 6, seed + 20, shift=0.5)
        first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
        root = linalg.sqrtm(first @ second).real
        expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
        assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)
        assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.floats(-3, 3), st.integers(0, 99))
def test_distances_of_equal_and_of_shifted_ones(count: int, width: int, shift: float, seed: int) -> None:
    found = normal(count, width, seed)
    assert frechet_distance(found, found) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(found, found + shift) == pytest.approx(width * shift * shift, abs=1e-6, rel=1e-6)


def test_distances_grow_with_noise() -> None:
    real = normal(500, 8, 0)
    for distance in (frechet_distance, kernel_distance):
        found = [distance(real + normal(500, 8, 1, scale=scale), real) for scale in (0.0, 0.5, 1.0, 2.0)]
        assert found == sorted(found) and found[-1] > found[1] + 0.01


def test_kernel_distance_as_the_library_has_it() -> None:
    module = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    one, other = normal(80, 5, 0), normal(80, 5, 1, shift=0.3)
    theirs = module.poly_mmd(torch.from_numpy(one), torch.from_numpy(other))
    assert kernel_distance(one, other) == pytest.approx(float(theirs), rel=1e-9)
    # Without bias: two samples of one distribution are as often below 0 as above.
    same = [kernel_distance(normal(60, 4, seed), normal(60, 4, seed + 100)) for seed in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 60**0.5 and min(same) < 0


def test_what_cannot_be_compared() -> None:
    with pytest.raises(BadInput, match=r"one of the real one's size, 24 x 20, found 20 x 24"):
        psnr(picture(0, (20, 24)), picture(0))
    with pytest.raises(BadInput, match=r"at least 11 x 11 pixels, found 10 x 30"):
        ssim(picture(0, (10, 30)), picture(1, (10, 30)))
    with pytest.raises(BadInput, match=r"of two or more pictures, found an array of shape \(1, 4\)"):
        frechet_distance(normal(1, 4, 0), normal(5, 4, 0))
    with pytest.raises(BadInput, match="found features that are not finite"):
        kernel_distance(normal(5, 4, 0) * np.nan, normal(5, 4, 0))


def test_use_of_codes() -> None:
    assert code_use(np.arange(16).reshape(4, 4), 16) == CodeUse(1.0, pytest.approx(16), 1.0)
    assert code_use(np.full((3, 3), 5), 16) == CodeUse(1 / 16, pytest.approx(1), 0.0)
    # Bit 0 is even, bit 1 is set in one of eight, bits 2 and 3 never.
    assert code_use(np.array([0, 1, 0, 1, 0, 1, 0, 3]), 16).bits_in_balance == 0.25
    halves = np.array([0, 1, 2, 3]) << 16
    assert code_use(halves, 1 << 18) == CodeUse(4 / (1 << 18), pytest.approx(4), pytest.approx(2 / 18))
    for wrong in (np.array([]), np.array([16]), np.array([-1])):
        with pytest.raises(ValueError, match="expected codes from 0 to 15"):
            code_use(wrong, 16)
