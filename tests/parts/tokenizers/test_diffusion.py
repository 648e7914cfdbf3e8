"""Features and a diffusion network: what is read, an oracle that knows the noise, both kinds of prediction, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.pixels import normalize
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.diffuser import BETAS, HALF, TRAIN_STEPS
from omma.parts.tokenizers.diffusion import DiffusionTokenizer

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

ENCODER = {
    "type": "transformers",
    "architecture": {
        "model_type": "siglip_vision_model", "image_size": 16, "patch_size": 4, "hidden_size": 24, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "vision_use_head": False,
    },
    "cls": "none",
    "normalization": "half",
}  # fmt: skip
UNET = {
    "sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": [8, 16], "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 24, "attention_head_dim": 8, "norm_num_groups": 4,
}  # fmt: skip
LATENTS = {
    "type": "kl-autoencoder",
    "network": {"type": "convolutional", "width": 4, "channels": 8, "multipliers": [1, 2], "blocks": 1, "groups": 4},
}


def built(**config: Any) -> DiffusionTokenizer:
    torch.manual_seed(0)
    settings = {"type": "diffusion", "encoder": ENCODER, "pool": 2, "network": UNET, "steps": 5, **config}
    made: DiffusionTokenizer = IMAGE_TOKENIZERS.parse(settings, where="tokenizer").build()
    return made.eval()


def views(count: int = 2, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_vectors_are_means_of_squares_of_features() -> None:
    tokenizer, shown = built(), views()
    found = tokenizer.read(shown)
    assert found.shape == (2, 4, 24) and tokenizer.length((16, 16)) == 4 and tokenizer.width == 24
    with torch.no_grad():
        grid = tokenizer.encoder(normalize(shown, *HALF)).view(2, 4, 4, 24)
    torch.testing.assert_close(found[:, 1], grid[:, :2, 2:].flatten(1, 2).mean(1))
    torch.testing.assert_close(found[:, 2], grid[:, 2:, :2].flatten(1, 2).mean(1))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_who_knows_the_noise_paints_the_picture(
    prediction: str, steps: int, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any number of steps (DDIM), whichever of noise and velocity it says."""
    tokenizer, shown = built(prediction=prediction, steps=steps, guidance=guidance), views()
    whole = tokenizer.whole(shown)
    betas = torch.linspace(BETAS[0] ** 0.5, BETAS[1] ** 0.5, TRAIN_STEPS) ** 2
    kept = (1 - betas).cumprod(0)

    def oracle(noisy: Tensor, at: Tensor, vectors: Tensor) -> Tensor:
        share = kept[at].view(-1, 1, 1, 1)
        noise = (noisy - share.sqrt() * whole) / (1 - share).sqrt()
        return noise if prediction == "epsilon" else share.sqrt() * noise - (1 - share).sqrt() * whole

    monkeypatch.setattr(tokenizer, "denoise", oracle)
    painted = tokenizer.paint(tokenizer.read(shown), (16, 16), [1, 2])
    assert (painted.int() - shown.int()).abs().max() <= 1
    assert tokenizer.denoising_losses(whole, tokenizer.read(shown), [3, 4]).max() < 1e-6


