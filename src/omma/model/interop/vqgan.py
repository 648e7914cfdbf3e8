"""VQGAN's networks (taming-transformers) under the names that its descendants keep, and as `diffusers` has them.

Janus', Chameleon's and Emu3's image tokenizers of `transformers` differ little in what they call things: prefixes are paired
here, level by level, so that both directions are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omma.parts.tokenizers.convolutional import Convolutional
from omma.parts.tokenizers.movq import Movq

Pair = tuple[str, str]
"""(a prefix there, and here)."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a descendant calls what they all have.

    Attributes:
        down, up: what its levels are in.
        middle: the blocks between.
        attention: its four layers, from queries to the output.
        norm: of attention, in a level and in the middle.
        upwards: whether levels of the decoder are counted from the smallest pictures.
        modulated: whether norms of its decoder are MoVQ's.
    """

    down: str = "down."
    up: str = "up."
    middle: str = "mid."
    attention: Sequence[str] = ("q.", "k.", "v.", "proj_out.")
    norm: tuple[str, str] = ("attn.{}.norm.", "attn_1.norm.")
    upwards: bool = True
    modulated: bool = False


TAMING = Spelling()
"""Janus' and Chameleon's."""
EMU3 = Spelling(
    down="down_block.down.",
    up="up_block.up.",
    middle="middle_block.",
    attention=("q_proj.", "k_proj.", "v_proj.", "out_proj."),
    norm=("attn_norms.{}.", "attn_norm."),
    upwards=False,
    modulated=True,
)
OURS = ("to_q.", "to_k.", "to_v.", "to_out.0.")


def halves(config: Convolutional.Config | Movq.Config, spelling: Spelling, *, paints: bool = True) -> list[Pair]:
    """The pairs of encoder and decoder.

    Args:
        paints: whether there is a decoder.
    """
    levels = len(config.multipliers)
    pairs = [*_half("encoder.", "encoder.", levels, config.blocks, config.attention, spelling)]
    if paints:
        pairs += _half("decoder.", "decoder.", levels, config.blocks + 1, config.attention, spelling)
    return pairs


def _half(there: str, here: str, levels: int, blocks: int, attention: bool, spelling: Spelling) -> Iterator[Pair]:
    decodes = here == "decoder."
    norm = "spatial_norm." if decodes and spelling.modulated else "group_norm."
    yield f"{there}conv_in.", f"{here}conv_in."
    yield f"{there}conv_out.", f"{here}conv_out."
    yield f"{there}norm_out.", f"{here}conv_norm_out."
    for number in range(2):
        yield from _block(f"{there}{spelling.middle}block_{number + 1}.", f"{here}mid_block.resnets.{number}.")
    middle = f"{there}{spelling.middle}"
    yield from _attention(f"{middle}attn_1.", middle + spelling.norm[1], f"{here}mid_block.attentions.0.", norm, spelling)
    for level in range(levels):
        theirs = levels - 1 - level if decodes and not spelling.upwards else level
        place = f"{there}{spelling.up if decodes else spelling.down}{theirs}."
        own = f"{here}{'up_blocks' if decodes else 'down_blocks'}.{level}."
        sampler = ("upsample.", "upsamplers.0.") if decodes else ("downsample.", "downsamplers.0.")
        if level < levels - 1:
            yield place + sampler[0], own + sampler[1]
        lowest = level == (0 if decodes else levels - 1)
        for block in range(blocks):
            yield from _block(f"{place}block.{block}.", f"{own}resnets.{block}.")
            if lowest and attention:
                theirs_norm = place + spelling.norm[0].format(block)
                yield from _attention(f"{place}attn.{block}.", theirs_norm, f"{own}attentions.{block}.", norm, spelling)


def _block(there: str, here: str) -> Iterator[Pair]:
    yield there, here
    yield f"{there}nin_shortcut.", f"{here}conv_shortcut."


def _attention(there: str, there_norm: str, here: str, norm: str, spelling: Spelling) -> Iterator[Pair]:
    yield there_norm, here + norm
    for theirs, own in zip(spelling.attention, OURS, strict=True):
        yield there + theirs, here + own


def through_time(config: Movq.Config) -> Iterator[Pair]:
    """The pairs of what Emu3's tokenizer does to clips, and of the layers between it and the codes."""
    assert config.temporal is not None
    yield "quant_conv.conv.", "enter."
    yield "post_quant_conv.conv.", "leave."
    for number in range(config.temporal):
        yield f"encoder.time_conv.{number}.conv.conv.", f"read_time.{number}.conv."
        yield f"decoder.time_conv.{number}.conv.conv.", f"paint_time.{config.blocks + number}.conv."
    for number in range(config.blocks):
        for side, place in (("encoder", f"read_time.{config.temporal + number}."), ("decoder", f"paint_time.{number}.")):
            yield f"{side}.time_res_stack.{number}.", place
            for conv in ("conv1.", "conv2."):
                yield f"{side}.time_res_stack.{number}.{conv}conv.", place + conv
