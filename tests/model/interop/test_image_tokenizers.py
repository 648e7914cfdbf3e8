"""Image tokenizers of transformers and diffusers: the same codes, the same pictures, every weight of the published sizes in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    ChameleonConfig,
    ChameleonForConditionalGeneration,
    ChameleonVQVAE,
    ChameleonVQVAEConfig,
    Emu3VQVAE,
    Emu3VQVAEConfig,
    JanusConfig,
    JanusForConditionalGeneration,
    JanusVQVAE,
    JanusVQVAEConfig,
    LlamaConfig,
)

from omma.errors import BadInput
from omma.model.interop.image_tokenizers import LAYOUTS, VQ_MODEL, TokenizerLayout
from omma.model.interop.importing_tokenizers import import_image_tokenizer, is_image_tokenizer
from omma.model.interop.names import Names
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.autoencoder import QuantizedEncoder

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

AGREED = 1e-4
"""Largest difference of pixels in fp32."""
BLOCKS = {
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
    "block_out_channels": (32, 64),
    "latent_channels": 4,
    "num_vq_embeddings": 40,
}
SMALL = {"base_channels": 32, "channel_multiplier": [1, 2], "num_res_blocks": 2, "latent_channels": 8, "embed_dim": 4}


def janus(**changes: Any) -> JanusVQVAE:
    return JanusVQVAE(JanusVQVAEConfig(**SMALL | {"num_embeddings": 40, "num_patches": 8} | changes))


def chameleon(**changes: Any) -> ChameleonVQVAE:
    return ChameleonVQVAE(ChameleonVQVAEConfig(**SMALL | {"num_embeddings": 40, "resolution": 16} | changes))


def emu3(**changes: Any) -> Emu3VQVAE:
    settings = {"codebook_size": 40, "latent_channels": 4, "hidden_size": 64, "attn_resolutions": [1]}
    return Emu3VQVAE(Emu3VQVAEConfig(**SMALL | settings | changes))


def vq_model(**changes: Any) -> Any:
    return diffusers.VQModel(**BLOCKS | {"vq_embed_dim": 4} | changes)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], Path]:
    """A function that gives a model random weights that matter, and saves it."""

    def save(model: Any) -> Path:
        torch.manual_seed(2)
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if name.endswith("quantize.embedding.weight"):
                    tensor.copy_(torch.randn(tensor.shape))
                elif name.endswith(("encoder.conv_out.weight", "quant_conv.weight")):
                    tensor.mul_(8)
                elif name.endswith("running_var"):
                    tensor.uniform_(0.5, 2)
                elif tensor.is_floating_point() and tensor.ndim == 1:
                    tensor.add_(torch.randn(tensor.shape) * 0.1)
        model.eval().save_pretrained(tmp_path / "there")
        return tmp_path / "there"

    return save


def imported(directory: Path) -> Any:
    """What a directory holds as omma loads it, in eval mode."""
    import_image_tokenizer(directory, directory.parent / "here")
    data = json.loads((directory.parent / "here" / "config.json").read_text())["image_tokenizer"]
    return IMAGE_TOKENIZERS.parse(data | {"weights": str(directory.parent / "here")}, where="here").build(load_weights=True).eval()


def pictures(*shape: int) -> Tensor:
    return torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def several(codes: Tensor) -> bool:
    return len(codes.unique()) > 4


@pytest.mark.parametrize("changes", [{}, {"norm_type": "spatial"}, {"vq_embed_dim": 6, "norm_num_groups": 16}], ids=str)
def test_vq_model(saved: Any, changes: dict[str, Any]) -> None:
    theirs = vq_model(**changes)
    ours = imported(saved(theirs))
    pixels = pictures(16, 24)
    with torch.no_grad():
        latents = theirs.encode(pixels).latents
        codes = theirs.quantize(latents)[2][2].view(2, -1)
        assert torch.equal(ours.codes(pixels), codes) and several(codes)
        difference = ours.decode(ours.lookup(codes, (8, 12))) - theirs.decode(latents).sample
    assert difference.abs().max() < AGREED


@pytest.mark.parametrize("place", ["alone", "in a model"])
def test_janus(saved: Any, place: str) -> None:
    if place == "alone":
        model: Any = janus()
        theirs = model
    else:
        text = LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
        tower = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 4}
        settings = janus().config.to_dict() | {"projection_dim": 8, "image_token_embed_dim": 8}
        config = JanusConfig(text_config=text, vision_config=tower | {"projection_dim": 8}, vq_config=settings, image_token_id=1)
        model = JanusForConditionalGeneration(config)
        theirs = model.model.vqmodel
    directory = saved(model)
    # As in published ones, codes are of length 1.
    with torch.no_grad():
        theirs.quantize.embedding.weight.copy_(F.normalize(theirs.quantize.embedding.weight, dim=1))
    model.save_pretrained(directory)
    assert is_image_tokenizer(directory) is (place == "alone")
    ours = imported(directory)
    pixels = pictures(16, 16)
    with torch.no_grad():
        codes = theirs.encode(pixels).image_tokens.view(2, -1)
        assert torch.equal(ours.codes(pixels), codes) and several(codes)
        painted = ours.decode(ours.lookup(codes, (8, 8)))
        assert (painted - theirs.decode(codes)).abs().max() < AGREED
        assert (painted - theirs(pixels).decoded_pixel_values).abs().max() < AGREED


def test_codes_of_janus_are_compared_at_length_one(saved: Any) -> None:
    """Of any other length the authors' code looks up what it would not have chosen by distance."""
    theirs = janus()
    ours = imported(saved(theirs))
    pixels = pictures(16, 16)
    with torch.no_grad():
        vectors = theirs.quant_conv(theirs.encoder(pixels)).flatten(2).transpose(1, 2)
        nearest = (F.normalize(vectors, dim=2) @ F.normalize(theirs.quantize.embedding.weight, dim=1).T).argmax(2)
        assert torch.equal(ours.codes(pixels), nearest)
        assert (ours.decode(ours.lookup(nearest, (8, 8))) - theirs.decode(nearest)).abs().max() < AGREED


