"""What one picture costs before the first word of an answer: operations of the prefill, and bytes of the cache.

A multiplication and an addition are two FLOPs; norms, activations, softmax, resizing and positions are not counted.

    encoder, projector   2 x m x n x k of every product of an [m, k] by a [k, n] matrix that they compute for the
                         picture's views (a convolution: 2 x weights of a filter x filters x places; attention: both its
                         products, over all pairs). They are run without numbers, on the meta device, and their products
                         noted, so any architecture is counted as omma runs it, layers beyond the tap included.
    language model       2 x W x n + 4 x layers x A x n^2 + 2 x V x hidden

with n the positions of the picture in the sequence (image tokens and text between them), W the entries of the matrices of
its layers, which every position meets (and of a partial LoRA, which image tokens do), A the width of the queries of all
heads, and V the vocabulary, which only the last position is compared with. Attention counts all n^2 pairs, as a dense
product computes them; a causal kernel may leave out half. Of a mixture of experts, W holds those that one position meets.

    cache                2 x layers x key-value width x bytes of a number x n
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from omma.model.views import WHOLE
from omma.parts.encoders import Encoder
from omma.parts.experts.partial_lora import PartialLora
from omma.parts.projectors import Projector
from omma.parts.resolution import Plan

CACHE_NUMBER = 2
"""Bytes of a number in the cache: bf16."""

FORMULAS = (
    "one multiplication and one addition are 2 FLOPs; norms, activations, softmax and resizing are not counted",
    "encoder, projector = 2 × m × n × k of every matrix product, convolution and attention of all views, as they are run",
    "language model = 2 × W × n + 4 × layers × A × n² + 2 × vocabulary × hidden",
    "cache = 2 × layers × key-value width × 2 bytes (bf16) × n",
    "n: image tokens, and one token for each text between them; W: entries of the matrices of all layers; "
    "A: width of the queries of all heads",
)
"""In words, for whoever reads the numbers."""


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs by part, and bytes; what is not there costs nothing."""

    encoder: int = 0
    projector: int = 0
    language_model: int = 0
    cache: int = 0

    @property
    def flops(self) -> int:
        return self.encoder + self.projector + self.language_model


def cost_of(parts: Mapping[str, nn.Module], plan: Plan, tokens: int, texts: int) -> Cost:
    """The cost of one picture.

    Args:
        parts: modules on the meta device by ``encoder``, ``projector``, ``language_model``, ``expert``; all but the first may
            be missing.
        tokens: image tokens that the picture becomes.
        texts: between them.
    """
    encoder: Any = parts["encoder"]
    if "language_model" not in parts:
        return Cost(encoder_flops(encoder, plan))
    projector: Any = parts["projector"]
    language_model: Any = parts["language_model"]
    reading, expert = language_model_flops(language_model, tokens + texts), parts.get("expert")
    # Other experts take the place of matrices that are counted.
    if isinstance(expert, PartialLora) and expert.config.pictures != "drawn":
        reading += 2 * sum(p.numel() for p in expert.parameters()) * tokens
    return Cost(
        encoder_flops(encoder, plan),
        projector_flops(projector, encoder, plan),
        reading,
        cache_bytes(language_model.config, CACHE_NUMBER) * (tokens + texts),
    )


def encoder_flops(encoder: Encoder, plan: Plan) -> int:
    """FLOPs of all views of a plan."""
    return sum(
        views * _counted(encoder, encoder.read, torch.empty(1, 3, height, width, device="meta"), branch, _cells(whole))
        for ((width, height), branch, whole), views in _alike(plan).items()
    )


def projector_flops(projector: Projector, encoder: Encoder, plan: Plan) -> int:
    """FLOPs of all views of a plan; those whose features are joined to others' have none of their own."""
    total = 0
    for (size, branch, whole), views in _alike(plan).items():
        rows, columns = encoder.grid(size, branch)
        if rows:
            features = torch.empty(1, rows * columns, encoder.width, device="meta")
            total += views * _counted(projector, projector.project, features, (rows, columns), branch, _cells(whole))
    return total


def language_model_flops(language_model: Any, positions: int) -> int:
    """FLOPs of the prefill of so many positions, by the formula above."""
    settings = language_model.config
    head = language_model.get_output_embeddings().weight
    tables = {id(module.weight) for module in language_model.modules() if isinstance(module, nn.Embedding)} | {id(head)}
    matrices = 0
    for parameter in (p for p in language_model.parameters() if id(p) not in tables):
        if parameter.ndim == 2:
            matrices += parameter.numel()
        elif parameter.ndim == 3:  # the experts of a mixture, stacked
            matrices += settings.num_experts_per_tok * parameter[0].numel()
    queries = settings.num_attention_heads * _head_width(settings)
    attention = 4 * settings.num_hidden_layers * queries * positions**2
    return 2 * matrices * positions + attention + 2 * head.numel()


def cache_bytes(settings: Any, number: int) -> int:
    """Bytes of the cache of one position.

    Args:
        settings: the `transformers` config of the language model.
        number: bytes of a number.
    """
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    return 2 * settings.num_hidden_layers * heads * _head_width(settings) * number


def _head_width(settings: Any) -> int:
    return getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads


def _alike(plan: Plan) -> Counter[tuple[tuple[int, int], int, bool]]:
    """Numbers of views by what decides their cost: size, branch, and whether they show the whole picture."""
    return Counter((view.size, view.branch, view.cell is None) for view in plan.views)


def _cells(whole: bool) -> torch.Tensor:
    """The cell [1, 2] of a view. It holds numbers, unlike all else: some parts look places up by them."""
    return torch.full((1, 2), WHOLE if whole else 0)


class _WithoutNumbers(TorchDispatchMode):
    """Lets tensors that hold numbers, such as indices, meet those on the meta device, by forgetting the numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = (args, kwargs or {})
        if any(isinstance(leaf, torch.Tensor) and leaf.is_meta for leaf in tree_leaves(inputs)):
            inputs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), inputs)
        return func(*inputs[0], **inputs[1])


def _counted(part: nn.Module, run: Callable[..., Any], *inputs: Any) -> int:
    """FLOPs of a run of a part on the meta device."""
    part.eval()  # in training, some architectures leave out layers by chance
    with FlopCounterMode(display=False) as counter, _WithoutNumbers():
        run(*inputs)
    return counter.get_total_flops()
