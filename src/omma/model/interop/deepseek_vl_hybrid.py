"""DeepSeek-VL with two towers (arXiv 2403.05525): SAM for detail and SigLIP for meaning, joined by channel."""

from __future__ import annotations

from typing import Any

from transformers import DeepseekVLHybridConfig, DeepseekVLHybridForConditionalGeneration, PreTrainedConfig

from omma.errors import BadInput
from omma.model.interop.architecture import Architecture, Fields, Published, Saved, check_side, own_side, plain
from omma.model.interop.deepseek_vl import check_output, siglip
from omma.model.interop.names import Names, tower
from omma.model.interop.pixels import BICUBIC, check_steps, foreign, normalization, side_of, steps
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.resolution.square import THINNEST

_SAM, _SIGLIP = "encoder.encoders.0.", "encoder.encoders.1.model."


class DeepseekVLHybrid(Architecture):
    config_class = DeepseekVLHybridConfig
    model_class = DeepseekVLHybridForConditionalGeneration
    vision_types = ("siglip_vision_model",)
    holds = {"resolution": ("two-branches",), "encoder": ("side-by-side",), "projector": ("hybrid",)}
    template = "deepseek-vl"

    def layers(self, settings: Any) -> int:
        return super().layers(settings) + int(settings.high_res_vision_config.num_hidden_layers)

    def names(self, settings: Any) -> Names:
        return Names(
            ("model.high_res_vision_model.", f"{_SAM}model."),
            ("model.high_res_vision_neck.", f"{_SAM}early_neck."),
            ("model.high_res_vision_proj.conv1.", f"{_SAM}convolutions.0."),
            ("model.high_res_vision_proj.conv2.", f"{_SAM}convolutions.1."),
            ("model.high_res_vision_alpha", f"{_SAM}early_scale"),
            *tower("model.vision_model.", nested=True, common=_SIGLIP),
            ("model.aligner.high_res_vision_proj.", "projector.branches.linears.0."),
            ("model.aligner.vision_proj.", "projector.branches.linears.1."),
            ("model.aligner.proj.", "projector.linear."),
            ("model.language_model.", "text."),
            ("lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        vision, large = published.settings.vision_config, published.settings.high_res_vision_config
        if getattr(large, "model_type", None) != "sam_vision_model":
            raise BadInput(
                f"{published.where}, high_res_vision_config.model_type",
                expected="sam_vision_model",
                found=repr(getattr(large, "model_type", None)),
                remedy="other towers cannot be imported",
            )
        images, where = published.images
        check_steps(images, where=where, do_pad=True, min_size=THINNEST, high_res_resample=BICUBIC)
        sides = side_of(images, "high_res_size", where), side_of(images, "size", where)
        if sides[0] < sides[1]:
            raise foreign(where, "high_res_size", f"no less than size, {sides[1]}", sides[0])
        check_side(published, sides[0], large, "high_res_vision_config")
        check_side(published, sides[1], vision)
        return {
            "resolution": {"type": "two-branches", "sizes": sides, "fit": "pad"},
            "encoder": {
                "type": "side-by-side",
                "encoders": [
                    {
                        "type": "sam",
                        "architecture": plain(large),
                        "resized": 4 * (sides[1] // vision.patch_size),
                        "early": True,
                        "normalization": normalization(images, where, "high_res_image"),
                    },
                    siglip(vision, normalization(images, where)),
                ],
            },
            "projector": {"type": "hybrid", "widths": (4 * large.output_channels, vision.hidden_size)},
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        encoder, resolution = saved.parts["encoder"], saved.parts["resolution"]
        types = [one.type for one in encoder.encoders]
        if types != ["sam", "transformers"]:
            raise saved.misfit("encoder.encoders", expected=f"sam, then transformers, for {self.name}", found=types)
        large, small = encoder.encoders
        found = (small.architecture or {}).get("model_type")
        if found not in self.vision_types:
            raise saved.misfit("encoder.encoders.1", expected=f"{self.vision_types[0]} for {self.name}", found=found)
        check_output(saved, small, "encoder.encoders.1", self)
        side = saved.tower.encoders[1].model.config
        grid = own_side(side) // side.patch_size
        for field, expected, given in (
            ("resolution.fit", "pad", resolution.fit),
            ("resolution.sizes", (saved.tower.encoders[0].settings.image_size, own_side(side)), resolution.sizes),
            ("encoder.join", "channel", encoder.join),
            ("encoder.encoders.0.early", True, large.early),
            ("encoder.encoders.0.resized", 4 * grid, large.resized),
            ("encoder.encoders.1.scale", 1.0, small.scale),
        ):
            if given != expected:
                raise saved.misfit(field, expected=f"{expected}, which {self.name} has", found=given)
        return self.config_class(
            vision_config=small.architecture,
            high_res_vision_config=large.architecture,
            text_config=saved.text,
            image_token_id=saved.config.image_token_id,
            tie_word_embeddings=saved.text["tie_word_embeddings"],
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        large, small = saved.parts["encoder"].encoders
        sides = saved.parts["resolution"].sizes
        mean, std = NORMALIZATIONS[large.normalization]
        return {
            "processor_class": "DeepseekVLHybridProcessor",
            "image_processor": steps(*NORMALIZATIONS[small.normalization])
            | {
                "image_processor_type": "DeepseekVLHybridImageProcessor",
                "size": {"height": sides[1], "width": sides[1]},
                "do_pad": True,
                "min_size": THINNEST,
                "high_res_size": {"height": sides[0], "width": sides[0]},
                "high_res_resample": BICUBIC,
                "high_res_image_mean": list(mean),
                "high_res_image_std": list(std),
            },
            "num_image_tokens": (large.resized // 4) ** 2,
        }

    def tokens(self, saved: Saved) -> dict[str, str]:
        return {"image_token": saved.processor.image_token}