def test_losses_count_steps_by_their_noise_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Min-SNR: min(ratio, bound) / ratio for noise, / (ratio + 1) for velocity."""
    for prediction in ("epsilon", "v_prediction"):
        tokenizer = built(prediction=prediction)
        whole, vectors, seeds = tokenizer.whole(views(6)), tokenizer.read(views(6)), list(range(6))
        at: list[Tensor] = []
        denoise = tokenizer.denoise

        def watched(noisy: Tensor, steps: Tensor, told: Tensor, at: Any = at, denoise: Any = denoise) -> Tensor:
            at.append(steps)
            return denoise(noisy, steps, told)

        monkeypatch.setattr(tokenizer, "denoise", watched)
        with torch.no_grad():
            plain = tokenizer.denoising_losses(whole, vectors, seeds)
            weighted = tokenizer.denoising_losses(whole, vectors, seeds, min_snr=5.0)
        assert torch.equal(at[0], at[1]) and len(set(at[0].tolist())) > 3
        kept = tokenizer.schedule().alphas_cumprod[at[0]]
        ratio = kept / (1 - kept)
        share = ratio.clamp(max=5) / (ratio if prediction == "epsilon" else ratio + 1)
        torch.testing.assert_close(weighted, plain * share)
        monkeypatch.undo()


def test_alone_as_beside_others_and_features_matter() -> None:
    tokenizer = built()
    vectors = tokenizer.read(views(3)) * 5
    together = tokenizer.paint(vectors, (16, 16), [1, 2, 3])
    assert together.shape == (3, 16, 16, 3) and together.dtype == torch.uint8
    assert (tokenizer.paint(vectors[1:2], (16, 16), [2])[0].int() - together[1].int()).abs().max() <= 1
    for vector, seed in ((vectors[:1], 2), (vectors[1:2], 7)):
        assert (tokenizer.paint(vector, (16, 16), [seed])[0].int() - together[1].int()).abs().max() > 1


def test_an_autoencoders_vectors_diffuse() -> None:
    tokenizer = built(latents=LATENTS, scaling=0.5, network={**UNET, "in_channels": 4, "out_channels": 4, "sample_size": 8})
    whole = tokenizer.whole(views())
    assert whole.shape == (2, 4, 8, 8)
    latents: Any = tokenizer.latents
    with torch.no_grad():
        torch.testing.assert_close(whole, latents.distribution(normalize(views(), *HALF)).mode() * 0.5)
    assert tokenizer.paint(tokenizer.read(views()), (16, 16), [0, 1]).shape == (2, 16, 16, 3)


def test_stable_diffusion_xl_is_told_the_mean_and_the_sizes() -> None:
    network = {
        **UNET, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 24 + 6 * 8,
    }  # fmt: skip
    tokenizer = built(network=network)
    seen: dict[str, Tensor] = {}
    tokenizer.network.register_forward_pre_hook(lambda m, a, k: seen.update(k["added_cond_kwargs"]), with_kwargs=True)
    vectors = tokenizer.read(views())
    tokenizer.denoise(tokenizer.whole(views()), torch.tensor([3, 3]), vectors)
    torch.testing.assert_close(seen["text_embeds"], vectors.mean(1))
    assert seen["time_ids"].tolist() == [[16, 16, 0, 0, 16, 16]] * 2


def test_what_is_painted_may_have_another_size() -> None:
    tokenizer = built(side=8, network={**UNET, "sample_size": 8})
    shown = torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)
    assert tokenizer.whole(shown).shape == (1, 3, 8, 8) and tokenizer.whole(shown).min() == 1
    assert tokenizer.paint(tokenizer.read(shown), (16, 16), [0]).shape == (1, 8, 8, 3)


@pytest.mark.parametrize(("condition", "published"), [(2048, 2_567_463_684), (1792, 2_525_520_644)])
def test_networks_at_published_sizes(condition: int, published: int) -> None:
    """Stable Diffusion XL's, told 1,280 numbers of a text, and Emu2's, told the mean of its vectors."""
    network = {
        "sample_size": 128, "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280], "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20], "use_linear_projection": True, "cross_attention_dim": condition,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": (1280 if condition == 2048 else condition) + 6 * 256,
    }  # fmt: skip
    architecture = {**ENCODER["architecture"], "hidden_size": condition, "num_attention_heads": 2}  # type: ignore[dict-item]
    latents = {"type": "kl-autoencoder", "network": {"type": "convolutional", "width": 4, "multipliers": [1, 2, 4, 4], "attention": False}}
    with torch.device("meta"):
        tokenizer = built(encoder={**ENCODER, "architecture": architecture}, network=network, latents=latents, scaling=0.13025)
    assert sum(p.numel() for p in tokenizer.network.parameters()) == published
    assert sum(p.numel() for p in tokenizer.latents.parameters()) == 83_653_863  # type: ignore[union-attr]


def test_gradients_reach_what_is_told() -> None:
    """A frozen network, and a condition that learns through it, as DreamLLM's."""
    tokenizer = built().requires_grad_(False)
    vectors = tokenizer.read(views()).clone().requires_grad_()
    tokenizer.denoising_losses(tokenizer.whole(views()), vectors, [1, 2]).sum().backward()
    assert vectors.grad is not None and vectors.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"network": {**UNET, "cross_attention_dim": 32}}, r"cross_attention_dim: expected the width of what tells it what to paint, 24, found 32"),
        ({"network": {**UNET, "in_channels": 4}}, r"in_channels: expected 3, of pixels, found 4"),
        ({"latents": LATENTS}, r"in_channels: expected 4, of latents, found 3"),
        (
            {"latents": {"type": "quantized-autoencoder", "network": LATENTS["network"], "quantizer": {"type": "lfq", "width": 4}}},
            r"latents: expected a kl-autoencoder, whose vectors are continuous, found quantized-autoencoder",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(**config)


def test_pools_that_do_not_divide_are_refused() -> None:
    with pytest.raises(BadInput, match=r"pool: expected a number that divides the 4 x 4 features of a picture of 16 x 16 pixels, found 3"):
        built(pool=3).length((16, 16))
