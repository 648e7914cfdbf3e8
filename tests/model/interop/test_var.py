"""VAR's published checkpoints: every tensor of theirs has its place here, at the published sizes and with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from omma.commands.show import skeleton
from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer, load_class_painter
from omma.model.interop.var import FILES, SCALES, import_var, is_var, ours, var_recipe
from omma.recipe import load_recipe

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

Shapes = dict[str, tuple[int, ...]]


def layer(name: str, *shape: int) -> Shapes:
    """A layer or a norm, whose bias is as long as its first axis."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def published_transformer(
    depth: int, places: int, classes: int, inner: int, codes: int, *, width: int, heads: int, shared: bool
) -> Shapes:
    """Names and shapes as the authors' code has them."""
    scales = len(SCALES[places][0])
    shapes: Shapes = {
        "pos_start": (1, 1, width), "pos_1LC": (1, places, width), "lvl_1L": (1, places),
        "attn_bias_for_masking": (1, 1, places, places), "class_emb.weight": (classes + 1, width), "lvl_embed.weight": (scales, width),
        **layer("word_embed", width, inner), **layer("head_nm.ada_lin.1", 2 * width, width), **layer("head", codes, width),
    }  # fmt: skip
    if shared:
        shapes |= layer("shared_ada_lin.1", 6 * width, width)
    for block in range(depth):
        name = f"blocks.{block}"
        shapes |= {
            f"{name}.attn.scale_mul_1H11": (1, heads, 1, 1), f"{name}.attn.q_bias": (width,), f"{name}.attn.v_bias": (width,),
            f"{name}.attn.zero_k_bias": (width,), f"{name}.attn.mat_qkv.weight": (3 * width, width),
            **layer(f"{name}.attn.proj", width, width), **layer(f"{name}.ffn.fc1", 4 * width, width),
            **layer(f"{name}.ffn.fc2", width, 4 * width),
        }  # fmt: skip
        shapes |= {f"{name}.ada_gss": (1, 1, 6, width)} if shared else layer(f"{name}.ada_lin.1", 6 * width, width)
    return shapes


def residual(name: str, before: int, after: int) -> Shapes:
    shapes = layer(f"{name}.norm1", before) | layer(f"{name}.conv1", after, before, 3, 3)
    shapes |= layer(f"{name}.norm2", after) | layer(f"{name}.conv2", after, after, 3, 3)
    return shapes | (layer(f"{name}.nin_shortcut", after, before, 1, 1) if before != after else {})


def attention(name: str, width: int) -> Shapes:
    return (
        layer(f"{name}.norm", width) | layer(f"{name}.qkv", 3 * width, width, 1, 1) | layer(f"{name}.proj_out", width, width, 1, 1)
    )


def published_tokenizer(channels: int, inner: int, codes: int, scales: int) -> Shapes:
    widths = [channels * multiplier for multiplier in (1, 1, 2, 2, 4)]
    shapes = layer("encoder.conv_in", channels, 3, 3, 3)
    before = channels
    for level, width in enumerate(widths):
        for block in range(2):
            shapes |= residual(f"encoder.down.{level}.block.{block}", before, width)
            before = width
            if level == 4:
                shapes |= attention(f"encoder.down.4.attn.{block}", width)
        if level < 4:
            shapes |= layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    for side in ("encoder", "decoder"):
        shapes |= residual(f"{side}.mid.block_1", widths[-1], widths[-1]) | attention(f"{side}.mid.attn_1", widths[-1])
        shapes |= residual(f"{side}.mid.block_2", widths[-1], widths[-1])
    shapes |= layer("encoder.norm_out", widths[-1]) | layer("encoder.conv_out", inner, widths[-1], 3, 3)
    shapes |= layer("decoder.conv_in", widths[-1], inner, 3, 3)
    before = widths[-1]
    for level, width in reversed(list(enumerate(widths))):
        for block in range(3):
            shapes |= residual(f"decoder.up.{level}.block.{block}", before, width)
            before = width
            if level == 4:
                shapes |= attention(f"decoder.up.4.attn.{block}", width)
        if level:
            shapes |= layer(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    shapes |= layer("decoder.norm_out", channels) | layer("decoder.conv_out", 3, channels, 3, 3)
    shapes |= {"quantize.ema_vocab_hit_SV": (scales, codes), "quantize.embedding.weight": (codes, inner)}
    for number in range(4):
        shapes |= layer(f"quantize.quant_resi.qresi_ls.{number}", inner, inner, 3, 3)
    return shapes | layer("quant_conv", inner, inner, 3, 3) | layer("post_quant_conv", inner, inner, 3, 3)


@pytest.mark.parametrize(
    ("depth", "places", "shared"), [(16, 680, False), (20, 680, False), (24, 680, False), (30, 680, False), (36, 2240, True)]
)
def test_every_tensor_of_the_published_sizes_has_its_place(depth: int, places: int, shared: bool) -> None:
    shapes = published_transformer(depth, places, 1000, 32, 4096, width=64 * depth, heads=depth, shared=shared)
    shapes |= published_tokenizer(160, 32, 4096, 10)
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    parts = skeleton(var_recipe(tensors, where="here"))
    expected = {f"{part}.{name}": t.shape for part, module in parts.items() for name, t in module.state_dict().items()}
    assert {name: tensor.shape for name, tensor in ours(tensors).items()} == expected
    if depth == 16:
        recipe = skeleton(load_recipe("var", "paper").model)
        assert {f"{p}.{n}": t.shape for p, m in recipe.items() for n, t in m.state_dict().items()} == expected


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Tensor]]:
    shapes = (
        published_transformer(2, 680, 5, 8, 20, width=32, heads=4, shared=False),
        published_tokenizer(32, 8, 20, 10),
    )
    generator = torch.Generator().manual_seed(0)
    return {
        file: {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in own.items()}
        for file, own in zip(FILES, shapes, strict=True)
    }


