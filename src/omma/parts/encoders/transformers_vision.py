"""Any `transformers` vision model as an encoder, with a layer tap and a CLS rule (LLaVA, arXiv 2304.08485, section 4.1)."""

from __future__ import annotations

import inspect
import math
from contextlib import nullcontext
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import (
    AutoModel,
    Blip2VisionConfig,
    Blip2VisionModel,
    JanusVisionConfig,
    JanusVisionModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.experts import EXPERTS, attach
from omma.parts.resolution.base import Grid, Size
from omma.parts.weights import architecture, locate, plain_architecture

# Towers with a config type of their own that the automatic class does not find.
AutoModel.register(Blip2VisionConfig, Blip2VisionModel, exist_ok=True)
AutoModel.register(JanusVisionConfig, JanusVisionModel, exist_ok=True)


@ENCODERS.register("transformers")
class TransformersEncoder(Encoder):
    """A vision tower from `transformers`, read at ``hidden_states[tap]``.

    ``hidden_states`` counts from the embeddings: index 0 is their output, index k the output of block k, so -2 of 24
    blocks is the output of block 23, before any final norm. The tap "final" is the last block's output behind that norm
    (UReader, DeepSeek-VL), or behind SAM's neck.

    Views may have any size: learned positions are interpolated where the model knows how.

    Attributes:
        hierarchical: whether it is of stages, whose features are maps of growing stride.
        any_size: arguments of the model that make it so.
        leading: features in front of those of the patches: CLS, and then DeiT's distillation token or registers.
    """

    class Config(PartConfig):
        architecture: dict[str, Any] | None = None
        """A `transformers` config as plain data, with its ``model_type``."""
        weights: str | None = None
        """``zoo:NAME``, a directory or a hub name; random weights if absent."""
        tap: int | Literal["final"] = -2
        cls: Literal["drop", "keep", "none"] = "drop"
        """What to do with a leading CLS feature: drop it, keep it, or "none" if the model has none. Other features that are of no
        patch (registers, DeiT's distillation token) are dropped in any case."""
        normalization: Literal["clip", "imagenet", "half"] = "clip"
        positions: Literal["own", "sincos2d"] = "own"
        """Where learned position embeddings start if no weights are loaded: the model's own, or two-dimensional waves."""
        scale: float = Field(default=1.0, gt=0)
        """What features are divided by. Before its final norm a model's hidden states may have any size, and a projector
        learns soonest from features near 1. Powers of two divide without rounding."""
        expert: part_field(EXPERTS) | None = None  # type: ignore[valid-type]
        """Weights that only some views use, such as `window-lora`."""
        also: int | None = None
        """Another hidden state, whose features are joined to those of the tap, channel by channel (Unified-IO 2: 2)."""

        @model_validator(mode="after")
        def _known(self) -> TransformersEncoder.Config:
            if self.architecture is None and self.weights is None:
                raise ValueError("architecture or weights to be given")
            return self

        def spelled_out(self) -> dict[str, Any]:
            data = self.to_dict()
            if self.weights is None:
                return data
            settings = tower_of(architecture(self.architecture, self.weights, where="model.encoder"))
            return data | {"architecture": plain_architecture(settings), "weights": None}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        settings = tower_of(architecture(config.architecture, config.weights, where="model.encoder"))
        if hasattr(settings, "mask_ratio"):  # MAE's tower would leave patches out, to be guessed in its own pretraining
            settings.mask_ratio = 0.0
        if load_weights and config.weights is not None:
            source = locate(config.weights, where="model.encoder.weights")
            self.model = AutoModel.from_pretrained(source, config=settings, dtype=torch.float32)
        else:
            self.model = AutoModel.from_config(settings)
            if config.positions == "sincos2d":
                _start_positions(self.model)
        self.mean, self.std = NORMALIZATIONS[config.normalization]
        self.hierarchical = hasattr(settings, "hidden_sizes")
        if not self.hierarchical:
            sides = settings.patch_size
            self.patch = sides if isinstance(sides, int) else math.lcm(*sides)
        _check_inputs(self.model)
        able = "interpolate_pos_encoding" in inspect.signature(self.model.forward).parameters
        # In the model's own size, interpolated positions are the learned ones themselves.
        self.any_size = {"interpolate_pos_encoding": True} if able else {}
        if not able:
            _let_embeddings_interpolate(self.model)
        self._own = _own_size(settings)
        self._reads_others = bool(self.any_size)
        self._grids: dict[Size, Grid] = {}
        *shapes, final = self.shapes_of(self._own)
        states = len(shapes)
        self.tap = -1 if config.tap == "final" else config.tap
        if not -states <= self.tap < states:
            raise BadInput(
                "model.encoder.tap",
                expected=f"an index into {states} hidden states"
                + ("" if self.hierarchical else f" (the embeddings and {states - 1} blocks)"),
                found=str(config.tap),
                remedy=f"choose one between {-states} and {states - 1}",
            )
        rows, columns, self.width = final if config.tap == "final" else shapes[self.tap]
        if config.also is not None:
            legal = [number for number in range(-states, states) if shapes[number][:2] == (rows, columns)]
            if config.also not in legal:
                raise BadInput(
                    "model.encoder.also",
                    expected=f"an index into {states} hidden states, of one with as many features as the tap",
                    found=str(config.also),
                    remedy=f"choose one of {', '.join(map(str, legal))}",
                )
            self.width += shapes[config.also][2]
        self.leading = 0 if self.hierarchical else rows * columns - math.prod(self.patches(self._own))
        self._check_cls()
        self.expert = attach(config.expert, self.model, inside="encoder")

    def _check_cls(self) -> None:
        """See that there is a feature for every patch, behind all others, and that the rule for CLS is one for this model.

        Raises:
            BadInput: if not.
        """
        settings, (rows, columns) = self.model.config, self.patches(self._own)
        makes = f"{settings.model_type}, which makes {rows * columns + self.leading} features of {rows} x {columns} patches"
        behind = getattr(settings, "num_detection_tokens", 0)  # YOLOS
        if self.leading < 0 or behind:
            raise BadInput(
                "model.encoder.architecture.model_type",
                expected="a model with a feature for every patch, and none behind them",
                found=makes + (f", {behind} of them behind those of the patches" if behind else ""),
                remedy="use another, such as vit",
            )
        rules = ("drop", "keep") if self.leading else ("none", "drop")
        if self.config.cls not in rules:
            raise BadInput(
                "model.encoder.cls",
                expected=f"{' or '.join(rules)} for {makes}",
                found=self.config.cls,
                remedy=f"use {rules[0]}",
            )

    def patches(self, size: Size) -> Grid:
        """(rows, columns) of what it reads of a view of that size, without a CLS feature.

        Raises:
            BadInput: if the model has positions for views of its own size only.
        """
        if size not in self._grids:
            if size != self._own and not self._reads_others:
                self._check_size(size)
            if self.hierarchical:
                self._grids[size] = self.shapes_of(size)[:-1][self.tap][:2]
            else:
                patch = self.model.config.patch_size
                height, width = (patch, patch) if isinstance(patch, int) else patch
                self._grids[size] = size[1] // height, size[0] // width
        return self._grids[size]

    def grid(self, size: Size, branch: int = 0) -> Grid:
        rows, columns = self.patches(size)
        return (1, rows * columns + 1) if self.config.cls == "keep" else (rows, columns)

    def _check_size(self, size: Size) -> None:
        """See that views of another size than the model's own are read. Raises BadInput if not."""
        try:
            self.shapes_of(size)
        except Exception:  # each family complains in its own way
            raise BadInput(
                "model.resolution",
                expected=f"views of {self._own[0]} x {self._own[1]} pixels, which the positions of {self.model.config.model_type}"
                " are for",
                found=f"one of {size[0]} x {size[1]}",
                remedy="use a strategy with views of that size, or give the architecture another image_size",
            ) from None
        self._reads_others = True

    def extent(self, size: Size, tap: int) -> tuple[int, int, int]:
        # Taps count the hidden states, behind which the final output stands.
        rows, columns, width = self.shapes_of(size)[:-1][tap]
        # Leading features are no places.
        return (*self.patches(size), width) if rows == 1 else (rows, columns, width)

    def shapes_of(self, size: Size) -> list[tuple[int, int, int]]:
        """(rows, columns, channels) of every hidden state of a view of that size, and of the final output: all in one row where
        there is no map. By a run without numbers: each family has its own strides."""
        with torch.device("meta"):
            twin = AutoModel.from_config(self.model.config)
            if not self.any_size:
                _let_embeddings_interpolate(twin)
            output = self._run(twin, torch.empty(1, 3, size[1], size[0]))
        return [self._extent(hidden, size) for hidden in (*output.hidden_states, output.last_hidden_state)]

    def _extent(self, hidden: Tensor, size: Size) -> tuple[int, int, int]:
        """(rows, columns, channels) of a hidden state of one view of that size."""
        if hidden.dim() == 4:
            rows, columns, channels = hidden.shape[1:] if self._channels_last(hidden) else (*hidden.shape[2:], hidden.shape[1])
            return rows, columns, channels
        if not self.hierarchical:
            return 1, hidden.shape[1], hidden.shape[2]
        stride = math.sqrt(size[0] * size[1] / hidden.shape[1])
        return round(size[1] / stride), round(size[0] / stride), hidden.shape[2]

    def _channels_last(self, hidden: Tensor) -> bool:
        """Whether a map is [N, rows, columns, C] and not [N, C, rows, columns]: SAM has the one in its blocks, and the other
        behind its neck."""
        return not self.hierarchical and hidden.shape[3] == self.model.config.hidden_size

    def _rows(self, hidden: Tensor) -> Tensor:
        """[N, T, C] from itself or from a map."""
        if hidden.dim() == 3:
            return hidden
        return hidden.flatten(1, 2) if self._channels_last(hidden) else hidden.flatten(2).transpose(1, 2)

    def _run(self, model: PreTrainedModel, pixels_NCHW: Tensor) -> ModelOutput:
        options: dict[str, Any] = dict(self.any_size)
        if hasattr(model.config, "mask_ratio"):
            # MAE's tower puts patches into the order of these numbers.
            patches = math.prod(self.patches((pixels_NCHW.shape[3], pixels_NCHW.shape[2])))
            options["noise"] = torch.arange(patches, device=pixels_NCHW.device).expand(len(pixels_NCHW), -1)
        return model(pixels_NCHW, output_hidden_states=True, **options)

    def read(self, pixels_NCHW: Tensor, branch: int, cells_N2: Tensor) -> Tensor:
        with self.expert.reading(cells_N2) if self.expert is not None else nullcontext():
            return self(pixels_NCHW)

    def hidden_states(self, pixels_NCHW: Tensor) -> tuple[Tensor, ...]:
        """All hidden states [N, T, C], maps row by row, and last the final output after the norm."""
        output = self._run(self.model, pixels_NCHW)
        return tuple(self._rows(hidden) for hidden in (*output.hidden_states, self._final(output)))

    def summary(self, final_NTC: Tensor) -> Tensor:
        return final_NTC[:, 0] if self.leading else final_NTC.mean(1)

    def _final(self, output: ModelOutput) -> Tensor:
        """The last block's output behind the model's final norm."""
        last = output.last_hidden_state
        # CLIP's final norm is for the feature that it pools: its last hidden state has not been through it.
        norm = getattr(getattr(self.model, "vision_model", self.model), "post_layernorm", None)
        return norm(last) if norm is not None and last is output.hidden_states[-1] else last

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        output = self._run(self.model, pixels_NCHW)
        hidden = self._rows(self._final(output) if self.config.tap == "final" else output.hidden_states[self.tap])
        if self.config.also is not None:
            hidden = torch.cat([hidden, self._rows(output.hidden_states[self.config.also])], dim=2)
        if self.config.scale != 1:
            hidden = hidden / self.config.scale
        keep = self.config.cls == "keep"
        if self.leading == int(keep):
            return hidden
        rows, columns = self.patches((pixels_NCHW.shape[3], pixels_NCHW.shape[2]))
        of_patches = hidden[:, -rows * columns :]
        return torch.cat([hidden[:, :1], of_patches], dim=1) if keep else of_patches


def tower_of(settings: PretrainedConfig) -> PretrainedConfig:
    """The config of the vision tower; composite ones (CLIPConfig, SiglipConfig, SamConfig) hold it as vision_config."""
    return getattr(settings, "vision_config", settings)


def _own_size(settings: Any) -> Size:
    """The picture size (width, height) that a config names, or a usual one if it names none."""
    side = getattr(settings, "image_size", None) or 224
    return (side, side) if isinstance(side, int) else (side[1], side[0])


def _check_inputs(model: PreTrainedModel) -> None:
    """See that a model reads pixels and asks for nothing else. Raises BadInput if not."""
    _, *others = inspect.signature(model.forward).parameters.values()
    named = inspect.Parameter.POSITIONAL_OR_KEYWORD
    wanted = [each.name for each in others if each.kind is named and each.default is inspect.Parameter.empty]
    if wanted:
        raise BadInput(
            "model.encoder.architecture",
            expected="a model that reads the pixels of a view",
            found=f"{model.config.model_type}, which wants {', '.join(wanted)}, too",
            remedy="use for instance siglip_vision_model",
        )


def _let_embeddings_interpolate(model: nn.Module) -> None:
    """Views of any size for models whose embeddings know how, and whose ``forward`` does not ask them to (DPT's hybrid)."""
    embeddings = getattr(model, "embeddings", None)
    if embeddings is not None and "interpolate_pos_encoding" in inspect.signature(embeddings.forward).parameters:
        embeddings.register_forward_pre_hook(
            lambda module, args, kwargs: (args, kwargs | {"interpolate_pos_encoding": True}), with_kwargs=True
        )


def _start_positions(model: nn.Module) -> None:
    """Start learned positions as two-dimensional sine and cosine waves (arXiv 2205.01580, section 2).

    The usual start is an order of magnitude below the pixels, and a short training spends itself on finding out where
    things are. The slowest wave takes the whole side of the grid, so that all of them tell places apart.
    """
    name, table = next(
        (name, parameter.data.flatten(0, -2))
        for name, parameter in model.named_parameters()
        if name.removesuffix(".weight").endswith(("position_embedding", "position_embeddings"))
    )
    side, width = math.isqrt(len(table)), table.shape[1]
    first = len(table) - side * side  # the CLS feature has a position, too
    if first > 1 or width % 4:
        raise BadInput(
            "model.encoder.positions",
            expected="a square grid of positions and a width that four divides for sincos2d",
            found=f"{name} of shape {tuple(table.shape)}",
            remedy='use "own"',
        )
    frequency = torch.logspace(math.log10(math.pi / side), 0, width // 4)
    waves = torch.arange(side)[:, None] * frequency
    rows, columns = waves.repeat_interleave(side, 0), waves.repeat(side, 1)
    table[first:] = torch.cat([columns.sin(), columns.cos(), rows.sin(), rows.cos()], dim=1)
