"""What an encoder-decoder keeps of the tokens that it has seen, in a cache of `transformers`.

In layers of the cache every token of a row has its place, with zeros where it is of the other side, so that whoever counts,
repeats or shortens caches finds what is in them as usual. First come the layers of the decoder's own attention, then those of its
attention to what is encoded, then the encoder's; these last two end at the last encoded token, as nothing behind it is looked up
in them.

Shapes: B rows, L new tokens, N new tokens of one side, S tokens of whole rows, A heads, D channels of a head.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from omma.parts.backbones.sides import Picked, Sides

Looked = tuple[Tensor, Tensor]
"""Keys and values, [B, A, tokens, D]."""


class EncodedLayer(DynamicLayer):
    """Tokens are taken away where it is used next: how many it is behind the rows only the model knows."""

    keys: Tensor | None
    values: Tensor | None

    def crop(self, tokens_to_remove: int) -> None:
        pass

    def at(self, length: int) -> None:
        """With as many tokens as rows have, zeros at the end or nothing behind them."""
        if self.is_initialized:
            assert self.keys is not None and self.values is not None
            missing = length - self.keys.shape[2]
            self.keys, self.values = (F.pad(kept, (0, 0, 0, missing)) for kept in (self.keys, self.values))


class Memory:
    """Keys and values of whole rows in a cache; without one, of the new tokens of a side alone.

    Args:
        encoding, decoding: the new tokens of each side.
        length: of new tokens in a row, L.
        blocks: of the decoder.
    """

    def __init__(self, cache: DynamicCache | None, encoding: Picked, decoding: Picked, length: int, blocks: int) -> None:
        self.cache, self.encoding, self.decoding = cache, encoding, decoding
        self.length, self.blocks = length, blocks
        self.past = cache.get_seq_length() if cache is not None else 0
        self.encodes = bool(encoding.real_BN.any())

    def decoded(self, number: int, new: Looked) -> Looked:
        """What the decoder's own attention looks at in that layer."""
        if self.cache is None:
            return new
        key, value = (self._spread(tensor, self.decoding) for tensor in new)
        found: Looked = self.cache.update(key, value, number)
        return found

    def encoded(self, number: int, new: Looked | None) -> Looked | None:
        """What is looked at in that layer of what is encoded; None if nothing ever was."""
        if self.cache is None:
            return new
        layer = self._encoded_layer(number)
        if new is not None:
            layer.at(self.past)
            key, value = (self._spread(tensor, self.encoding) for tensor in new)
            if not layer.is_initialized:
                key, value = (F.pad(tensor, (0, 0, self.past, 0)) for tensor in (key, value))
            return layer.update(key, value)
        if not layer.is_initialized:
            return None
        assert layer.keys is not None and layer.values is not None
        if layer.keys.shape[2] > self.past:
            layer.at(self.past)
        return layer.keys, layer.values

    def decoded_among(self, sides: Sides) -> Sides:
        """The tokens that `decoded` gives keys of."""
        return sides if self.cache is not None else sides.picked(self.decoding)

    def encoded_among(self, sides: Sides) -> Sides:
        """The tokens that `encoded` gives keys of."""
        if self.cache is None:
            return sides.picked(self.encoding)
        if self.encodes:
            return sides
        layer = self._encoded_layer(self.blocks)
        return sides.between(0, min(self.past, layer.get_seq_length()))

    def _encoded_layer(self, number: int) -> EncodedLayer:
        assert self.cache is not None
        layers: list[CacheLayerMixin] = self.cache.layers
        while len(layers) <= number:
            layers.append(EncodedLayer() if len(layers) >= self.blocks else DynamicLayer())
        layer = layers[number]
        assert isinstance(layer, EncodedLayer)
        return layer

    def _spread(self, some_BAND: Tensor, picked: Picked) -> Tensor:
        """[B, A, L, D], zeros where there is none of them."""
        rows = picked.put(some_BAND.transpose(1, 2).flatten(2), self.length)
        return rows.unflatten(2, (some_BAND.shape[1], -1)).transpose(1, 2)
