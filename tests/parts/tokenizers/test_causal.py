"""MAGVIT-v2's network: published sizes, frames that see none that come later, pictures as the first frames of clips."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from omma.errors import BadInput
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.causal import Causal, Upsampler

LFQ = {"type": "lfq", "width": 18}
SMALL: dict[str, Any] = {"type": "causal", "width": 6, "channels": 8, "multipliers": [1, 2, 2], "blocks": 1, "groups": 4}


def tokenizer(network: dict[str, Any], quantizer: dict[str, Any]) -> QuantizedAutoencoder:
    torch.manual_seed(0)
    data = {"type": "quantized-autoencoder", "network": network, "quantizer": quantizer, "bridge": None}
    built: QuantizedAutoencoder = IMAGE_TOKENIZERS.parse(data, where="image tokenizer").build()
    return built


def small(temporal: int | None) -> QuantizedAutoencoder:
    return tokenizer(SMALL | {"temporal": temporal}, {"type": "lfq", "width": 6, "group": 3})


def halves(network: Causal) -> tuple[int, int]:
    """Parameters of the encoder, and of the decoder."""
    of_encoder = sum(parameter.numel() for parameter in network.encoder.parameters())
    return of_encoder, sum(parameter.numel() for parameter in network.parameters()) - of_encoder


@pytest.mark.parametrize(
    ("fields", "encoder", "decoder"),
    [
        ({}, 49_751_442, 65_376_387),
        ({"multipliers": (1, 2, 2, 4)}, 48_422_162, 63_599_491),
        ({"multipliers": (1, 2, 2, 4), "temporal": 2}, 144_865_298, 225_682_051),
    ],
)
def test_sizes_of_open_magvit2(fields: dict[str, Any], encoder: int, decoder: int) -> None:
    with torch.device("meta"):
        assert halves(Causal.Config(**fields).build()) == (encoder, decoder)


def test_seventeen_frames_of_128_become_five_of_16() -> None:
    network: Causal = Causal.Config(multipliers=(1, 2, 2, 4), temporal=2, channels=8, groups=4, blocks=1).build()
    assert network.grid((17, 128, 128)) == (5, 16, 16) and network.grid((128, 128)) == (16, 16)
    latents = network.encode(torch.zeros(1, 3, 17, 32, 32))
    assert latents.shape == (1, 18, 5, 4, 4) and network.decode(latents).shape == (1, 3, 17, 32, 32)


def test_no_frame_tells_of_later_ones() -> None:
    """Perturbing frames from some place on changes no latent before it. (Group norms are set aside: they see all frames.)"""
    network: Causal = small(2).network  # type: ignore[assignment]
    without_norms(network)
    clip = torch.randn(1, 3, 9, 8, 8)
    other = clip.clone()
    other[:, :, 5:] += torch.randn(1, 3, 4, 8, 8)
    with torch.no_grad():
        before, after = network.encode(clip), network.encode(other)
    # Latents 0, 1, 2 end with frames 0, 4, 8.
    torch.testing.assert_close(after[:, :, :2], before[:, :, :2])
    assert (after[:, :, 2] - before[:, :, 2]).abs().max() > 1e-4


def without_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, nn.Identity())
        else:
            without_norms(child)


@pytest.mark.parametrize("temporal", [None, 0, 1, 2])
def test_pictures_there_and_back_also_as_first_frames(temporal: int | None) -> None:
    found = small(temporal).eval()
    pixels = torch.rand(2, 3, 8, 12) * 2 - 1
    encoded = found.encode(pixels)
    assert encoded.vectors.shape == (2, 6, 2, 3) and encoded.codes is not None and encoded.codes.shape == (2, found.length((12, 8)))
    assert found.decode(found.lookup(encoded.codes, (2, 3))).shape == pixels.shape
    if temporal is None:
        return
    without_norms(found)
    step = 1 << temporal
    clip = torch.cat([pixels[:, :, None], torch.randn(2, 3, 2 * step, 8, 12)], dim=2)
    with torch.no_grad():
        latents = found.vectors(clip)
        assert latents.shape == (2, 6, 3, 2, 3)
        torch.testing.assert_close(latents[:, :, 0], found.vectors(pixels))
        codes = found.encode(clip).codes
        assert codes is not None and codes.shape == (2, 18)
        assert found.decode(found.quantizer.lookup(codes, (3, 2, 3))).shape == clip.shape


def test_upsampling_weaves_channels_into_places_and_keeps_one_first_frame() -> None:
    plain = Upsampler(2, 4, (2, 2))
    x = torch.randn(1, 4, 3, 5)
    # torch's pixel_shuffle has the channels of one output together; here those of one place are.
    expected = plain.conv(x).unflatten(1, (2, 2, 4)).permute(0, 3, 1, 2, 4, 5).flatten(1, 3)
    torch.testing.assert_close(plain(x), nn.functional.pixel_shuffle(expected, 2))
    frames = Upsampler(3, 4, (2, 2, 2))(torch.randn(1, 4, 3, 2, 2))
    assert frames.shape == (1, 4, 5, 4, 4)


def test_continuous_vectors_of_pictures() -> None:
    torch.manual_seed(0)
    kl = IMAGE_TOKENIZERS.parse({"type": "kl-autoencoder", "network": SMALL}, where="image tokenizer").build().eval()
    encoded = kl.encode(torch.rand(2, 3, 8, 8))
    assert encoded.vectors.shape == (2, 6, 2, 2) and kl.decode(encoded.vectors).shape == (2, 3, 8, 8)
    with pytest.raises(BadInput, match=r"one that reads pictures, found one for clips"):
        IMAGE_TOKENIZERS.parse({"type": "kl-autoencoder", "network": SMALL | {"temporal": 1}}, where="image tokenizer").build()
    with pytest.raises(BadInput, match=r"none for a network that reads clips.*found 1; set bridge to null"):
        data = {"type": "quantized-autoencoder", "network": SMALL | {"temporal": 1}, "quantizer": {"type": "lfq", "width": 6}}
        IMAGE_TOKENIZERS.parse(data, where="image tokenizer").build()


def test_every_weight_learns() -> None:
    found = small(1).train()
    clip = torch.rand(2, 3, 5, 8, 8)
    encoded = found.encode(clip)
    (found.decode(encoded.vectors).square().mean() + sum(encoded.losses.values())).backward()
    for name, parameter in found.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_bad_clips_and_sizes_are_refused() -> None:
    clips, pictures = small(2), small(None)
    with pytest.raises(BadInput, match=r"clips of at least 5 frames, one more than a multiple of 4, found 1 frame.*pictures one by one"):
        clips.vectors(torch.zeros(1, 3, 1, 8, 8))
    with pytest.raises(BadInput, match=r"one more than a multiple of 4, found 8 frames"):
        clips.vectors(torch.zeros(1, 3, 8, 8, 8))
    with pytest.raises(BadInput, match=r"clips: expected pictures, found 5 frames"):
        pictures.vectors(torch.zeros(1, 3, 5, 8, 8))
    with pytest.raises(BadInput, match=r"multiples of 4 pixels, found 10 x 8"):
        clips.vectors(torch.zeros(1, 3, 8, 10))
    with pytest.raises(BadInput, match="at most 2 levels with fewer frames"):
        small(3)
    with pytest.raises(BadInput, match="that 32 groups divide"):
        tokenizer(SMALL | {"groups": 32}, LFQ)
