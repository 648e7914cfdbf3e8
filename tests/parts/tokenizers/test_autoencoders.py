"""Autoencoders: published sizes, diffusers' numbers, sizes that fit, and weights of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from omma.errors import BadInput
from omma.parts.tokenizers import IMAGE_TOKENIZERS, Autoencoder
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.kl import KlAutoencoder
from omma.parts.tokenizers.saved import save_image_tokenizer

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

VQ_16 = {
    "type": "quantized-autoencoder",
    "network": {"type": "convolutional", "width": 256, "multipliers": [1, 1, 2, 2, 4]},
    "quantizer": {"type": "vq", "codes": 16384, "width": 8, "unit": True, "decay": None},
}
VAR = {
    "type": "quantized-autoencoder",
    "network": {"type": "convolutional", "width": 32, "channels": 160, "multipliers": [1, 1, 2, 2, 4]},
    "quantizer": {"type": "multi-scale"},
    "bridge": 3,
}
SD = {"type": "kl-autoencoder", "network": {"type": "convolutional", "width": 4, "multipliers": [1, 2, 4, 4], "attention": False}}

SMALL = {"type": "convolutional", "width": 8, "channels": 8, "multipliers": [1, 2], "blocks": 1, "groups": 4}
TOYS: dict[str, dict[str, Any]] = {
    "vq": {"type": "quantized-autoencoder", "network": SMALL, "quantizer": {"type": "vq", "codes": 16, "width": 4}},
    "lfq": {"type": "quantized-autoencoder", "network": SMALL, "quantizer": {"type": "lfq", "width": 8, "group": 4}, "bridge": None},
    "multi-scale": {
        "type": "quantized-autoencoder",
        "network": SMALL,
        "quantizer": {"type": "multi-scale", "codes": 16, "width": 4, "scales": [1, 2, 4], "convolutions": 2},
        "bridge": 3,
    },
    "kl": {"type": "kl-autoencoder", "network": SMALL},
}
toys = pytest.mark.parametrize("kind", TOYS)


def built(data: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return IMAGE_TOKENIZERS.parse(data, where="image tokenizer").build(load_weights=True)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_as_published() -> None:
    with torch.device("meta"):
        vq, var, sd = built(VQ_16), built(VAR), built(SD)
    assert count(vq) == 71_883_403
    assert count(var) == 108_948_355
    assert (count(var.network.encoder), count(var.network.decoder)) == (44_107_872, 64_653_923)
    assert count(sd) == 83_653_863
    assert vq.length((256, 256)) == 256 and vq.length((384, 384)) == 576 and var.length((256, 256)) == 680


def copied(theirs: nn.Module, ours: nn.Module, names: dict[str, str]) -> None:
    """diffusers' random weights in our tokenizer."""
    renamed = {}
    for name, tensor in theirs.state_dict().items():
        old = next(old for old in names if name.startswith(old))
        renamed[name.replace(old, names[old], 1)] = tensor
    ours.load_state_dict(renamed)


BLOCKS: dict[str, Any] = {
    "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
}  # fmt: skip


def test_vq_as_diffusers_has_it() -> None:
    torch.manual_seed(1)
    theirs = diffusers.VQModel(**BLOCKS, latent_channels=8, vq_embed_dim=4, num_vq_embeddings=16).eval()
    theirs.quantize.embedding.weight.data.normal_()
    ours = built(TOYS["vq"] | {"quantizer": {"type": "vq", "codes": 16, "width": 4, "decay": None}}).eval()
    names = {
        "encoder.": "network.encoder.", "decoder.": "network.decoder.", "quant_conv.": "narrow.", "post_quant_conv.": "widen.",
        "quantize.embedding.weight": "quantizer.codebook",
    }  # fmt: skip
    copied(theirs, ours, names)
    pixels = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        latents = theirs.encode(pixels).latents
        encoded = ours.encode(pixels)
        torch.testing.assert_close(ours.vectors(pixels), latents, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.decode(encoded.vectors), theirs.decode(latents).sample, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.decode(ours.lookup(encoded.codes, (8, 12))), theirs.decode(latents).sample, atol=1e-5, rtol=1e-5)


