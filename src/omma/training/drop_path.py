"""Stochastic depth in encoders, for one stage of training (`omma.parts.stochastic_depth`).

Towers of which `transformers` has it built in have a ``drop_path_rate`` in their architecture; this is for the others, and
for stages that differ (InternVL 1.5: 0.2, then 0.4).

Shapes: N views, T tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.parts.experts.structure import blocks_of
from omma.parts.stochastic_depth import left_out_at_times, share_of_block

WHERE = "recipe field drop_path"
ATTENTION = ("attention", "self_attn")
"""What families call the attention of a block; all of them have an ``mlp``."""


@contextmanager
def dropping_paths(encoder: nn.Module | None, share: float) -> Iterator[None]:
    """Inside, blocks that learn leave out what their attention, and what their MLP adds, each for views of its own.

    Args:
        share: of the views, in the last block.

    Raises:
        BadInput: if no encoder learns, or one that does is not made of equal blocks of attention and an MLP.
    """
    handles = []
    for tower in _learning(encoder) if share else ():
        names = {path.rpartition(".")[2] for path, _ in tower.model.named_modules()}
        attention = next((name for name in ATTENTION if name in names), ATTENTION[0])
        blocks = blocks_of(tower.model, (attention, "mlp"), where=WHERE, remedy="use for instance InternViT, CLIP or ViT, or 0")
        for number, (_, modules) in enumerate(blocks):
            hook = partial(_thinned, share_of_block(share, number, len(blocks)))
            handles += [module.register_forward_hook(hook) for module in modules.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _learning(encoder: nn.Module | None) -> list[TransformersEncoder]:
    towers = [tower for tower in encoder.modules() if isinstance(tower, TransformersEncoder)] if encoder is not None else []
    found = [tower for tower in towers if any(parameter.requires_grad for parameter in tower.model.parameters())]
    if not found:
        raise BadInput(WHERE, expected="an encoder that learns", found="none", remedy="leave it out, or let the encoder learn")
    return found


def _thinned(share: float, module: nn.Module, inputs: Any, output: Any) -> Any:
    """The output [N, T, C], or a tuple that begins with it, without some views."""
    if not module.training or not share:
        return None
    branch_NTC: Tensor = output[0] if isinstance(output, tuple) else output
    thinned_NTC = left_out_at_times(branch_NTC, share)
    return (thinned_NTC, *output[1:]) if isinstance(output, tuple) else thinned_NTC
