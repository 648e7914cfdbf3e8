"""Modality experts: image tokens have weights of their own, and attend together with the words (BEiT-3, arXiv 2208.10442,
section 2.1: Multiway Transformer).

What is split is a matter of the source: the paper shares attention and splits feed-forward layers ("ffn"); the published
base and large models also split the projections around attention and all norms ("all"). The last blocks may have a third
feed-forward layer, which all tokens go through that are in a document with pictures and words (the paper's giant model: three).

Shapes: B rows, L tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.experts.base import EXPERTS, TokenExpert
from omma.parts.experts.routing import ImageTokens, carry, current_route
from omma.parts.experts.structure import blocks_of, legal_targets

BLOCK = {"self_attn", "input_layernorm", "mlp", "post_attention_layernorm"}
"""What a block is made of: a norm and attention, a norm and a feed-forward layer. Others (norms behind them, say) would have
to be split in other places."""

DENSE = (nn.Linear, nn.LayerNorm)
"""What a plain feed-forward layer is made of, with a norm inside it or without."""

LAST_NORMS = ("norm", "final_layernorm", "final_layer_norm")
"""What families call the norm behind their last block."""


@EXPERTS.register("modality-experts")
class ModalityExperts(TokenExpert):
    """Copies of a block's modules, which take the place of the originals for image tokens. The originals keep the words.

    They begin equal, so the model begins as it was.

    Attributes:
        pair_blocks: modules for documents that hold both, of the last blocks.
    """

    class Config(TokenExpert.Config):
        split: Literal["ffn", "all"] = "ffn"
        """``ffn``: feed-forward layers and the norms before them. ``all``: everything but attention itself, which runs over
        all tokens: also the projections of queries, keys, values and output, every norm, and the last one."""
        pair_blocks: int = Field(default=0, ge=0)
        """So many of the last blocks have a feed-forward layer for the tokens of documents with both pictures and words."""

    def __init__(self, config: Config, *, model: PreTrainedModel) -> None:
        super().__init__(config)
        self._pairs: list[tuple[nn.Module, nn.Module]] = []
        self.blocks = nn.ModuleList()
        remedy = "use for instance Llama, Mistral, Qwen2 or Qwen3"
        if legal := legal_targets(model):
            remedy += f", or the expert partial-lora with targets: {legal}"
        found: list[dict[str, nn.Module]] = []
        for block, modules in blocks_of(model, sorted(BLOCK), where="model.expert", remedy=remedy):
            children = {name for name, child in block.named_children() if next(child.parameters(), None) is not None}
            dense = all(isinstance(module, DENSE) for module in _leaves(modules["mlp"]).values())
            if children != BLOCK or not dense:
                raise BadInput(
                    "model.expert",
                    expected=f"blocks of {', '.join(sorted(BLOCK))}, a plain feed-forward layer",
                    found=f"{', '.join(sorted(children))} in {type(model).__name__}",
                    remedy=remedy,
                )
            carry(block)
            networks = {name: modules[name] for name in ("post_attention_layernorm", "mlp")}
            split = {}
            if config.split == "all":
                split = {"input_layernorm": modules["input_layernorm"], **_leaves(modules["self_attn"])}
            self.blocks.append(nn.ModuleDict({name: self._copy(module) for name, module in split.items()}))
            found.append(networks)
        self._split_networks(found)
        if config.split == "all":
            self.norm = self._copy(_last_norm(model))

    def _split_networks(self, blocks: list[dict[str, nn.Module]]) -> None:
        """Copy the feed-forward layers and the norms before them: once, and once more in the blocks for pairs."""
        pairs = self.config.pair_blocks
        if pairs > len(blocks):
            raise BadInput(
                "model.expert.pair_blocks",
                expected=f"at most the {len(blocks)} blocks of the language model",
                found=str(pairs),
                remedy="lower it",
            )
        self.pair_blocks = nn.ModuleList()
        for number, (block, networks) in enumerate(zip(self.blocks, blocks, strict=True)):
            for_pairs = number >= len(blocks) - pairs
            if for_pairs:
                self.pair_blocks.append(nn.ModuleDict({name: self._twin(module) for name, module in networks.items()}))
            for name, module in networks.items():
                twins = (self._twin(module), self.pair_blocks[-1][name]) if for_pairs else (self._twin(module),)
                block[name] = twins[0]
                module.forward = partial(_by_modality, module.forward, twins)  # type: ignore[method-assign]

    def _copy(self, original: nn.Module) -> nn.Module:
        """A module's twin, through which image tokens go from now on."""
        twin = self._twin(original)
        original.forward = partial(_by_modality, original.forward, (twin,))  # type: ignore[method-assign]
        return twin

    def _twin(self, original: nn.Module) -> nn.Module:
        twin = copy.deepcopy(original)
        self._pairs.append((original, twin))
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


def _by_modality(original: Callable[[Tensor], Tensor], twins: tuple[nn.Module, ...], inputs: Tensor) -> Tensor:
    """Outputs [B, L, ...]: the first twin's for image tokens, the original's for all others; the second twin's, if there is
    one, for documents that hold both."""
    tokens: ImageTokens | None = current_route()
    if tokens is None:
        return original(inputs)
    parted = tokens.by_modality if len(twins) == 1 else tokens.by_modality_and_pair
    flat = inputs.flatten(0, 1)
    # In the order of the parts: pictures, words, pairs.
    modules = (twins[0], original, *twins[1:])
    # What has no token is left out, so that its weights do not count as used.
    outputs = [module(flat.index_select(0, places)) for module, places in zip(modules, parted.places, strict=True) if len(places)]
    return torch.cat(outputs).index_select(0, parted.back).unflatten(0, inputs.shape[:2])
