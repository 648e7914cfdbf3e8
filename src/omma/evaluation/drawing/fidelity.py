"""How near painted pictures are to real ones: picture by picture (PSNR, SSIM), and as distributions (FID, KID).

Distributions are compared by the features of a network that the caller chooses and has to name: numbers of two networks, or of
two numbers of pictures, are not to be compared, and none of them are those of the Inception network of published tables.

Shapes: N pictures, D features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from scipy import linalg

from omma.errors import BadInput

PEAK = 255.0
SUBSETS, SUBSET = 100, 1000
"""KID's mean is over so many subsets of so many pictures (arXiv 1801.01401, section 4)."""


def psnr(painted: Image.Image, real: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB of two RGB pictures of eight bits a channel; infinite for equal ones.

    Raises:
        BadInput: for pictures of two sizes.
    """
    one, other = _both(painted, real)
    error = float(np.mean((one - other) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(PEAK**2 / error))


def ssim(painted: Image.Image, real: Image.Image) -> float:
    """Structural similarity (Wang et al. 2004) of two RGB pictures: Gaussian windows of 11 pixels and deviation 1.5, mean over
    channels.

    Raises:
        BadInput: for pictures of two sizes, or smaller than the window; if scikit-image is not installed.
    """
    one, other = _both(painted, real)
    if min(one.shape[:2]) < 11:
        found = f"{real.width} x {real.height}"
        raise BadInput("SSIM", expected="pictures of at least 11 x 11 pixels", found=found, remedy="use PSNR")
    similarity = _scikit_image_metrics().structural_similarity
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(similarity(one, other, channel_axis=2, data_range=PEAK, **settings))


def frechet_distance(painted_ND: np.ndarray, real_ND: np.ndarray) -> float:
    """Fréchet distance of normal distributions with the features' means and covariances (FID: arXiv 1706.08500, section 5).

    Biased for few pictures: 2,000 or more on both sides for 64 features, and the same number wherever distances are compared.

    Raises:
        BadInput: for fewer than two pictures on a side, or features that are not finite.
    """
    one, other = _features(painted_ND), _features(real_ND)
    apart = one.mean(0) - other.mean(0)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    # The root of a product of two covariances has the trace of that of a symmetric matrix, whose eigenvalues are real.
    root = _root(np.atleast_2d(first))
    middle = linalg.eigvalsh(root @ np.atleast_2d(second) @ root)
    traces = np.trace(np.atleast_2d(first)) + np.trace(np.atleast_2d(second))
    return max(0.0, float(apart @ apart + traces - 2 * np.sqrt(np.clip(middle, 0, None)).sum()))


def kernel_distance(painted_ND: np.ndarray, real_ND: np.ndarray, *, seed: int = 0) -> float:
    """Squared maximum mean discrepancy with the kernel (x y / D + 1)^3, unbiased (KID: arXiv 1801.01401, section 4).

    The mean over `SUBSETS` subsets of `SUBSET` pictures, or of all where there are fewer.

    Raises:
        BadInput: as `frechet_distance`.
    """
    one, other = _features(painted_ND), _features(real_ND)
    size = min(SUBSET, len(one), len(other))
    rng = np.random.default_rng(seed)
    count = SUBSETS if size < max(len(one), len(other)) else 1
    drawn = [(one[rng.permutation(len(one))[:size]], other[rng.permutation(len(other))[:size]]) for _ in range(count)]
    return float(np.mean([_discrepancy(a, b) for a, b in drawn]))


def _discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    size, width = one.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / width + 1) ** 3  # type: ignore[no-any-return]

    within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (kernel(one, one), kernel(other, other)))
    return float(within - 2 * kernel(one, other).mean())


def _both(painted: Image.Image, real: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    if painted.size != real.size:
        raise BadInput(
            "painted picture",
            expected=f"one of the real one's size, {real.width} x {real.height}",
            found=f"{painted.width} x {painted.height}",
            remedy="resize one of them",
        )
    one, other = (np.asarray(picture.convert("RGB"), dtype=np.float64) for picture in (painted, real))
    return one, other


def _features(found: np.ndarray) -> np.ndarray:
    found = np.asarray(found, dtype=np.float64)
    if found.ndim != 2 or len(found) < 2 or not np.isfinite(found).all():
        what = "features that are not finite" if found.ndim == 2 and len(found) > 1 else f"an array of shape {found.shape}"
        raise BadInput(
            "features of pictures", expected="finite numbers [pictures, features] of two or more pictures", found=what,
            remedy="check the network that they are of",
        )  # fmt: skip
    return found


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T  # type: ignore[no-any-return]


def _scikit_image_metrics() -> Any:
    try:
        from skimage import metrics
    except ImportError as error:
        raise BadInput("SSIM", expected="the package scikit-image", found=str(error), remedy="pip install 'omma[draw]'") from None
    return metrics
