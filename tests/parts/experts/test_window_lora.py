"""LoRA of windows: each window has its own, whole pictures have none, and an encoder without is found again at the beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel

from omma.errors import BadInput
from omma.model.interop.exporting import export_transformers
from omma.model.loading import load_model
from omma.model.saving import save_composition
from omma.objectives import OBJECTIVES
from omma.parts.encoders import ENCODERS, Encoder
from omma.parts.experts import EXPERTS
from omma.training.loop import _activation_checkpointing
from toy_training import MODEL, assert_close, gradients, samples, step_of, toy_model

FLAT = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
TOWERS: dict[str, dict[str, Any]] = {
    "clip": {"model_type": "clip_vision_model", "intermediate_size": 48, **FLAT},
    "siglip": {"model_type": "siglip_vision_model", "intermediate_size": 48, **FLAT},
    "dinov2": {"model_type": "dinov2", **FLAT},
    "vit": {"model_type": "vit", "intermediate_size": 48, **FLAT},
}
EXPERT = {"type": "window-lora", "grid": [2, 3], "rank": 2, "mlp_rank": 3, "dropout": 0.0}
WHOLE = (-1, -1)
CELLS = torch.tensor([(0, 0), (1, 2), WHOLE, (0, 1), (1, 2), WHOLE])
PIXELS = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def encoder(tower: str = "clip", *, learned: bool = True, **fields: Any) -> Encoder:
    """An encoder with spread weights, and a LoRA with spread weights if it has learned."""
    torch.manual_seed(0)
    cls = "none" if tower == "siglip" else "drop"
    config = {"type": "transformers", "architecture": TOWERS[tower], "cls": cls, "expert": EXPERT, **fields}
    try:
        built: Encoder = ENCODERS.parse(config, where="model.encoder").build().eval()
    except BadInput:
        if tower in ("dinov2", "vit"):
            pytest.skip(f"this version of transformers has other names inside {tower}")
        raise
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if learned or not name.startswith("expert."):
                noise = 0.3 * torch.randn(parameter.shape, generator=generator)
                parameter.copy_(1 + noise if parameter.ndim == 1 else noise)
    return built


@torch.no_grad()
def read(built: Encoder, cells: Tensor = CELLS, pixels: Tensor = PIXELS) -> Tensor:
    return built.read(pixels, 0, cells)


@pytest.mark.parametrize("tower", TOWERS)
def test_it_begins_as_no_change(tower: str) -> None:
    assert torch.equal(read(encoder(tower, learned=False)), read(encoder(tower, expert=None)))


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("tap", [-1, -2])
def test_every_window_has_its_own_and_the_whole_has_none(tower: str, tap: int) -> None:
    built, plain = encoder(tower, tap=tap), encoder(tower, tap=tap, expert=None)
    features, without = read(built), read(plain)
    whole = (CELLS == -1).all(1)
    torch.testing.assert_close(features[whole], without[whole], rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(built(PIXELS), plain(PIXELS)), "no cells: whole pictures"
    assert ((features - without)[~whole].abs().amax((1, 2)) > 1e-2).all()
    alone = torch.cat([read(built, CELLS[i : i + 1], PIXELS[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(features, alone, rtol=1e-4, atol=1e-4)
    elsewhere = read(built, torch.tensor([(1, 1)] * 6))
    assert ((features - elsewhere).abs().amax((1, 2)) > 1e-2).all()
    with torch.no_grad():
        for parameter in built.expert.parameters():  # those of row 1, column 2
            parameter[1 * 3 + 2] *= 2
    changed = (read(built) - features).abs().amax((1, 2))
    assert (changed > 1e-3).tolist() == [False, True, False, False, True, False]
    assert changed[[0, 2, 3, 5]].max() < 1e-5


@torch.no_grad()
def test_a_block_by_hand() -> None:
    """CLIP's first block, with everything where the paper has it: the path beside the MLP reads what comes before the norm."""
    built = encoder(tap=1)
    block, expert = built.model.encoder.layers[0], built.expert.blocks[0]
    states: Tensor = built.model(PIXELS[:1], output_hidden_states=True).hidden_states[0]
    number = 5

    def changed(part: str, name: str, inputs: Tensor) -> Tensor:
        one = expert[part]
        return one.scale[number] * inputs @ one.down[number].T @ one.up[name][number].T

    normed = block.layer_norm1(states)
    query, key, value = (
        getattr(block.self_attn, name)(normed) + changed("qkv", name, normed) for name in ("q_proj", "k_proj", "v_proj")
    )
    heads = [tensor.unflatten(2, (2, 16)).transpose(1, 2) for tensor in (query, key, value)]
    attended = torch.nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    stream = states + block.self_attn.out_proj(attended) + changed("output", "out_proj", attended)
    expected = stream + block.mlp(block.layer_norm2(stream)) + changed("mlp", "mlp", stream)
    torch.testing.assert_close(read(built, torch.tensor([(1, 2)]), PIXELS[:1]), expected[:, 1:], rtol=1e-4, atol=1e-4)


