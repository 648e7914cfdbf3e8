"""Random crops: inside the picture, of the share that was asked for, and the same whenever chance is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from omma.objectives.crops import WIDEST, _with_hue_turned, chance_of, distorted, plan_of_crops, random_region
from omma.parts.resolution.base import cut

SIDES = st.integers(1, 400)


@given(SIDES, SIDES, st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 10**6))
def test_a_region_is_inside(width: int, height: int, a: float, b: float, seed: int) -> None:
    left, top, right, bottom = random_region((width, height), (min(a, b), max(a, b)), chance_of(str(seed)))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(0, 10**6))
def test_a_region_has_its_share_and_shape(a: float, b: float, seed: int) -> None:
    scale = min(a, b), max(a, b)
    left, top, right, bottom = random_region((1000, 1000), scale, chance_of(str(seed)))
    width, height = right - left, bottom - top
    # Sides are rounded; the largest rectangle in the middle is the answer where nothing fits.
    assert width * height >= scale[0] * 1000**2 * 0.99 - 2000
    assert width * height <= scale[1] * 1000**2 + 2000 or (width, height) == (1000, 1000)
    assert max(width / height, height / width) <= WIDEST * 1.02


def test_all_places_shares_and_shapes_occur() -> None:
    regions = np.array([random_region((1000, 1000), (0.2, 1.0), chance_of(f"s/{i}/0")) for i in range(2000)])
    width, height = regions[:, 2] - regions[:, 0], regions[:, 3] - regions[:, 1]
    share = width * height / 1000**2
    assert share.min() < 0.22 and share.max() > 0.95
    assert 0.2 < (share < 0.4).mean() < 0.35, "nearly evenly: the largest ones seldom fit at once"
    assert (width / height).min() < 0.77 and (width / height).max() > 1.3
    assert abs(np.log(width / height).mean()) < 0.02
    small = share < 0.3
    assert regions[small, 0].min() < 30 and regions[small, 2].max() > 970


def test_a_thin_picture_is_cut_in_its_middle() -> None:
    assert random_region((900, 30), (0.5, 1.0), chance_of("any")) == (430, 0, 470, 30)


def test_crops_are_plans() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    views = cut(picture, plan_of_crops(picture.size, [(0, 0, 60, 40), (10, 5, 30, 25)], [16, 8]))
    assert views[0].tobytes() == picture.resize((16, 16), Image.Resampling.BICUBIC).tobytes()
    assert views[1].tobytes() == picture.crop((10, 5, 30, 25)).resize((8, 8), Image.Resampling.BICUBIC).tobytes()


def test_chance_follows_from_the_text_alone() -> None:
    assert chance_of("a/0/0").random(3).tolist() == chance_of("a/0/0").random(3).tolist()
    assert chance_of("a/0/0").random() != chance_of("a/1/0").random()
    assert chance_of("a/0/0").random() == 0.6907295091056597, "the same on every machine"


@pytest.mark.parametrize(("blur", "solarize"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_distortions_change_colours_and_nothing_else(blur: float, solarize: float) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    made = [distorted(picture, chance_of(str(i)), blur=blur, solarize=solarize) for i in range(60)]
    again = [distorted(picture, chance_of(str(i)), blur=blur, solarize=solarize) for i in range(60)]
    assert [m.tobytes() for m in made] == [m.tobytes() for m in again]
    assert {(m.size, m.mode) for m in made} == {((16, 16), "RGB")}
    assert len({m.tobytes() for m in made}) > 45
    unchanged = sum(m.tobytes() == picture.tobytes() for m in made)
    assert (unchanged > 0) == (blur + solarize == 0), "a sixth of the pictures keep their colours"
    gray = sum((np.ptp(np.asarray(m), axis=2) == 0).all() for m in made)
    assert 4 <= gray <= 22


def test_hues_turn_and_lightness_stays() -> None:
    red = Image.new("RGB", (2, 2), (200, 20, 20))
    turned = np.asarray(_with_hue_turned(red, 1 / 3))[0, 0]
    assert turned[1] > 150 and turned[0] < 60 and turned[2] < 60
    assert np.abs(np.asarray(_with_hue_turned(red, 0.0), dtype=int) - np.asarray(red, dtype=int)).max() <= 4