@pytest.mark.parametrize("attention", [None, [8]])
def test_chameleon_reads_and_does_not_paint(saved: Any, attention: list[int] | None) -> None:
    theirs = chameleon(attn_resolutions=attention)
    ours = imported(saved(theirs))
    assert type(ours) is QuantizedEncoder and not hasattr(ours.network, "decoder")
    pixels = pictures(16, 16)
    with torch.no_grad():
        codes = theirs.encode(pixels).image_tokens.view(2, -1)
    assert torch.equal(ours.codes(pixels), codes) and several(codes)
    assert ours.vocabulary == 40 and ours.length((16, 16)) == 64


@pytest.mark.parametrize("factor", [1, 4])
def test_emu3(saved: Any, factor: int) -> None:
    theirs = emu3(temporal_downsample_factor=factor)
    ours = imported(saved(theirs))
    pixels = pictures(16, 24)
    with torch.no_grad():
        codes = torch.stack(theirs.encode(pixels, torch.tensor([[16, 24]] * 2)).image_tokens)
        assert torch.equal(ours.codes(pixels), codes.flatten(1)) and several(codes)
        painted = ours.decode(ours.lookup(codes.flatten(1), (8, 12)))
        assert (painted - theirs.decode(codes)).abs().max() < AGREED


def test_clips_of_emu3(saved: Any) -> None:
    theirs = emu3()
    ours = imported(saved(theirs))
    clips = pictures(8, 16, 16)
    with torch.no_grad():
        codes = torch.stack(theirs.encode(clips.transpose(1, 2), torch.tensor([[16, 16]] * 2)).image_tokens)
        assert codes.shape == (2, 2, 8, 8) and torch.equal(ours.codes(clips), codes.flatten(1))
        painted = ours.decode(ours.lookup(codes.flatten(1), (2, 8, 8)))
        assert (painted - theirs.decode(codes).transpose(1, 2)).abs().max() < AGREED