def written(published: dict[str, dict[str, Tensor]], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, tensors in published.items():
        save_file(tensors, folder / file)
    return folder


def test_with_random_weights(published: Any, tmp_path: Path) -> None:
    folder = written(published, tmp_path / "published")
    assert is_var(folder) and not is_var(tmp_path)
    import_var(folder, tmp_path / "out")
    model = load_class_painter(tmp_path / "out")
    transformer, tokenizer = published.values()
    trunk: Any = model.language_model
    assert torch.equal(trunk.layers[1].attention.scale, transformer["blocks.1.attn.scale_mul_1H11"][0])
    assert torch.equal(model.painter.first, transformer["pos_start"][0, 0])  # type: ignore[union-attr]
    # Queries, keys and values of one convolution; the decoder's levels are counted from the other end.
    attention = model.image_tokenizer.network.encoder.mid_block.attentions[0]  # type: ignore[union-attr]
    theirs = tokenizer["encoder.mid.attn_1.qkv.weight"][:, :, 0, 0]
    assert torch.equal(torch.cat([attention.to_q.weight, attention.to_k.weight, attention.to_v.weight]), theirs)
    decoder = model.image_tokenizer.network.decoder  # type: ignore[union-attr]
    assert torch.equal(decoder.up_blocks[0].resnets[0].conv1.weight, tokenizer["decoder.up.4.block.0.conv1.weight"])
    drawer = ClassDrawer(model)
    assert drawer.classes == 5 and drawer.draw([3], seeds=[0])[0].size == (256, 256)


def test_what_is_no_var_is_refused(published: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"transformer\.safetensors: expected VAR's tensors in .*, found no such file"):
        import_var(tmp_path, tmp_path / "out")
    transformer, tokenizer = published.values()
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({name: t for name, t in transformer.items() if name != "head.bias"}, r"what becomes painter\.head\.layer\.bias .* no such tensor"),
        (transformer | {"head.bias": torch.zeros(3)}, r"of shape \(20,\), found shape \(3,\)"),
        (transformer | {"head.more": torch.zeros(3)}, r"the tensors of VAR alone, found painter\.head\.layer\.more"),
        ({name: t for name, t in transformer.items() if not name.startswith("class")}, r"found none for 'class_emb\.weight'"),
        (transformer | {"pos_1LC": torch.zeros(1, 99, 32)}, r"as many places as published, 680, 2240, 9451, found 99"),
    ]
    for number, (changed, message) in enumerate(cases):
        folder = written(dict(zip(FILES, (changed, tokenizer), strict=True)), tmp_path / str(number))
        with pytest.raises(BadInput, match=message):
            import_var(folder, tmp_path / "out")
    (written(published, tmp_path / "cut") / FILES[1]).write_bytes(b"short")
    with pytest.raises(BadInput, match=r"tokenizer\.safetensors: expected a whole safetensors file"):
        import_var(tmp_path / "cut", tmp_path / "out")
    assert not (tmp_path / "out").exists()
