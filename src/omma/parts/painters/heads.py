"""Code heads: what embeds the codes that a Transformer reads, and predicts those that it draws.

Shapes: M places, N pictures, B rows (N, or twice as many with guidance), T places of each, C width, V codes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

from omma.errors import BadInput
from omma.parts.base import Part, PartConfig, Registry

Pick = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From logits [B, T, V] to numbers [N, T] and the logarithms of their probabilities."""


class CodeHead(Part, nn.Module):
    """Built with the ``vocabulary`` V, the ``width`` C, and whether it ``embeds`` codes, too."""

    class Config(PartConfig):
        pass

    def __init__(self, config: PartConfig, *, embeds: bool) -> None:
        super().__init__(config)
        self.embeds = embeds

    def init_weights(self, std: float) -> None:
        """Initialise tables and layers with numbers of that standard deviation."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.trunc_normal_(module.weight, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def embed(self, codes: Tensor) -> Tensor:
        """[..., C] of codes [...]."""
        raise NotImplementedError

    def losses(self, hidden_MC: Tensor, codes_M: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross-entropy [M] in nats.

        Args:
            smoothing: share of the probability that the target gives to all codes alike.
        """
        raise NotImplementedError

    def choose(self, hidden_BTC: Tensor, pick: Pick) -> tuple[Tensor, Tensor]:
        """Codes [N, T], and the logarithms of their probabilities."""
        raise NotImplementedError


CODE_HEADS: Registry[type[CodeHead]] = Registry("code head")


class WholeHead(CodeHead):
    """One logit for every code.

    Attributes:
        z_loss: coefficient of the squared logarithm of the softmax's sum, which is added to losses.
    """

    z_loss: float = 0.0

    def predict(self, hidden: Tensor) -> Tensor:
        """Logits [..., V]."""
        raise NotImplementedError

    def losses(self, hidden_MC: Tensor, codes_M: Tensor, smoothing: float = 0.0) -> Tensor:
        logits = self.predict(hidden_MC).float()
        losses = F.cross_entropy(logits, codes_M, reduction="none", label_smoothing=smoothing)
        return losses + self.z_loss * logits.logsumexp(-1).square() if self.z_loss else losses

    def choose(self, hidden_BTC: Tensor, pick: Pick) -> tuple[Tensor, Tensor]:
        return pick(self.predict(hidden_BTC))


@CODE_HEADS.register("linear")
class LinearHead(WholeHead):
    """Logits out of one layer; a table for what is read."""

    class Config(PartConfig):
        bias: bool = False
        tied: bool = False
        """Whether the layer's weights are the table's."""
        transform: bool = False
        """Whether another layer comes before it, with GELU and a norm, as in BERT."""
        z_loss: float = Field(default=0.0, ge=0)
        """Coefficient of the squared logarithm of the softmax's sum, beside 1 for the cross-entropy (PaLM, arXiv 2204.02311,
        section 5): logits stay near 0."""

    def __init__(self, config: Config, *, vocabulary: int, width: int, embeds: bool) -> None:
        super().__init__(config, embeds=embeds)
        self.z_loss = config.z_loss
        self.table = nn.Embedding(vocabulary, width) if embeds else None
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)) if config.transform else None
        if config.tied and self.table is None:
            raise BadInput(
                "model.painter.head.tied",
                expected="a painter that embeds codes, whose table the output layer could share",
                found="one that reads them in another way",
                remedy="set it to false",
            )
        self.layer = None if config.tied else nn.Linear(width, vocabulary, bias=config.bias)
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if config.tied and config.bias else None

    def predict(self, hidden: Tensor) -> Tensor:
        if self.transform is not None:
            hidden = self.transform(hidden)
        if self.layer is not None:
            return self.layer(hidden)
        assert self.table is not None
        return F.linear(hidden, self.table.weight, self.bias)

    def embed(self, codes: Tensor) -> Tensor:
        assert self.table is not None
        return self.table(codes)


