"""Masked images: the reconstruction and the loss of `transformers`, whatever the micro-batches, from the visible patches alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from omma.data.images import MemoryImage
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.objectives.pixel_decoder import PixelDecoder, waves_2d
from omma.parts.encoders import ENCODERS
from omma.parts.pixels import normalize
from toy_training import FLAT, assert_close, gradients, samples, step_of, toy_model

SMALL = {"type": "masked-image", "layers": 2, "width": 24, "heads": 2}


def encoder_alone(model_type: str = "vit", **fields: Any) -> Composition:
    architecture = {"model_type": model_type, **FLAT, **fields}
    if model_type == "siglip_vision_model":
        architecture["vision_use_head"] = False
    encoder = {"type": "transformers", "architecture": architecture, "tap": -1, "normalization": "imagenet"}
    encoder["cls"] = "none" if model_type == "siglip_vision_model" else "drop"
    return toy_model(encoder=encoder, projector=None, backbone=None)


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    return OBJECTIVES.parse({**SMALL, **config}, where="objective").build(model=model)


def theirs_and_ours(**changes: Any) -> tuple[ViTMAEForPreTraining, Any]:
    """The model of `transformers`, and an objective with the same numbers in it."""
    model = encoder_alone(layer_norm_eps=1e-6)
    config = ViTMAEConfig(
        **FLAT, layer_norm_eps=1e-6, mask_ratio=0.75, norm_pix_loss=True, decoder_hidden_size=24,
        decoder_num_hidden_layers=2, decoder_num_attention_heads=2, decoder_intermediate_size=96, **changes,
    )  # fmt: skip
    torch.manual_seed(3)
    theirs = ViTMAEForPreTraining(config).eval()
    # A new model of transformers has its decoder's positions at zero; saved ones hold these.
    theirs.decoder.initialize_weights(16)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    ours = objective_of(model, normalize_patches=config.norm_pix_loss)
    report = ours.encoder.model.load_state_dict(theirs.vit.state_dict(), strict=False)
    assert not report.unexpected_keys and all(name.startswith("pooler") for name in report.missing_keys)
    decoder = {"embed": "decoder_embed", "norm": "decoder_norm", "predict": "decoder_pred"}
    state = theirs.decoder.state_dict()
    taken = {f"{a}.{kind}": state[f"{b}.{kind}"] for a, b in decoder.items() for kind in ("weight", "bias")}
    taken["mask_token"] = state["mask_token"][0, 0]
    names = {
        "norm_1": "layernorm_before",
        "norm_2": "layernorm_after",
        "out": "attention.o_proj",
        "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
    }
    for layer in range(2):
        path = f"decoder_layers.{layer}"
        for kind in ("weight", "bias"):
            taken |= {f"blocks.{layer}.{a}.{kind}": state[f"{path}.{b}.{kind}"] for a, b in names.items()}
            split = [state[f"{path}.attention.{name}_proj.{kind}"] for name in "qkv"]
            taken[f"blocks.{layer}.qkv.{kind}"] = torch.cat(split)
    ours.decoder.load_state_dict(taken)
    ours.eval()
    ours.model.eval()
    return theirs, ours


@pytest.mark.parametrize("norm_pix_loss", [True, False])
@torch.no_grad()
def test_transformers_reconstructs_and_loses_the_same(norm_pix_loss: bool) -> None:
    theirs, ours = theirs_and_ours()
    theirs.config.norm_pix_loss = norm_pix_loss
    ours.config = ours.config.model_copy(update={"normalize_patches": norm_pix_loss})
    (batch,) = step_of(ours, samples(5)).micro_batches
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in ours.encoder.normalizations[0])
    pixels = (tensors["views"].permute(0, 3, 1, 2) / 255 - mean) / std
    expected = theirs(pixels, noise=tensors["noise"])
    visible = tensors["noise"].argsort(dim=1)[:, : ours.visible]
    assert torch.allclose(ours.reconstruct(pixels, visible), expected.logits, atol=1e-5)
    loss = ours.losses(tensors)["masked-image"] / ours.weights(batch)["masked-image"]
    assert float(loss) == pytest.approx(float(expected.loss), rel=1e-5)
    assert ours.weights(batch)["masked-image"] == float(expected.mask.sum()) == 5 * 12


@torch.no_grad()
def test_positions_of_the_decoder_are_fixed_waves() -> None:
    theirs, ours = theirs_and_ours()
    assert torch.allclose(waves_2d((4, 4), 24), theirs.decoder.decoder_pos_embed[0, 1:], atol=1e-6)
    assert "positions" not in dict(ours.decoder.named_parameters()) and "positions" not in ours.decoder.state_dict()
    wide = waves_2d((2, 3), 8)
    assert wide.shape == (6, 8)
    assert torch.equal(wide[0, :4], wide[3, :4]) and torch.equal(wide[0, 4:], wide[2, 4:]), "columns first, then rows"


@pytest.mark.parametrize(
    ("width", "layers", "heads", "mlp", "total"), [(768, 12, 12, 3072, 111_907_840), (1024, 24, 16, 4096, 329_541_888)]
)
def test_published_sizes(width: int, layers: int, heads: int, mlp: int, total: int) -> None:
    """ViT-B and ViT-L with their decoders; transformers counts the decoder's fixed positions, and a pooler besides."""
    with torch.device("meta"):
        architecture = {
            "model_type": "vit", "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": mlp,
        }  # fmt: skip
        encoder = ENCODERS.parse({"type": "transformers", "architecture": architecture}, where="encoder").build()
    config = OBJECTIVES.parse({"type": "masked-image"}, where="objective")
    grid = encoder.patches((224, 224))
    assert (config.layers, config.width, config.heads, config.mask) == (8, 512, 16, 0.75)
    decoder = PixelDecoder(width, 3 * 16**2, grid, width=config.width, layers=config.layers, heads=config.heads)
    count = sum(p.numel() for name, p in encoder.model.named_parameters() if not name.startswith("pooler"))
    count += sum(p.numel() for p in decoder.parameters())
    assert count + (1 + grid[0] * grid[1]) * 512 == total