def test_as_many_parameters_as_monkey_has() -> None:
    """Per window 12,779,664 inside the ViT-bigG of Qwen-VL."""
    big = CLIPVisionConfig(hidden_size=1664, intermediate_size=8192, num_hidden_layers=48, num_attention_heads=16)
    with torch.device("meta"):
        expert = EXPERTS.parse({"type": "window-lora"}, where="expert").build(model=CLIPVisionModel(big))
    assert sum(p.numel() for p in expert.parameters()) == 4 * 12_779_664
    assert 48 * (16 * (1664 + 4992) + 16 * 2 * 1664 + 32 * 2 * 1664 + 3) == 12_779_664


@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputed_passes_take_their_own_route(reentrant: bool) -> None:
    built = encoder(cls="drop").train()
    pixels = PIXELS.clone().requires_grad_()

    def found() -> dict[str, Tensor]:
        built.zero_grad()
        orders = (torch.arange(6), torch.arange(6).flip(0))
        sum(built.read(pixels, 0, CELLS[order]).square().mean() for order in orders).backward()
        built(pixels).mean().backward()
        return {name: p.grad.clone() for name, p in built.named_parameters() if p.grad is not None}

    kept = found()
    assert any(name.startswith("expert.") for name in kept)
    _activation_checkpointing(built.model, "enable")({"use_reentrant": reentrant})
    assert_close(kept, found(), relative=1e-6)


def test_a_window_beyond_the_grid() -> None:
    with pytest.raises(
        BadInput, match=r"expert.grid: expected as many .*, found 2 x 3 and a window in row 2, column 0 \(counted"
    ):
        read(encoder(), torch.tensor([(0, 0), (2, 0)]), PIXELS[:2])


def test_hierarchical_towers_are_refused() -> None:
    focal = {
        "model_type": "focalnet",
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
    }
    config = {
        "type": "transformers",
        "architecture": focal | {"focal_levels": [2, 2], "focal_windows": [3, 3]},
        "expert": EXPERT,
    }
    with pytest.raises(
        BadInput, match=r"model.encoder.expert: expected a model of equal blocks .*, found .* without q_proj, .* in FocalNetModel"
    ):
        ENCODERS.parse(config | {"tap": -1, "cls": "none"}, where="model.encoder").build()


def test_in_a_whole_model(tmp_path: Path) -> None:
    """Training, the feature path of a frozen encoder, the path of the processor, and a saved model agree."""
    fields = {
        "resolution": {"type": "windows", "canvas": [64, 64], "size": 32},
        "encoder": {**MODEL["encoder"], "expert": {**EXPERT, "grid": [2, 2]}},
    }
    model = toy_model(**fields).eval()
    objective = OBJECTIVES.parse({"type": "language-modeling"}, where="objective").build(model=model)
    step = step_of(objective, samples(2, turns=1))
    _, found = gradients(model, objective, step, learn="encoder.expert.*")
    ups = {f"encoder.expert.{name}" for name, _ in model.encoder.expert.named_parameters() if ".up." in name}
    assert {name for name, gradient in found.items() if gradient.any()} == ups, "A learns as soon as B is not zero"
    with torch.no_grad():
        for parameter in model.encoder.expert.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        batch = {k: v if v.dtype.kind == "U" else torch.from_numpy(v) for k, v in step.micro_batches[0].items()}
        learning = model.features(batch)
        model.encoder.requires_grad_(False)
        torch.testing.assert_close(model.features(batch), learning, rtol=1e-4, atol=1e-4)
        save_composition(model, tmp_path, dtype=torch.float32)
        again, processor = load_model(tmp_path)
        inputs = processor.image_processor([samples(1)[0].images[0].load()], return_tensors="pt")
        vectors = again.image_vectors(**inputs)
        torch.testing.assert_close(vectors, model.image_vectors(batch)[: len(vectors)], rtol=1e-3, atol=1e-4)
    with pytest.raises(
        BadInput, match=r"config.json, encoder.expert: expected a model without experts.* found 'window-lora'"
    ):
        export_transformers(tmp_path, tmp_path / "out")
