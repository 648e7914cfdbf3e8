"""Pictures while they are drawn: what every step shows, in every way to draw, and that the last one is the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from omma.data.sample import user
from omma.model.emerging import UNSETTLED, as_it_stands, emerging
from omma.parts.painters.base import Sampling
from omma.parts.pixels import denormalize
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.base import NO_CODE
from toy_drawing import EMBEDDINGS, ONE_BOOK, SCALES, WAYS, drawer_of, drawing_model

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

ASKED = [(user("draw a star"),), (user("draw two rings"),), (user("draw a blue heart"),)]
STEPS = {
    "next-scale": [("drawing", done, 85) for done in (1, 5, 21, 85)],
    "raster": [("drawing", done, 64) for done in range(1, 65)],
    # What is left is the cosine's, of rounds that are over.
    "masked": [("drawing", 64 - left, 64) for left in (55, 32, 0)],
    "regression": [*(("drawing", done, 4) for done in range(1, 5)), ("painting", 1, 2), ("painting", 2, 2)],
    "queries": [("drawing", 1, 1), ("painting", 1, 2), ("painting", 2, 2)],
}


@pytest.mark.parametrize("way", STEPS)
def test_every_step_is_told_and_the_last_one_is_the_picture(way: str) -> None:
    drawer = drawer_of(drawing_model(way))
    drawer.batch = 2
    settings = {"seeds": [1, 2, 3], "sampling": Sampling(guidance=1.0)}
    stands = list(emerging(drawer, ASKED, **settings))  # type: ignore[arg-type]
    for first, count in ((0, 2), (2, 1)):
        batch = [stand for stand in stands if stand.first == first]
        assert [(stand.doing, stand.done, stand.total) for stand in batch] == STEPS[way]
        assert all(stand.count == count for stand in batch)
        seen = [stand.views().numpy() for stand in batch if stand.views is not None]
        assert len(seen) == sum(doing == "painting" for doing, *_ in STEPS[way]) or len(seen) == len(batch)
        pictures = drawer.draw(ASKED, **settings)[first : first + count]  # type: ignore[arg-type]
        assert np.array_equal(seen[-1], np.stack([np.asarray(picture) for picture in pictures]))
        assert not np.array_equal(seen[0], seen[-1])


def test_scales_are_named() -> None:
    *_, last = emerging(drawer_of(drawing_model("next-scale")), ASKED[:1], seeds=[0])
    assert last.words == "scale 4 of 4, 8 x 8: 85 of 85 codes"


def tokenizer(config: dict[str, object]) -> QuantizedAutoencoder:
    torch.manual_seed(0)
    made = IMAGE_TOKENIZERS.parse(config, where="test").build().eval()
    assert isinstance(made, QuantizedAutoencoder)
    return made


def test_what_is_not_settled_is_grey_and_says_nothing() -> None:
    made = tokenizer(ONE_BOOK)
    codes = torch.randint(0, 16, (1, 64), generator=torch.Generator().manual_seed(0))
    some = codes.masked_fill(torch.arange(64) % 5 > 0, NO_CODE)
    seen = as_it_stands(made, some, (16, 16))[0]
    grey = (seen == UNSETTLED).all(2).view(8, 2, 8, 2).movedim(2, 1).flatten(2).all(2).flatten()
    assert torch.equal(grey, some[0] == NO_CODE)
    # A beginning is a picture whose end is not settled.
    beginning = torch.cat([codes[:, :20], torch.full((1, 44), NO_CODE)], dim=1)
    assert torch.equal(as_it_stands(made, codes[:, :20], (16, 16)), as_it_stands(made, beginning, (16, 16)))
    assert (as_it_stands(made, torch.full((1, 64), NO_CODE), (16, 16)) == UNSETTLED).all()
    assert torch.equal(as_it_stands(made, codes, (16, 16)), made.paint(codes, (16, 16), [0]))


def test_codes_that_are_not_known_have_no_part_in_what_is_painted() -> None:
    made = tokenizer(ONE_BOOK)
    codes = torch.randint(1, 16, (1, 64), generator=torch.Generator().manual_seed(0))
    some = codes.masked_fill(torch.arange(64) % 3 > 0, NO_CODE)
    before = as_it_stands(made, some, (16, 16))
    with torch.no_grad():
        # Code 0 is not among them.
        for tensor in made.quantizer.state_dict().values():
            if tensor.shape == (16, 4):
                tensor[0] = 100
    assert torch.equal(as_it_stands(made, some, (16, 16)), before)
    assert not torch.equal(as_it_stands(made, codes.masked_fill(some == NO_CODE, 0), (16, 16)), before)


def test_of_scales_the_first_ones_alone_are_painted() -> None:
    made = tokenizer(SCALES)
    codes = torch.randint(0, 16, (2, 85), generator=torch.Generator().manual_seed(0))
    assert isinstance(made.quantizer, MultiScale)
    for end, vectors in zip((1, 5, 21, 85), made.quantizer.scale_by_scale(codes), strict=True):
        painted = denormalize(made.decode(vectors), *made.normalization)
        assert torch.equal(as_it_stands(made, codes[:, :end], (16, 16)), painted), end
    assert torch.equal(as_it_stands(made, codes, (16, 16)), made.paint(codes, (16, 16), [0, 0]))


def test_all_ways_to_draw_are_tried() -> None:
    assert set(STEPS) <= set(WAYS | EMBEDDINGS)
