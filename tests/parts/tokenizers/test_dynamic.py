"""Dynamic tokens: what is read, alone as beside others, what codes tell the painting network, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.pixels import normalize
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.base import NO_CODE
from omma.parts.tokenizers.dynamic import Dynamic
from omma.parts.tokenizers.merging import kept
from toy_drawing import DYNAMIC

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")


def built(**config: Any) -> Dynamic:
    """One that keeps different numbers of features of different pictures."""
    torch.manual_seed(0)
    made: Dynamic = IMAGE_TOKENIZERS.parse({**DYNAMIC, **config}, where="tokenizer").build().eval()
    with torch.no_grad():
        for part in (made.selector, made.merger, made.narrow, made.rebuilder):
            for parameter in part.parameters():
                parameter.normal_(0, 0.2)
        # Of these pictures about half of the features.
        chances = made.selector(features_of(made, views()))
        made.selector.judge[-2].bias[1] += (chances[..., 0] - chances[..., 1]).median()  # type: ignore[operator, union-attr]
    return made


def views(count: int = 5, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def features_of(tokenizer: Dynamic, shown: Tensor) -> Tensor:
    return tokenizer.features(normalize(shown, *tokenizer.normalization))


@torch.no_grad()
def test_codes_are_of_what_is_kept_in_order() -> None:
    tokenizer = built()
    found = tokenizer.read(views())
    assert found.shape == (5, 16) and tokenizer.length((16, 16)) == 16 and tokenizer.varies
    features = features_of(tokenizer, views())
    mask = kept(tokenizer.selector(features)) > 0.5
    counts = (found != NO_CODE).sum(1)
    assert counts.tolist() == mask.sum(1).tolist() and len(set(counts.tolist())) > 1
    # By the way that is learned in: all features there, masked.
    book = tokenizer.quantizer.book()
    for number, count in enumerate(counts.tolist()):
        whole = tokenizer.narrow(tokenizer.merger(features[number : number + 1], mask[number : number + 1].float()))
        vectors = torch.nn.functional.normalize(whole[0][mask[number]], dim=1)
        assert found[number, :count].tolist() == (vectors @ book.T).argmax(1).tolist()
        assert (found[number, count:] == NO_CODE).all()
        assert torch.equal(tokenizer.read(views()[number : number + 1])[0], found[number])


@torch.no_grad()
def test_what_stands_behind_the_last_code_is_nothing() -> None:
    tokenizer = built()
    read = tokenizer.read(views())
    count = int((read[0] != NO_CODE).sum())
    told = tokenizer.told(read)
    assert told.shape == (5, 16, 32) and tokenizer.width == 32
    torch.testing.assert_close(tokenizer.told(read[:1, :count]), told[:1], atol=1e-5, rtol=1e-5)
    painted = tokenizer.paint(read, (16, 16), range(5))
    assert painted.shape == (5, 16, 16, 3) and painted.dtype == torch.uint8
    alone = tokenizer.paint(read[:1, :count], (16, 16), [0])
    assert (alone[0].int() - painted[0].int()).abs().max() <= 1
    # The order of codes matters, and each of them.
    turned = read[:1, :count].flip(1)
    assert (tokenizer.told(turned) - told[:1]).abs().max() > 1e-3


@torch.no_grad()
def test_a_picture_that_nothing_is_kept_of_keeps_one() -> None:
    tokenizer = built()
    tokenizer.selector.judge[-2].bias[0] -= 99  # type: ignore[operator, union-attr]
    assert (tokenizer.read(views()) != NO_CODE).sum(1).tolist() == [1] * 5
    tokenizer.selector.judge[-2].bias[0] += 198  # type: ignore[operator, union-attr]
    assert (tokenizer.read(views()) != NO_CODE).sum(1).tolist() == [16] * 5


def test_the_network_learns_what_it_is_told_and_nothing_before_that_does() -> None:
    tokenizer = built().train()
    losses = tokenizer.denoising_losses(tokenizer.whole(views()), tokenizer.told(tokenizer.read(views())), range(5))
    losses.sum().backward()
    learned = {name.split(".")[0] for name, parameter in tokenizer.named_parameters() if parameter.grad is not None}
    assert learned == {"network", "tell"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"heads": 3}, r"heads: expected heads that divide the encoder's 32 channels, which are a multiple of 4, found 3"),
        ({"quantizer": {"type": "lfq", "width": 6, "group": 6}}, r"quantizer: expected one of type vq, .* found lfq"),
    ],
)
def test_what_does_not_fit_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(**config)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match=r"features: expected the number of features of a picture of 24 x 24 pixels, 36, found 16"):
        built().read(torch.zeros(1, 24, 24, 3, dtype=torch.uint8))
