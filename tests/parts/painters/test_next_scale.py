"""Next-scale prediction with VAR's Transformer: published sizes, step by step as all at once, no scale told by finer ones, and drawing."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from omma.errors import BadInput
from omma.parts.attention import AttentionPlan
from omma.parts.backbones.var import VarConfig, VarModel
from omma.parts.painters import PAINTERS
from omma.parts.painters.base import Dice, Sampling, Step
from omma.parts.painters.next_scale import NextScale
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.quantizers.vq import Vq

SCALES = (1, 2, 3, 5)
ENDS = (1, 5, 14, 39)


def built(*, shared: bool = False, scales: tuple[int, ...] = SCALES) -> tuple[VarModel, NextScale]:
    torch.manual_seed(0)
    quantizer: MultiScale = MultiScale.Config(codes=20, width=6, scales=scales).build()
    config = VarConfig(
        vocab_size=5, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, shared_conditioning=shared, gamma_std=1.0
    )
    trunk = VarModel(config).eval()
    painter: NextScale = PAINTERS.parse({"type": "next-scale"}, where="painter").build(quantizer=quantizer, width=32)
    with torch.no_grad():
        quantizer.codebook.normal_()
        painter.predict.weight.normal_(0, 0.3)
    return trunk, painter.eval()


def codes_of(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 20, (count, ENDS[-1]), generator=torch.Generator().manual_seed(seed))


def at_once(trunk: VarModel, painter: NextScale, codes: Tensor, classes: Tensor) -> Tensor:
    start = trunk.embed_tokens(classes)
    plan = AttentionPlan(torch.zeros_like(codes), painter.blocks().expand_as(codes))
    return painter.logits(trunk(painter.inputs(codes, start), start, plan.dense()))


def step_of(trunk: VarModel, start: Tensor) -> Step:
    cache = DynamicCache()
    return lambda slots: trunk(slots, start, None, cache)


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
        painter = NextScale.Config().build(quantizer=MultiScale.Config(scales=scales).build(), width=64 * depth)
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
    step, slots = step_of(trunk, start), painter.inputs(codes, start)
    parts = [painter.logits(step(slots[:, begin:end])) for begin, end in zip((0, *ENDS), ENDS, strict=False)]
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
    slots = painter.inputs(codes_of(1), start)
    plan = AttentionPlan(torch.zeros(1, ENDS[-1], dtype=torch.int64), painter.blocks()[None])
    before = trunk(slots, start, plan.dense())
    moved = slots.clone()
    moved[:, ENDS[2] - 1] += torch.randn(32)
    after = trunk(moved, start, plan.dense())
    assert (after[:, ENDS[1]] - before[:, ENDS[1]]).abs().max() > 1e-4
    torch.testing.assert_close(after[:, : ENDS[1]], before[:, : ENDS[1]])


@torch.no_grad()
@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_drawn_codes_are_those_that_teacher_forcing_would_draw(guidance: float) -> None:
    trunk, painter = built()
    classes = torch.tensor([0, 1, 2, 4, 4, 4]) if guidance else torch.tensor([0, 1, 2])
    sampling = Sampling(guidance=guidance, top_k=7, top_p=0.9)
    start = trunk.embed_tokens(classes)
    drawn = painter.draw(step_of(trunk, start), start, sampling, Dice([5, 6, 7]))
    assert drawn.shape == (3, ENDS[-1]) and drawn.min() >= 0 and drawn.max() < 20
    logits = at_once(trunk, painter, drawn.repeat(len(classes) // 3, 1), classes)
    if guidance:
        strength = guidance * painter.blocks()[:, None] / 3
        logits = (1 + strength) * logits[:3] - strength * logits[3:]
    dice = Dice([5, 6, 7])
    again = [dice.choose(sampling.filtered(logits[:, begin:end])) for begin, end in zip((0, *ENDS), ENDS, strict=False)]
    assert torch.equal(torch.cat(again, dim=1), drawn)


@torch.no_grad()
def test_a_picture_is_the_same_alone_and_beside_others() -> None:
    trunk, painter = built()
    start = trunk.embed_tokens(torch.tensor([0, 1, 2]))
    together = painter.draw(step_of(trunk, start), start, Sampling(), Dice([5, 6, 7]))
    alone = painter.draw(step_of(trunk, start[1:2]), start[1:2], Sampling(), Dice([6]))
    assert torch.equal(together[1:2], alone)
    other = painter.draw(step_of(trunk, start[1:2]), start[1:2], Sampling(), Dice([8]))
    assert not torch.equal(alone, other)


def test_dice_are_fair_and_filters_keep_the_likeliest() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1, 4000, 4)
    counts = Counter(Dice([3]).choose(logits).flatten().tolist())
    for code, share in enumerate((0.5, 0.3, 0.15, 0.05)):
        assert counts[code] / 4000 == pytest.approx(share, abs=0.03)
    assert Sampling(top_k=2).filtered(logits)[0, 0].isfinite().tolist() == [True, True, False, False]
    # Of the likeliest two, one has 0.625 of the probability: first by number, then by probability.
    assert Sampling(top_k=2, top_p=0.6).filtered(logits)[0, 0].isfinite().tolist() == [True, False, False, False]
    assert torch.equal(Sampling().filtered(logits), logits)


def test_every_weight_learns() -> None:
    for shared in (False, True):
        trunk, painter = built(shared=shared)
        logits = at_once(trunk.train(), painter.train(), codes_of(2), torch.tensor([0, 1]))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), codes_of(2).flatten()).backward()
        for name, parameter in [*trunk.named_parameters(), *painter.named_parameters()]:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert all(parameter.grad is None for parameter in painter.quantizer.parameters())


def test_a_tokenizer_without_scales_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a quantizer of type multi-scale, for the painter next-scale, found vq"):
        NextScale.Config().build(quantizer=Vq.Config(codes=8, width=4).build(), width=32)
