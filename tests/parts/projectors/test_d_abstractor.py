"""The D-Abstractor: parity with Deformable DETR's layers, its beginning, its precision and its published size."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import DeformableDetrConfig
from transformers.models.deformable_detr.modeling_deformable_detr import DeformableDetrDecoderLayer

from omma.errors import BadInput
from omma.parts.projectors import Projector
from omma.parts.projectors.d_abstractor import DAbstractor, DeformableLayer
from toy_training import toy_model

Build = Callable[..., Projector]
CELLS = torch.full((2, 2), -1)
SMALL = {"queries": 9, "input_side": 4, "width": 32, "layers": 2, "heads": 4, "inner": 40}
NAMES = {
    "self_attn": "self_attention",
    "self_attn_layer_norm": "self_norm",
    "encoder_attn.sampling_offsets": "attention.offsets",
    "encoder_attn.attention_weights": "attention.weights",
    "encoder_attn.value_proj": "attention.values",
    "encoder_attn.output_proj": "attention.output",
    "encoder_attn_layer_norm": "norm",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
    "final_layer_norm": "mlp_norm",
}


def renamed(key: str) -> str:
    for theirs in sorted(NAMES, key=len, reverse=True):
        if key.startswith(f"{theirs}."):
            return NAMES[theirs] + key.removeprefix(theirs)
    raise KeyError(key)


@pytest.mark.parametrize("heads", [4, 8])
def test_a_layer_is_that_of_deformable_detr(heads: int) -> None:
    torch.manual_seed(0)
    config = DeformableDetrConfig(
        d_model=32, decoder_attention_heads=heads, decoder_n_points=4, decoder_ffn_dim=40, num_feature_levels=1
    )
    config._attn_implementation = "eager"
    peer = DeformableDetrDecoderLayer(config).eval()
    layer = DeformableLayer(DAbstractor.Config(width=32, heads=heads, inner=40)).eval()
    for parameter in peer.parameters():
        nn.init.normal_(parameter, std=0.3)
    layer.load_state_dict({renamed(key): value for key, value in peer.state_dict().items()})
    rows, columns = 4, 6
    queries, places = torch.randn(2, 9, 32), torch.randn(2, 9, 32)
    features, references = torch.randn(2, rows * columns, 32), torch.rand(9, 2)
    expected = peer(
        queries,
        object_queries_position_embeddings=places,
        reference_points=references.expand(2, -1, -1)[:, :, None],
        spatial_shapes=torch.tensor([[rows, columns]]),
        spatial_shapes_list=[(rows, columns)],
        level_start_index=torch.tensor([0]),
        encoder_hidden_states=features,
    )
    torch.testing.assert_close(
        layer(queries, places, features, (rows, columns), references), expected, atol=1e-4, rtol=1e-4
    )


def test_published_sizes(count: Callable[..., int]) -> None:
    assert count("d-abstractor", 1024, 4096) == 55_616_352
    with torch.device("meta"):
        layer = DeformableLayer(DAbstractor.Config())
    assert sum(parameter.numel() for parameter in layer.parameters()) == 8_501_344


def test_where_queries_look_at_first(build: Build) -> None:
    sampler = build("d-abstractor", 32, 48, width=32, layers=1, inner=8).sampler
    references = sampler.references.weight.view(12, 12, 2)
    assert references[0, 0].tolist() == [0.5 / 16, 0.5 / 16]
    assert references[11, 11].tolist() == [15.5 / 16, 15.5 / 16]
    expected = torch.linspace(0.5, 15.5, 12) / 16
    torch.testing.assert_close(references[3, :, 0], expected)  # x grows along a row
    torch.testing.assert_close(references[:, 3, 1], expected)
    assert build("d-abstractor", 32, 48, **{**SMALL, "queries": 1}).sampler.references.weight.tolist() == [
        [0.125, 0.125]
    ]


def test_attention_begins_as_a_star_also_in_a_whole_model(build: Build) -> None:
    model = toy_model(projector={"type": "d-abstractor", **SMALL}).vlm
    assert model is not None
    for projector in (build("d-abstractor", 32, 48, **SMALL), model.projector):
        for layer in projector.sampler.layers:
            star = layer.attention.offsets.bias.view(4, 4, 2)
            directions = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
            torch.testing.assert_close(star, directions[:, None] * torch.arange(1, 5)[None, :, None], atol=1e-6, rtol=0)
            for weight in (
                layer.attention.offsets.weight,
                layer.attention.weights.weight,
                layer.attention.weights.bias,
            ):
                assert not weight.any()
            bound = math.sqrt(6 / 64)  # Xavier's, of 32 channels to 32
            assert 0.95 * bound < layer.attention.values.weight.abs().max() <= bound


def test_pooled_features_are_positions_not_content(build: Build) -> None:
    projector = build("d-abstractor", 32, 48, **SMALL)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    projector.sampler.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[:2]))
    features = torch.randn(2, 16, 32)
    projector.project(features, (4, 4), 0, CELLS)
    content, places = seen[0]
    assert torch.equal(content, projector.sampler.queries.weight.expand(2, -1, -1))
    placed = (features + projector.sampler.input.positions.weight).transpose(1, 2).view(2, 32, 4, 4)
    pooled = nn.functional.adaptive_avg_pool2d(placed, 3).flatten(2).transpose(1, 2)
    torch.testing.assert_close(places, pooled)


def test_places_are_computed_in_float32_whatever_the_precision(build: Build) -> None:
    projector = build("d-abstractor", 32, 48, **SMALL).bfloat16()
    seen: list[torch.dtype] = []
    for layer in projector.sampler.layers:
        layer.attention.register_forward_hook(
            lambda _, inputs, output: seen.extend(t.dtype for t in (*inputs[:2], output))
        )
    projector.project(torch.randn(2, 16, 32).bfloat16(), (4, 4), 0, CELLS).float().sum().backward()
    assert set(seen) == {torch.float32}
    assert projector.sampler.references.weight.grad.dtype == torch.bfloat16


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("d-abstractor", 32, 48, **{**SMALL, "heads": 5})
    assert str(caught.value) == (
        "model.projector.heads: expected a number that divides the projector's width 32, found 5; "
        "choose another number of heads."
    )
    with pytest.raises(BadInput) as caught:
        build("d-abstractor", 32, 48, **SMALL).grid((4, 5))
    assert str(caught.value) == (
        "model.projector.input_side: expected views of 4 x 4 features, found one of 4 x 5; "
        "give it the side of the encoder's grid, and choose a resolution strategy with square views."
    )