def test_kl_as_diffusers_has_it() -> None:
    torch.manual_seed(1)
    theirs = diffusers.AutoencoderKL(**BLOCKS, latent_channels=8).eval()
    ours = built(TOYS["kl"]).eval()
    names = {"encoder.": "network.encoder.", "decoder.": "network.decoder.", "quant_conv.": "narrow.", "post_quant_conv.": "widen."}
    copied(theirs, ours, names)
    pixels = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        distribution = theirs.encode(pixels).latent_dist
        encoded = ours.encode(pixels)
        torch.testing.assert_close(encoded.vectors, distribution.mode(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(encoded.losses["kl"], 1e-6 * distribution.kl().mean())
        torch.testing.assert_close(ours.decode(encoded.vectors), theirs.decode(distribution.mode()).sample, atol=1e-5, rtol=1e-5)
        ours.train()
        drawn = torch.stack([ours.encode(pixels).vectors for _ in range(300)])
        torch.testing.assert_close(drawn.std(0).mean(), distribution.std.mean(), rtol=0.05, atol=0)


@toys
def test_pixels_there_and_back(kind: str) -> None:
    tokenizer: Autoencoder = built(TOYS[kind]).eval()
    pixels = torch.rand(2, 3, 8, 8) * 2 - 1
    encoded = tokenizer.encode(pixels)
    painted = tokenizer.decode(encoded.vectors)
    assert painted.shape == pixels.shape and tokenizer.grid((8, 8)) == (4, 4)
    if kind == "kl":
        assert encoded.codes is None and tokenizer.vocabulary == 0
    else:
        assert encoded.codes is not None and encoded.codes.shape == (2, tokenizer.length((8, 8)))
        assert torch.equal(tokenizer.codes(pixels), encoded.codes)
        torch.testing.assert_close(tokenizer.lookup(encoded.codes, (4, 4)), encoded.vectors)
    (gradient,) = torch.autograd.grad(painted.square().sum(), tokenizer.last_layer)
    assert gradient.abs().max() > 0


@toys
def test_every_weight_learns_from_pixels_and_losses(kind: str) -> None:
    tokenizer: Autoencoder = built(TOYS[kind]).train()
    encoded = tokenizer.encode(torch.rand(2, 3, 8, 8) * 2 - 1)
    (tokenizer.decode(encoded.vectors).square().mean() + sum(encoded.losses.values())).backward()
    for name, parameter in tokenizer.named_parameters():
        assert (parameter.grad is not None) is parameter.requires_grad, name


@toys
def test_weights_from_a_file(kind: str, tmp_path: Path) -> None:
    tokenizer = built(TOYS[kind])
    with torch.no_grad():
        for parameter in tokenizer.parameters():
            parameter.add_(0.123)
    save_image_tokenizer(tokenizer, tmp_path, dtype=torch.float32)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved == {"model_type": "omma_image_tokenizer", "image_tokenizer": tokenizer.config.to_dict()}
    again = built(saved["image_tokenizer"] | {"weights": str(tmp_path)})
    for name, tensor in tokenizer.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    with pytest.raises(BadInput, match=r"expected network\..* of shape"):
        wider = TOYS[kind]["network"] | {"channels": 16}
        built(TOYS[kind] | {"network": wider, "weights": str(tmp_path)})
    # In bf16 all but what codes are compared with.
    save_image_tokenizer(tokenizer, tmp_path, dtype=torch.bfloat16)
    for name, tensor in load_file(tmp_path / "image_tokenizer.safetensors").items():
        assert tensor.dtype == (torch.float32 if name.startswith("image_tokenizer.quantizer.") else torch.bfloat16)
    (tmp_path / "image_tokenizer.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"image_tokenizer.safetensors: expected the weights of an image tokenizer"):
        built(TOYS[kind] | {"weights": str(tmp_path)})
    with pytest.raises(BadInput, match=r"image tokenizer.weights: expected a directory with a config.json, found \./nowhere"):
        built(TOYS[kind] | {"weights": "./nowhere"})


@pytest.mark.parametrize("network", [SMALL, {"type": "causal", "width": 4, "channels": 8, "multipliers": [1, 2], "blocks": 1, "groups": 4}])
def test_an_encoder_alone_reads_what_the_whole_reads(network: dict[str, Any]) -> None:
    bridge = None if network["type"] == "causal" else 1
    settings = {"network": network, "quantizer": {"type": "vq", "codes": 16, "width": 4, "decay": None}, "bridge": bridge}
    whole, half = (built({"type": kind} | settings).eval() for kind in ("quantized-autoencoder", "quantized-encoder"))
    half.load_state_dict({name: whole.state_dict()[name] for name in half.state_dict()})
    pixels = torch.rand(2, 3, 8, 8) * 2 - 1
    assert torch.equal(half.codes(pixels), whole.codes(pixels))
    assert count(half) + count(whole.widen) + sum(count(getattr(whole.network, name)) for name in whole.network.painting) == count(whole)
    assert not isinstance(half, Autoencoder)


def test_bad_sizes_and_widths_are_refused() -> None:
    tokenizer: QuantizedAutoencoder = built(TOYS["vq"])
    with pytest.raises(BadInput, match=r"pictures: expected sides that are multiples of 2 pixels, found 9 x 8"):
        tokenizer.codes(torch.zeros(1, 3, 8, 9))
    kl: KlAutoencoder = built(TOYS["kl"])
    with pytest.raises(BadInput, match="multiples of 2 pixels"):
        kl.grid((7, 8))
    with pytest.raises(BadInput, match=r"a network of width 8 and a quantizer of width 4, found none"):
        built(TOYS["vq"] | {"bridge": None})
    with pytest.raises(BadInput, match=r"divides the channels of every level, 8, 16, found 3"):
        built(TOYS["vq"] | {"network": SMALL | {"groups": 3}})
    with pytest.raises(BadInput, match=r"as the last scale has, found 8 x 8"):
        built(TOYS["multi-scale"]).codes(torch.zeros(1, 3, 16, 16))