@CODE_HEADS.register("mlp")
class MlpHead(WholeHead):
    """A table of few numbers a code and an MLP behind it for what is read, another MLP for what is predicted (Janus, arXiv
    2410.13848, section 3.1)."""

    class Config(PartConfig):
        width: int = Field(default=8, ge=1)
        """Numbers of a code in the table."""
        depth: int = Field(default=2, ge=1)
        """Linear layers behind it."""
        activation: str = "gelu"
        """An activation's name in `transformers` ("gelu" is the exact one)."""

    def __init__(self, config: Config, *, vocabulary: int, width: int, embeds: bool) -> None:
        super().__init__(config, embeds=embeds)
        activation = ACT2FN[config.activation]
        self.table = nn.Embedding(vocabulary, config.width) if embeds else None
        layers: list[nn.Module] = [nn.Linear(config.width, width)]
        for _ in range(config.depth - 1):
            layers += [activation, nn.Linear(width, width)]
        self.read = nn.Sequential(*layers) if embeds else None
        self.tell = nn.Sequential(nn.Linear(width, width), activation, nn.Linear(width, vocabulary))

    def predict(self, hidden: Tensor) -> Tensor:
        return self.tell(hidden)

    def embed(self, codes: Tensor) -> Tensor:
        assert self.table is not None and self.read is not None
        return self.read(self.table(codes))


@CODE_HEADS.register("factorised")
class FactorisedHead(CodeHead):
    """Codes as several numbers of a few bits each, the least significant first, each embedded and predicted by itself: the 2^18
    codes of MAGVIT-v2 as two of 512, with the tables for output layers (arXiv 2310.05737, section 3.2)."""

    class Config(PartConfig):
        bits: tuple[int, ...] = Field(default=(9, 9), min_length=1)
        """Of each number; together as many as a code has."""

    def __init__(self, config: Config, *, vocabulary: int, width: int, embeds: bool) -> None:
        super().__init__(config, embeds=embeds)
        if min(config.bits) < 1 or 1 << sum(config.bits) != vocabulary:
            raise BadInput(
                "model.painter.head.bits",
                expected=f"numbers of bits whose sum is that of {vocabulary:,} codes ({(vocabulary - 1).bit_length()})",
                found=" + ".join(map(str, config.bits)) + f", {1 << sum(config.bits):,} codes",
                remedy="change them, or choose the head linear for codes that are not made of bits",
            )
        self.tables = nn.ModuleList(nn.Embedding(1 << bits, width) for bits in config.bits)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(1 << bits)) for bits in config.bits)
        self._shifts = [0, *accumulate(config.bits[:-1])]

    def _parts(self, codes: Tensor) -> list[Tensor]:
        """The numbers that codes are made of."""
        shifted = zip(self.config.bits, self._shifts, strict=True)
        return [codes >> shift & ((1 << bits) - 1) for bits, shift in shifted]

    def _logits(self, hidden: Tensor) -> list[Tensor]:
        return [F.linear(hidden, table.weight, bias) for table, bias in zip(self.tables, self.biases, strict=True)]

    def embed(self, codes: Tensor) -> Tensor:
        parts = zip(self.tables, self._parts(codes), strict=True)
        return torch.stack([table(part) for table, part in parts]).sum(0)

    def losses(self, hidden_MC: Tensor, codes_M: Tensor, smoothing: float = 0.0) -> Tensor:
        each = [
            F.cross_entropy(logits.float(), part, reduction="none", label_smoothing=smoothing)
            for logits, part in zip(self._logits(hidden_MC), self._parts(codes_M), strict=True)
        ]
        return torch.stack(each).sum(0)

    def choose(self, hidden_BTC: Tensor, pick: Pick) -> tuple[Tensor, Tensor]:
        picked = [pick(logits) for logits in self._logits(hidden_BTC)]
        codes = torch.stack([part << shift for (part, _), shift in zip(picked, self._shifts, strict=True)]).sum(0)
        return codes, torch.stack([chance for _, chance in picked]).sum(0)
