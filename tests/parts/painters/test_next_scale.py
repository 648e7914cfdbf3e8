"""Next-scale prediction with VAR's Transformer: published sizes, step by step as all at once, no scale told by finer ones, and drawing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.attention import AttentionPlan
from omma.parts.backbones.var import VarConfig, VarModel
from omma.parts.painters import Painter
from omma.parts.painters.base import Dice, Sampling
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.quantizers.vq import Vq
from parts.painters.drawn_by_var import WIDTH, drawn, hidden_of, painter_of, step_of, steps, trunk_of

SCALES = (1, 2, 3, 5)
ENDS = (1, 5, 14, 39)


def built(*, shared: bool = False) -> tuple[VarModel, Painter]:
    torch.manual_seed(0)
    quantizer: MultiScale = MultiScale.Config(codes=20, width=6, scales=SCALES).build()
    painter = painter_of(quantizer, ENDS[-1], type="next-scale")
    with torch.no_grad():
        quantizer.codebook.normal_()
        painter.head.layer.weight.normal_(0, 0.3)
    return trunk_of(shared_conditioning=shared), painter.eval()


def codes_of(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 20, (count, ENDS[-1]), generator=torch.Generator().manual_seed(seed))


def at_once(trunk: VarModel, painter: Painter, codes: Tensor, classes: Tensor) -> Tensor:
    return painter.head.predict(hidden_of(trunk, painter, codes, classes, Dice([0] * len(codes))))


@pytest.mark.parametrize(
    ("depth", "shared", "scales", "published"),
    [
        (16, False, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 310_283_520),
        (20, False, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 600_917_136),
        (24, False, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 1_033_399_360),
        (30, False, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 2_010_020_356),
        (36, True, (1, 2, 3, 4, 6, 9, 13, 18, 24, 32), 2_353_893_904),
    ],
)
def test_sizes_as_published(depth: int, shared: bool, scales: tuple[int, ...], published: int) -> None:
    with torch.device("meta"):
        config = VarConfig(
            hidden_size=64 * depth, num_hidden_layers=depth, num_attention_heads=depth, shared_conditioning=shared
        )
        length = sum(scale * scale for scale in scales)
        painter = painter_of(MultiScale.Config(scales=scales).build(), length, 64 * depth, type="next-scale")
        found = sum(p.numel() for module in (VarModel(config), painter) for p in module.parameters())
    assert found == published


@torch.no_grad()
@pytest.mark.parametrize("shared", [False, True])
def test_step_by_step_as_all_at_once(shared: bool) -> None:
    """With a cache no mask is needed: what is there may be seen."""
    trunk, painter = built(shared=shared)
    codes, classes = codes_of(3), torch.tensor([0, 1, 2])
    whole = at_once(trunk, painter, codes, classes)
    start = trunk.embed_tokens(classes)
    step, slots = step_of(trunk, start), painter.lesson(codes, start, Dice([0] * 3)).slots
    parts = [painter.head.predict(step(slots[:, begin:end])) for begin, end in zip((0, *ENDS), ENDS, strict=False)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("scale", range(4))
def test_no_scale_is_told_by_itself_or_finer_ones(scale: int) -> None:
    trunk, painter = built()
    codes, classes = codes_of(1), torch.tensor([1])
    before = at_once(trunk, painter, codes, classes)
    other = codes.clone()
    begin = (0, *ENDS)[scale]
    other[:, begin] = (other[:, begin] + 1) % 20
    after = at_once(trunk, painter, other, classes)
    torch.testing.assert_close(after[:, : ENDS[scale]], before[:, : ENDS[scale]])
    assert scale == 3 or (after[:, ENDS[scale] :] - before[:, ENDS[scale] :]).abs().max() > 1e-3


@torch.no_grad()
def test_codes_of_a_scale_see_each_other() -> None:
    """A place of a scale is told by what the coarser ones say of all other places."""
    trunk, painter = built()
    start = trunk.embed_tokens(torch.tensor([1]))
    slots = painter.lesson(codes_of(1), start, Dice([0])).slots
    plan = AttentionPlan(torch.zeros(1, ENDS[-1], dtype=torch.int64), painter.blocks()[None])
    before = trunk(slots, start, plan.dense())
    moved = slots.clone()
    moved[:, ENDS[2] - 1] += torch.randn(WIDTH)
    after = trunk(moved, start, plan.dense())
    assert (after[:, ENDS[1]] - before[:, ENDS[1]]).abs().max() > 1e-4
    torch.testing.assert_close(after[:, : ENDS[1]], before[:, : ENDS[1]])


@torch.no_grad()
@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_drawn_codes_are_those_that_teacher_forcing_would_draw(guidance: float) -> None:
    trunk, painter = built()
    sampling = Sampling(guidance=guidance, top_k=7, top_p=0.9, temperature=0.8)
    codes = drawn(trunk, painter, [0, 1, 2], sampling, [5, 6, 7])
    assert codes.shape == (3, ENDS[-1]) and codes.min() >= 0 and codes.max() < 20
    classes = torch.tensor([0, 1, 2, 4, 4, 4] if guidance else [0, 1, 2])
    logits = at_once(trunk, painter, codes.repeat(len(classes) // 3, 1), classes)
    if guidance:
        strength = guidance * painter.blocks()[:, None] / 3
        logits = (1 + strength) * logits[:3] - strength * logits[3:]
    dice = Dice([5, 6, 7])
    again = [dice.choose(sampling.filtered(logits[:, begin:end])) for begin, end in zip((0, *ENDS), ENDS, strict=False)]
    assert torch.equal(torch.cat(again, dim=1), codes)


def test_a_step_is_a_scale() -> None:
    trunk, painter = built()
    assert [codes.shape[1] for codes in steps(trunk, painter, [0], Sampling(), [5])] == list(ENDS)


def test_every_weight_learns() -> None:
    for shared in (False, True):
        trunk, painter = built(shared=shared)
        start, codes = trunk.train().embed_tokens(torch.tensor([0, 1])), codes_of(2)
        lesson = painter.train().lesson(codes, start, Dice([0, 0]))
        hidden = hidden_of(trunk, painter, codes, torch.tensor([0, 1]), Dice([0, 0]))
        painter.losses(hidden, codes, lesson).sum().backward()
        for name, parameter in [*trunk.named_parameters(), *painter.named_parameters()]:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert all(parameter.grad is None for parameter in painter.quantizer.parameters())


def test_a_tokenizer_without_scales_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a quantizer of type multi-scale, for the painter next-scale, found vq"):
        painter_of(Vq.Config(codes=8, width=4).build(), 39, type="next-scale")
