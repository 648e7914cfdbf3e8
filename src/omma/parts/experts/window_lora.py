"""One LoRA for each window of a canvas, inside an encoder that all views share (Monkey, arXiv 2311.06607, section 3.1).

Shapes: N views, M of them windows, T tokens of a view, C channels, D channels of an output, K windows with a LoRA, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.experts.base import EXPERTS, Expert
from omma.parts.experts.routing import carry, current_route, routed
from omma.parts.experts.structure import blocks_of

INPUTS = ("q_proj", "k_proj", "v_proj")
OTHERS = (("out_proj", "layer_norm2"), ("o_proj", "norm2"), ("o_proj", "layernorm_after"))
"""Names of attention's output layer and of the norm before the MLP: CLIP and SigLIP, DINOv2, ViT."""


@dataclass(eq=False)
class Windows:
    """The route of an encoder.

    Attributes:
        view_M: places of windows among the views.
        number_M: which LoRA each of them has.
        stream_MTC: of these views, what the norm before the MLP has read in the block that is under way.
    """

    view_M: Tensor
    number_M: Tensor
    stream_MTC: Tensor | None = None


@EXPERTS.register("window-lora")
class WindowLora(Expert):
    """Low-rank changes of attention's projections, and a low-rank path beside the MLP, which reads the block's stream before
    the norm. Views of the whole picture have none.

    Each is ``s B A dropout(x)`` with a scalar s that begins at one, and B at zero, so the encoder begins as it was.
    """

    inside = "encoder"

    class Config(PartConfig):
        grid: tuple[PositiveInt, PositiveInt] = (2, 2)
        """(rows, columns) of windows, each of which has a LoRA of its own."""
        rank: int = Field(default=16, gt=0)
        """Of attention's projections; those of queries, keys and values share their A."""
        mlp_rank: int = Field(default=32, gt=0)
        """Of the path beside the MLP."""
        dropout: float = Field(default=0.05, ge=0, lt=1)

    def __init__(self, config: Config, *, model: PreTrainedModel) -> None:
        super().__init__(config)
        present = {path.rpartition(".")[2] for path, _ in model.named_modules()}
        output, norm = next((names for names in OTHERS if present.issuperset(names)), OTHERS[0])
        remedy = "use for instance CLIP or SigLIP"
        self.blocks = nn.ModuleList()
        for block, modules in blocks_of(
            model, (*INPUTS, output, norm, "mlp"), where="model.encoder.expert", remedy=remedy
        ):
            carry(block)
            projections = _LowRank(config, config.rank, {name: modules[name] for name in INPUTS})
            projected = _LowRank(config, config.rank, {output: modules[output]})
            beside = _BesideMlp(config, modules[norm], modules["mlp"], width=modules[output].out_features)
            self.blocks.append(nn.ModuleDict({"qkv": projections, "output": projected, "mlp": beside}))

    def reading(self, cells_N2: Tensor) -> AbstractContextManager[None]:
        """Inside, the encoder reads views of these cells (row, column); -1 for a view of the whole picture.

        Raises:
            BadInput: for a cell that has no LoRA.
        """
        rows, columns = self.config.grid
        beyond = (cells_N2 >= torch.tensor([rows, columns], device=cells_N2.device)).any(1).nonzero().flatten()
        if len(beyond):
            row, column = cells_N2[beyond[0]].tolist()
            raise BadInput(
                "model.encoder.expert.grid",
                expected="as many rows and columns as the resolution strategy makes",
                found=f"{rows} x {columns} and a window in row {row}, column {column} (counted from 0)",
                remedy="correct one of them",
            )
        view_M = (cells_N2 >= 0).all(1).nonzero().flatten()
        row_M, column_M = cells_N2[view_M].unbind(1)
        return routed(Windows(view_M, row_M * columns + column_M) if len(view_M) else None)


class _Changes(nn.Module):
    """Low-rank maps of one input for every window, each to one or several outputs."""

    def __init__(self, config: WindowLora.Config, rank: int, width: int, outputs: Mapping[str, int]) -> None:
        super().__init__()
        count = config.grid[0] * config.grid[1]
        self.dropout = config.dropout
        self.down = nn.Parameter(torch.empty(count, rank, width))
        self.up = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(count, output, rank)) for name, output in outputs.items()}
        )
        self.scale = nn.Parameter(torch.ones(count))
        for down_RC in self.down:
            nn.init.kaiming_uniform_(down_RC, a=math.sqrt(5))

    def change(self, name: str, inputs_MTC: Tensor, number_M: Tensor) -> Tensor:
        """[M, T, D]."""
        dropped = F.dropout(inputs_MTC, self.dropout, self.training)
        low_MTR = dropped @ self.down[number_M].transpose(1, 2)
        return low_MTR @ self.up[name][number_M].transpose(1, 2) * self.scale[number_M, None, None]


class _LowRank(_Changes):
    """Changes of linear layers that read the same."""

    def __init__(self, config: WindowLora.Config, rank: int, linears: Mapping[str, nn.Linear]) -> None:
        width = next(iter(linears.values())).in_features
        super().__init__(config, rank, width, {name: linear.out_features for name, linear in linears.items()})
        for name, linear in linears.items():
            linear.register_forward_hook(partial(self._changed, name))

    def _changed(self, name: str, linear: nn.Module, inputs: tuple[Tensor], output_NTD: Tensor) -> Tensor | None:
        windows: Windows | None = current_route()
        if windows is None:
            return None
        change = self.change(name, inputs[0].index_select(0, windows.view_M), windows.number_M)
        return output_NTD.index_add(0, windows.view_M, change)


class _BesideMlp(_Changes):
    """A path beside the MLP and the norm before it."""

    def __init__(self, config: WindowLora.Config, norm: nn.Module, mlp: nn.Module, *, width: int) -> None:
        super().__init__(config, config.mlp_rank, width, {"mlp": width})
        norm.register_forward_hook(self._keep)
        mlp.register_forward_hook(self._changed)

    def _keep(self, norm: nn.Module, inputs: tuple[Tensor], output_NTC: Tensor) -> None:
        windows: Windows | None = current_route()
        if windows is not None:
            windows.stream_MTC = inputs[0].index_select(0, windows.view_M)

    def _changed(self, mlp: nn.Module, inputs: tuple[Tensor], output_NTC: Tensor) -> Tensor | None:
        windows: Windows | None = current_route()
        if windows is None:
            return None
        assert windows.stream_MTC is not None
        change = self.change("mlp", windows.stream_MTC, windows.number_M)
        windows.stream_MTC = None
        return output_NTC.index_add(0, windows.view_M, change)