@pytest.mark.parametrize("model_type", ["vit", "clip_vision_model", "siglip_vision_model", "dinov2"])
def test_it_does_not_depend_on_its_micro_batches(model_type: str) -> None:
    model = encoder_alone(model_type)
    chosen = [*samples(5), *samples(1, world="panels", task="describe")]  # one has three pictures
    results = []
    for micro, batches in ((64, 1), (3, 3), (1, 8)):
        objective = objective_of(model, micro_samples=micro)
        step = step_of(objective, chosen)
        assert len(step.micro_batches) == batches and (step.samples, step.images) == (6, 8)
        results.append(gradients(model, objective, step))
    for losses, found in results[1:]:
        assert losses == pytest.approx(results[0][0], rel=1e-5)
        assert_close(results[0][1], found)


def test_everything_learns() -> None:
    model = encoder_alone("siglip_vision_model")
    objective = objective_of(model)
    _, found = gradients(model, objective, step_of(objective, samples(4)))
    learning = {name for name, gradient in found.items() if gradient.abs().max() > 0}
    assert learning == {f"encoder.{n}" for n, _ in model.encoder.named_parameters()} | {
        f"objective.{n}" for n, _ in objective.named_parameters()
    }


@torch.no_grad()
def test_hidden_patches_are_not_read_and_only_they_are_guessed() -> None:
    objective = objective_of(encoder_alone())
    (batch,) = step_of(objective, samples(1)).micro_batches
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}
    order = tensors["noise"].argsort(dim=1)
    visible, hidden = order[:, : objective.visible], order[0, objective.visible :]

    def with_changed(*patches: int) -> torch.Tensor:
        views = tensors["views"].clone()
        for row, column in (divmod(patch, 4) for patch in patches):
            views[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] ^= 85
        return normalize(views, *objective.encoder.normalizations[0])

    pixels = with_changed()
    guessed = objective.reconstruct(pixels, visible)
    assert torch.equal(objective.reconstruct(with_changed(*hidden.tolist()), visible), guessed)
    assert not torch.equal(objective.reconstruct(with_changed(int(visible[0, 0])), visible), guessed)
    errors = ((guessed - objective.targets(pixels)) ** 2).mean(2)[0, hidden]
    assert float(objective.losses(tensors)["masked-image"]) == pytest.approx(float(errors.sum()), rel=1e-5)
    assert (len(errors), len(visible[0])) == (12, 4)


def test_chance_follows_from_sample_and_position() -> None:
    collator = objective_of(encoder_alone()).collator()
    one, other = samples(2)
    a, b = collator.prepare(one, 7)[0], collator.prepare(one, 7)[0]
    assert all(np.array_equal(a[name], b[name]) for name in a)
    for different in (collator.prepare(one, 8)[0], collator.prepare(other, 7)[0]):
        assert not np.array_equal(a["noise"], different["noise"])
        assert not np.array_equal(a["views"], different["views"])
    noise = np.stack([collator.prepare(one, position)[0]["noise"] for position in range(200)])
    kept = np.argsort(noise, axis=1)[:, :4]
    assert np.bincount(kept.flatten(), minlength=16).min() > 25, "all patches are seen equally often"


def test_whole_pictures_instead_of_crops() -> None:
    model = encoder_alone()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    sample = Sample("s", (user(MemoryImage(Image.fromarray(pixels), key="p")), assistant("words")))
    views = {flip: objective_of(model, crop=None, flip=flip).collator().prepare(sample)[0]["views"] for flip in (0, 1)}
    assert np.array_equal(views[0], pixels) and np.array_equal(views[1], pixels[:, ::-1])


def test_a_sample_without_pictures_is_bad() -> None:
    collator = objective_of(encoder_alone()).collator()
    with pytest.raises(BadInput, match="sample s: expected a picture, found none; leave it out"):
        collator.prepare(Sample("s", (user("hello"), assistant("hi"))))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"mask": 0.95},
            "recipe field objective.mask: expected a share that leaves at least one of 16 patches, found 0.95",
        ),
        ({"heads": 5}, "a width of the decoder that its 5 heads and 4 divide"),
        ({"crop": [0.5, 0.2]}, "a smallest and a largest share of the picture, above 0 and up to 1"),
    ],
)
def test_impossible_settings(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        objective_of(encoder_alone(), **config)


def test_encoders_and_strategies_that_cannot() -> None:
    with pytest.raises(BadInput, match="so that patches can be left out, found beit"):
        objective_of(encoder_alone("beit"))
    with pytest.raises(
        BadInput,
        match=r"model\.encoder: expected an encoder of type transformers, which the objective masked-image trains, found patches",
    ):
        objective_of(toy_model(encoder={"type": "patches", "patch": 8}, projector=None, backbone=None))
    windows = {"type": "windows", "canvas": [64, 32], "size": 32}
    with pytest.raises(
        BadInput,
        match=r"model\.resolution: expected a strategy that shows the whole picture in one square view, .*, found windows",
    ):
        objective_of(toy_model(resolution=windows, projector=None, backbone=None))
