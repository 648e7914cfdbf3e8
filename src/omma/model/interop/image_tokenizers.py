"""Image tokenizers of `transformers` and `diffusers`: what their configs and names become here.

| there | here |
| --- | --- |
| `diffusers.VQModel` | ``quantized-autoencoder``, its network ``convolutional``, or ``movq`` with ``norm_type: spatial`` |
| `JanusVQVAE` | the same with ``convolutional``; codes have length 1, as in LlamaGen |
| `ChameleonVQVAE` | ``quantized-encoder``: it was published without what paints |
| `Emu3VQVAE` | ``quantized-autoencoder`` with ``movq``, for pictures and clips |

All read pixels in [-1, 1]. (Chameleon's image processor of `transformers` multiplies by 0.0078, which is 2/255 rounded.)
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import log2
from typing import Any, ClassVar

from transformers import ChameleonVQVAEConfig, Emu3VQVAEConfig, JanusVQVAEConfig, PreTrainedConfig

from omma.errors import BadInput
from omma.model.interop.architecture import Fields
from omma.model.interop.vqgan import EMU3, TAMING, Pair, halves, through_time
from omma.model.interop.weights import reason

SQUEEZED = re.compile(r"attentions\.\d+\.to_(q|k|v|out\.0)\.weight$")
"""Linear layers here that are 1 x 1 convolutions in VQGAN, and in what keeps its names."""
BRIDGE = [("quant_conv.", "narrow."), ("post_quant_conv.", "widen.")]
BOOK = ("quantize.embedding.weight", "quantizer.codebook")


class TokenizerLayout(ABC):
    """An image tokenizer of another library as one of omma's.

    Attributes:
        name: of its class.
        stem: of its files of weights.
        squares: whether its attention's layers are convolutions.
        unused: what names begin with that have no place here.
    """

    name: ClassVar[str]
    stem: ClassVar[str] = "model"
    squares: ClassVar[bool] = True
    unused: ClassVar[tuple[str, ...]] = ()

    def described(self, data: Fields, where: str) -> Fields:
        """The image tokenizer of a config as plain data.

        Raises:
            BadInput: for what is no config of it, or omma's parts cannot express.
        """
        try:
            return self.part(self.filled(data), where)
        except BadInput:
            raise
        except Exception as error:  # anything can stand in the file, and the config classes object in many ways
            raise BadInput(
                where,
                expected=f"a configuration of {self.name}",
                found=f"one that its library refuses ({reason(error)})",
                remedy="copy the checkpoint again",
            ) from error

    @abstractmethod
    def filled(self, data: Fields) -> Any:
        """Its config, with what is not given filled in."""

    @abstractmethod
    def part(self, settings: Any, where: str) -> Fields:
        """The image tokenizer that a filled config describes. Raises BadInput for what omma's parts cannot express."""

    @abstractmethod
    def pairs(self, config: Any) -> list[Pair]:
        """Prefixes of names, there and here, of an image tokenizer with that config of omma's."""

    def as_there(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Shapes by our names as they are there."""
        return {name: (*shape, 1, 1) if self.squares and SQUEEZED.search(name) else shape for name, shape in shapes.items()}

    def as_here(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The inverse of `as_there`."""
        return {name: shape[:2] if self.squares and SQUEEZED.search(name) else shape for name, shape in shapes.items()}

    def only(self, where: str, *fields: tuple[str, Any, Any]) -> None:
        """See that settings are as omma's parts have them. Raises BadInput for the first (field, expected, found) that is not."""
        for field, expected, found in fields:
            if found != expected:
                raise BadInput(
                    f"{where}, {field}",
                    expected=f"{expected!r}, which omma's networks have",
                    found=repr(found),
                    remedy=f"a {self.name} with another cannot be imported",
                )


class OfTransformers(TokenizerLayout):
    """One of `transformers`.

    Attributes:
        config_class: what it is there.
    """

    config_class: ClassVar[type[PreTrainedConfig]]

    def filled(self, data: Fields) -> Any:
        return self.config_class.from_dict(data)


class Janus(OfTransformers):
    """Codes are compared and looked up at length 1, as the authors do (of LlamaGen, arXiv 2406.06525, first). `transformers` does
    the second alone: of a book whose codes have other lengths it may choose others."""

    name = "JanusVQVAE"
    config_class = JanusVQVAEConfig
    unit: ClassVar[bool] = True

    def part(self, settings: Any, where: str) -> Fields:
        self.only(
            where,
            ("double_latent", False, settings.double_latent),
            ("in_channels", 3, settings.in_channels),
            ("out_channels", 3, getattr(settings, "out_channels", 3)),
        )
        return {
            "type": "quantized-autoencoder",
            "network": {
                "type": "convolutional",
                "width": settings.latent_channels,
                "channels": settings.base_channels,
                "multipliers": settings.channel_multiplier,
                "blocks": settings.num_res_blocks,
                "attention": self.attention(settings, where),
            },
            "quantizer": {
                "type": "vq",
                "codes": settings.num_embeddings,
                "width": settings.embed_dim,
                "unit": self.unit,
                "decay": None,
            },
        }

    def attention(self, settings: Any, where: str) -> bool:
        """Whether the lowest level has any."""
        return True

    def pairs(self, config: Any) -> list[Pair]:
        inside = [(there, f"network.{here}") for there, here in halves(config.network, TAMING)]
        return [*inside, *BRIDGE, BOOK]


class Chameleon(Janus):
    """Its decoder was not published. ``post_quant_conv`` stands before that, and is left."""

    name = "ChameleonVQVAE"
    config_class = ChameleonVQVAEConfig
    unit = False
    unused = ("post_quant_conv.",)

    def part(self, settings: Any, where: str) -> Fields:
        return super().part(settings, where) | {"type": "quantized-encoder"}

    def attention(self, settings: Any, where: str) -> bool:
        self.only(where, ("attn_type", "vanilla", settings.attn_type))
        lowest = settings.resolution >> (len(settings.channel_multiplier) - 1)
        if not settings.attn_resolutions:
            return False
        self.only(where, ("attn_resolutions", [lowest], list(settings.attn_resolutions)))
        return True

    def pairs(self, config: Any) -> list[Pair]:
        inside = [(there, f"network.{here}") for there, here in halves(config.network, TAMING, paints=False)]
        return [*inside, BRIDGE[0], BOOK]


class Emu3(OfTransformers):
    name = "Emu3VQVAE"
    config_class = Emu3VQVAEConfig
    squares = False

    def part(self, settings: Any, where: str) -> Fields:
        lowest, halvings = len(settings.channel_multiplier) - 1, int(log2(settings.temporal_downsample_factor))
        attention = list(settings.attn_resolutions or [])
        self.only(
            where,
            ("double_latent", False, settings.double_latent),
            ("in_channels", 3, settings.in_channels),
            ("out_channels", 3, settings.out_channels),
            ("latent_channels", settings.embed_dim, settings.latent_channels),
            ("num_attention_heads", 1, settings.num_attention_heads),
            ("hidden_size", settings.base_channels * settings.channel_multiplier[-1], settings.hidden_size),
            ("attn_resolutions", [lowest] if attention else [], attention),
            ("temporal_downsample_factor", 1 << halvings, settings.temporal_downsample_factor),
        )
        return {
            "type": "quantized-autoencoder",
            "network": {
                "type": "movq",
                "width": settings.embed_dim,
                "channels": settings.base_channels,
                "multipliers": settings.channel_multiplier,
                "blocks": settings.num_res_blocks,
                "attention": bool(attention),
                "temporal": halvings,
            },
            "quantizer": {"type": "vq", "codes": settings.codebook_size, "width": settings.embed_dim, "decay": None},
            "bridge": None,
        }

    def pairs(self, config: Any) -> list[Pair]:
        inside = [*halves(config.network, EMU3), *through_time(config.network)]
        return [*((there, f"network.{here}") for there, here in inside), BOOK]


class VqModel(TokenizerLayout):
    name = "VQModel"
    stem = "diffusion_pytorch_model"
    squares = False

    def filled(self, data: Fields) -> Any:
        from diffusers import VQModel

        defaults = {name: field.default for name, field in inspect.signature(VQModel).parameters.items()}
        return defaults | {name: data[name] for name in defaults if name in data}

    def part(self, settings: Any, where: str) -> Fields:
        sides, width = settings["block_out_channels"], settings["latent_channels"]
        inner = width if settings["vq_embed_dim"] is None else settings["vq_embed_dim"]
        spatial = settings["norm_type"] == "spatial"
        lower, down, up = len(sides) - 1, list(settings["down_block_types"]), list(settings["up_block_types"])
        lowest = "Attn" if down and down[-1].startswith("Attn") else ""
        channels = sides[0]
        self.only(
            where,
            ("in_channels", 3, settings["in_channels"]),
            ("out_channels", 3, settings["out_channels"]),
            ("act_fn", "silu", settings["act_fn"]),
            ("mid_block_add_attention", True, settings["mid_block_add_attention"]),
            ("down_block_types", ["DownEncoderBlock2D"] * lower + [f"{lowest}DownEncoderBlock2D"], down),
            ("up_block_types", [f"{lowest}UpDecoderBlock2D"] + ["UpDecoderBlock2D"] * lower, up),
            ("block_out_channels", [side // channels * channels for side in sides], list(sides)),
        )
        network = {
            "type": "movq" if spatial else "convolutional",
            "width": width,
            "channels": channels,
            "multipliers": [side // channels for side in sides],
            "blocks": settings["layers_per_block"],
            "attention": bool(lowest),
        }
        if spatial:
            self.only(where, ("vq_embed_dim", width, inner), ("norm_num_groups", 32, settings["norm_num_groups"]))
        return {
            "type": "quantized-autoencoder",
            "network": network | ({"temporal": None} if spatial else {"groups": settings["norm_num_groups"]}),
            "quantizer": {"type": "vq", "codes": settings["num_vq_embeddings"], "width": inner, "decay": None},
            "bridge": None if spatial else 1,
        }

    def pairs(self, config: Any) -> list[Pair]:
        modulated = config.network.type == "movq"
        bridge = [("quant_conv.", "network.enter."), ("post_quant_conv.", "network.leave.")] if modulated else BRIDGE
        halves = [(f"{half}.", f"network.{half}.") for half in ("encoder", "decoder")]
        return [*halves, *bridge, BOOK]


VQ_MODEL = VqModel()
"""Its config.json says ``_class_name`` and no ``model_type``."""
LAYOUTS: dict[str, OfTransformers] = {kind.config_class.model_type: kind for kind in (Janus(), Chameleon(), Emu3())}
"""By ``model_type``."""