def published_size(layout: TokenizerLayout, theirs: nn.Module) -> nn.Module:
    """Ours of their size, on the meta device; every weight of the one has its place in the other."""
    part = layout.described(theirs.config if isinstance(theirs.config, dict) else theirs.config.to_dict(), "here")
    config = IMAGE_TOKENIZERS.parse(part, where="here")
    with torch.device("meta"):
        ours: nn.Module = config.build()
    names = Names(*layout.pairs(config))
    shapes = layout.as_there({name: tuple(tensor.shape) for name, tensor in ours.state_dict().items()})
    used = {name: t for name, t in theirs.state_dict().items() if not (layout.unused and name.startswith(layout.unused))}
    assert {names.common(name): tuple(tensor.shape) for name, tensor in used.items()} == shapes
    assert {names.written(name) for name in shapes} == set(used)
    return ours


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_sizes() -> None:
    llamagen = BLOCKS | {
        "block_out_channels": (128, 128, 256, 256, 512), "layers_per_block": 2, "latent_channels": 256, "vq_embed_dim": 8,
        "num_vq_embeddings": 16384, "down_block_types": ("DownEncoderBlock2D",) * 4 + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 4,
    }  # fmt: skip
    with torch.device("meta"):
        there = {
            "janus": JanusVQVAE(JanusVQVAEConfig()), "chameleon": ChameleonVQVAE(ChameleonVQVAEConfig()),
            "emu3": Emu3VQVAE(Emu3VQVAEConfig()), "llamagen": vq_model(**llamagen),
        }  # fmt: skip
    assert count(published_size(LAYOUTS["janus_vqgan"], there["janus"])) == 71_883_403
    assert count(published_size(VQ_MODEL, there["llamagen"])) == 71_883_403
    assert count(published_size(LAYOUTS["emu3_vqgan"], there["emu3"])) == 270_740_287
    # Of Chameleon's, all but the layer that stands before the decoder that there is not.
    ours = published_size(LAYOUTS["chameleon_vqgan"], there["chameleon"])
    assert count(ours) + count(there["chameleon"].post_quant_conv) == 29_423_616


def test_out_of_chameleon(saved: Any) -> None:
    """A model whose language side is not read in still gives its image tokenizer."""
    config = ChameleonConfig(
        vq_config=chameleon().config.to_dict(), vocab_size=60, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, vocabulary_map={"<image>": 0},
    )  # fmt: skip
    theirs = ChameleonForConditionalGeneration(config)
    ours = imported(saved(theirs))
    with torch.no_grad():
        codes = theirs.model.vqmodel.encode(pictures(16, 16)).image_tokens.view(2, -1)
    assert torch.equal(ours.codes(pictures(16, 16)), codes)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (janus, {"double_latent": True}, r"double_latent: expected False, which omma's networks have, found True; a JanusVQVAE with"),
        (chameleon, {"attn_resolutions": [16]}, r"attn_resolutions: expected \[8\]"),
        (chameleon, {"attn_type": None}, r"config\.json: expected a configuration of ChameleonVQVAE"),
        (emu3, {"hidden_size": 32}, r"hidden_size: expected 64"),
        (emu3, {"temporal_downsample_factor": 3}, r"temporal_downsample_factor: expected 2"),
        (emu3, {"latent_channels": 8}, r"latent_channels: expected 4"),
        (janus, {"num_res_blocks": 9999}, r"config\.json: expected as many residual blocks as \d+ stored tensors .* found 9999 in each of 2"),
        (janus, {"base_channels": 64}, r"tensor decoder\.conv_in\.bias: expected the shape \[128\] that config\.json gives it, found \[64\]"),
        (vq_model, {"act_fn": "relu"}, r"act_fn: expected 'silu'"),
        (vq_model, {"block_out_channels": [32, 48]}, r"block_out_channels: expected \[32, 32\]"),
        (vq_model, {"block_out_channels": [0, 1]}, r"config\.json: expected a configuration of VQModel"),
        (janus, {"model_type": "llava"}, r"model_type: expected that of a model with an image tokenizer, janus, .* found 'llava'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(saved: Any, make: Any, changes: dict[str, Any], message: str) -> None:
    directory = saved(make())
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(BadInput, match=message):
        import_image_tokenizer(directory, directory.parent / "here")
    assert not (directory.parent / "here").exists()


def test_missing_and_unknown_weights_are_named(saved: Any) -> None:
    directory = saved(janus())
    file = directory / "model.safetensors"
    tensors = load_file(file)
    save_file({name: t for name, t in tensors.items() if name != "decoder.up.1.block.0.conv1.weight"}, file)
    with pytest.raises(BadInput, match=r"found without decoder\.up\.1\.block\.0\.conv1\.weight"):
        import_image_tokenizer(directory, directory.parent / "here")
    save_file(tensors | {"decoder.more": torch.zeros(1)}, file)
    with pytest.raises(BadInput, match=r"found more: decoder\.more"):
        import_image_tokenizer(directory, directory.parent / "here")
