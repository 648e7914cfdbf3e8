"""Partial LoRA: low-rank changes of linear layers for image tokens alone (InternLM-XComposer2, arXiv 2401.16420, section 3.1).

Shapes: B rows, L tokens, N image tokens, C channels that a layer reads, R rank.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.experts.base import EXPERTS, TokenExpert
from omma.parts.experts.routing import ImageTokens, carry, current_route
from omma.parts.experts.structure import blocks_of, legal_targets

WHERE = "model.expert.targets"


@EXPERTS.register("partial-lora")
class PartialLora(TokenExpert):
    """``y = W x`` for words, ``y = W x + (alpha / rank) B A dropout(x)`` for image tokens, in every block.

    B begins at zero, so the model begins as it was.
    """

    class Config(TokenExpert.Config):
        rank: int = Field(default=256, gt=0)
        alpha: float | None = Field(default=None, gt=0)
        """The change is multiplied with alpha / rank; alpha is as large as the rank if absent."""
        dropout: float = Field(default=0.05, ge=0, lt=1)
        targets: tuple[tuple[str, ...], ...] = Field(
            default=(("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj",), ("up_proj",), ("down_proj",)),
            min_length=1,
        )
        """Names of linear layers. Those of one group share their A: InternLM2 has queries, keys and values in one layer."""

        @field_validator("targets")
        @classmethod
        def _once(cls, targets: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
            names = [name for group in targets for name in group]
            if len(set(names)) != len(names) or not all(targets):
                raise ValueError("groups of names, each name once")
            return targets

    def __init__(self, config: Config, *, model: PreTrainedModel) -> None:
        super().__init__(config)
        names = [name for group in config.targets for name in group]
        self.blocks = nn.ModuleList()
        legal = legal_targets(model)
        remedy = f"write targets: {legal}" if legal else "use a model whose blocks have linear layers"
        for block, modules in blocks_of(model, names, where=WHERE, remedy=remedy):
            for name in names:
                if not isinstance(modules[name], nn.Linear):
                    found = f"{name}, a {type(modules[name]).__name__}"
                    raise BadInput(WHERE, expected="names of linear layers", found=found, remedy=remedy)
            carry(block)
            self.blocks.append(
                nn.ModuleDict(
                    {
                        "-".join(group): _LowRank(config, {name: modules[name] for name in group})
                        for group in config.targets
                    }
                )
            )


class _LowRank(nn.Module):
    """The low-rank change of linear layers that read the same."""

    def __init__(self, config: PartialLora.Config, linears: dict[str, nn.Linear]) -> None:
        super().__init__()
        widths = {linear.in_features for linear in linears.values()}
        if len(widths) > 1:
            raise BadInput(
                WHERE,
                expected="groups of linear layers that read the same",
                found=f"{', '.join(linears)}, which read {', '.join(map(str, sorted(widths)))} channels",
                remedy="write each in a group of its own",
            )
        self.scale, self.dropout = (config.alpha or config.rank) / config.rank, config.dropout
        self.down = nn.Parameter(torch.empty(config.rank, *widths))
        self.up = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(linear.out_features, config.rank)) for name, linear in linears.items()}
        )
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        for name, linear in linears.items():
            linear.register_forward_hook(partial(self._changed, name))

    def _changed(self, name: str, linear: nn.Module, inputs: tuple[Tensor], output_BLD: Tensor) -> Tensor | None:
        tokens: ImageTokens | None = current_route()
        if tokens is None:
            return None
        image_N = tokens.by_modality.places[0]
        seen_NC = inputs[0].flatten(0, -2).index_select(0, image_N)
        low_NR = F.linear(F.dropout(seen_NC, self.dropout, self.training), self.down)
        change = F.linear(low_NR, self.up[name]) * self.scale
        return output_BLD.flatten(0, -2).index_add(0, image_N, change).view_as(output_BLD)
