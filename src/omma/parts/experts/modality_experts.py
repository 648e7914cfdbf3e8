"""Modality experts: image tokens have weights of their own, and attend together with the words (BEiT-3, arXiv 2208.10442,
section 2.1: Multiway Transformer).

What is split is a matter of the source: the paper shares attention and splits feed-forward layers ("ffn"); the published
base and large models also split the projections around attention and all norms ("all"). The giant model of the paper, which
was not published, has a third feed-forward layer for pairs in its last three blocks; it is left out here.

Shapes: B rows, L tokens, N image tokens, M others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.experts.base import EXPERTS, Expert
from omma.parts.experts.routing import ImageTokens, carry, current_route
from omma.parts.experts.structure import blocks_of, legal_targets

BLOCK = {"self_attn", "input_layernorm", "mlp", "post_attention_layernorm"}
"""What a block is made of: a norm and attention, a norm and a feed-forward layer. Others (norms behind them, say) would have
to be split in other places."""

LAST_NORMS = ("norm", "final_layernorm", "final_layer_norm")
"""What families call the norm behind their last block."""


@EXPERTS.register("modality-experts")
class ModalityExperts(Expert):
    """Copies of a block's modules, which take the place of the originals for image tokens. The originals keep the words.

    They begin equal, so the model begins as it was.
    """

    inside = "backbone"

    class Config(PartConfig):
        split: Literal["ffn", "all"] = "ffn"
        """``ffn``: feed-forward layers and the norms before them. ``all``: everything but attention itself, which runs over
        all tokens: also the projections of queries, keys, values and output, every norm, and the last one."""

    def __init__(self, config: Config, *, model: PreTrainedModel) -> None:
        super().__init__(config)
        self._pairs: list[tuple[nn.Module, nn.Module]] = []
        self.blocks = nn.ModuleList()
        remedy = "use for instance Llama, Mistral, Qwen2 or Qwen3"
        if legal := legal_targets(model):
            remedy += f", or the expert partial-lora with targets: {legal}"
        for block, modules in blocks_of(model, sorted(BLOCK), where="model.expert", remedy=remedy):
            children = {name for name, child in block.named_children() if next(child.parameters(), None) is not None}
            dense = all(isinstance(module, nn.Linear) for module in _leaves(modules["mlp"]).values())
            if children != BLOCK or not dense:
                raise BadInput(
                    "model.expert",
                    expected=f"blocks of {', '.join(sorted(BLOCK))}, a plain feed-forward layer",
                    found=f"{', '.join(sorted(children))} in {type(model).__name__}",
                    remedy=remedy,
                )
            split = {name: modules[name] for name in ("post_attention_layernorm", "mlp")}
            if config.split == "all":
                split |= {"input_layernorm": modules["input_layernorm"], **_leaves(modules["self_attn"])}
            carry(block)
            self.blocks.append(nn.ModuleDict({name: self._copy(module) for name, module in split.items()}))
        if config.split == "all":
            self.norm = self._copy(_last_norm(model))

    def _copy(self, original: nn.Module) -> nn.Module:
        twin = copy.deepcopy(original)
        self._pairs.append((original, twin))
        original.forward = partial(_by_modality, original.forward, twin)
        return twin

    def begin(self) -> None:
        for original, twin in self._pairs:
            twin.load_state_dict(original.state_dict())


def _last_norm(model: PreTrainedModel) -> nn.Module:
    """The norm behind the last block."""
    decoder = model.get_decoder()
    found = [getattr(decoder, name) for name in LAST_NORMS if isinstance(getattr(decoder, name, None), nn.Module)]
    if len(found) != 1:
        raise BadInput(
            "model.expert.split",
            expected=f"a decoder that ends with {' or '.join(LAST_NORMS)}, to be split with everything else",
            found=f"none in {type(decoder).__name__}" if not found else "several",
            remedy="use split: ffn",
        )
    return found[0]


def _leaves(module: nn.Module) -> dict[str, nn.Module]:
    """The modules inside that hold parameters themselves, by the last piece of their names."""
    return {
        path.rpartition(".")[2]: inner
        for path, inner in module.named_modules()
        if next(inner.parameters(recurse=False), None) is not None
    }


def is_split(module: nn.Module) -> bool:
    """Whether a module is for words alone, because image tokens go through its twin."""
    forward = vars(module).get("forward")
    return isinstance(forward, partial) and forward.func is _by_modality


def _by_modality(original: Callable[[Tensor], Tensor], twin: nn.Module, inputs: Tensor) -> Tensor:
    """Outputs [B, L, ...]: the twin's for image tokens, the original's for all others."""
    tokens: ImageTokens | None = current_route()
    if tokens is None:
        return original(inputs)
    flat = inputs.flatten(0, 1)
    outputs = torch.cat([twin(flat.index_select(0, tokens.image_N)), original(flat.index_select(0, tokens.other_M))])
    return outputs.index_select(0, tokens.back).unflatten(0, inputs.shape[:2])
