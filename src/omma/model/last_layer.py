"""The feed-forward network of the last decoder layer, on those tokens alone that are read afterwards.

What the last layer makes of a token goes nowhere but to the output head, and in training most tokens never go there: pictures
and questions have no target. Keys and values are needed of all tokens, the network after attention is not: with six layers
it is a tenth of the work.

Shapes: B rows, L tokens, H model width, N tokens that are read.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class LastLayer:
    """Knows which tokens of a language model are read, and spares the last feed-forward network the others.

    Inside `sparing` the last hidden states of tokens that are not read mean nothing. Of a language model whose layers are not
    laid out as usual (a module ``mlp`` that takes hidden states and nothing else) every token is computed as ever.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.network = _last_network(model)
        self._shape: torch.Size | None = None
        self._index = torch.empty(0, dtype=torch.int64)

    def read(self, tokens_BL: Tensor) -> None:
        """The boolean of the forward passes to come and, under gradient checkpointing, of their repetition on the way back."""
        self._shape, self._index = tokens_BL.shape, tokens_BL.flatten().nonzero()[:, 0]

    @contextmanager
    def sparing(self) -> Iterator[None]:
        if self.network is None:
            yield
            return
        hooks = self.network.register_forward_pre_hook(self._gather), self.network.register_forward_hook(self._scatter)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self._shape = None

    def _gather(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._shape is None:
            return None
        return (inputs[0].flatten(0, 1).index_select(0, self._index)[None],)

    def _scatter(self, network: nn.Module, inputs: tuple[Tensor, ...], found_1NH: Tensor) -> Tensor | None:
        if self._shape is None:
            return None
        whole = found_1NH.new_zeros(self._shape.numel(), found_1NH.shape[-1])
        return whole.index_copy(0, self._index, found_1NH[0]).unflatten(0, self._shape)


def _last_network(model: PreTrainedModel) -> nn.Module | None:
    layers = getattr(model.get_decoder(), "layers", None)
    network = getattr(layers[-1], "mlp", None) if isinstance(layers, nn.ModuleList) and len(layers) else None
    if not isinstance(network, nn.Module) or len(inspect.signature(network.forward).parameters) != 1:
        return None
    return network
