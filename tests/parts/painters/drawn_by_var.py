"""Painters over VAR's Transformer at toy size: one that learns and draws classes, with all of its steps."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import DynamicCache

from omma.parts.attention import AttentionPlan
from omma.parts.backbones.var import VarConfig, VarModel
from omma.parts.painters import PAINTERS, Painter
from omma.parts.painters.base import Dice, Sampling, Step
from omma.parts.quantizers.base import Quantizer

WIDTH = 32
CANVAS = {"type": "stretch-square", "size": 40}


def painter_of(quantizer: Quantizer, length: int, width: int = WIDTH, **config: object) -> Painter:
    return PAINTERS.parse({"canvas": CANVAS, **config}, where="painter").build(quantizer=quantizer, length=length, width=width)


def trunk_of(**config: object) -> VarModel:
    return VarModel(
        VarConfig(vocab_size=5, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=2, gamma_std=1.0, **config)
    ).eval()


def hidden_of(trunk: VarModel, painter: Painter, codes: Tensor, classes: Tensor, dice: Dice) -> Tensor:
    """What the Transformer makes of all slots at once."""
    start = trunk.embed_tokens(classes)
    lesson = painter.lesson(codes, start, dice)
    blocks = painter.blocks().expand(len(codes), -1)
    return trunk(lesson.slots, start, AttentionPlan(torch.zeros_like(blocks), blocks).dense())


def step_of(trunk: VarModel, start: Tensor, painter: Painter | None = None) -> Step:
    """All slots of a step see each other, unless the painter knows better."""
    cache = DynamicCache()

    def step(slots: Tensor, *, keep: bool = True) -> Tensor:
        allowed = None
        if painter is not None:
            known, among = cache.get_seq_length(), painter.seen_among(cache.get_seq_length(), slots.shape[1])
            allowed = torch.cat([among.new_ones(len(among), known), among], dim=1)[None, None]
        hidden = trunk(slots, start, allowed, cache)
        if not keep:
            cache.crop(-slots.shape[1])
        return hidden

    return step


def drawn(trunk: VarModel, painter: Painter, classes: list[int], sampling: Sampling, seeds: list[int]) -> Tensor:
    *_, codes = steps(trunk, painter, classes, sampling, seeds)
    return codes


def steps(
    trunk: VarModel, painter: Painter, classes: list[int], sampling: Sampling, seeds: list[int]
) -> Iterator[Tensor]:
    """With guidance, class 4 is none in particular."""
    start = trunk.embed_tokens(torch.tensor(classes + [4] * len(classes) if sampling.guidance else classes))
    return painter.draw(step_of(trunk, start), start, sampling, Dice(seeds))
