"""Fuyu (2023): patches of the picture as it is through one linear layer, rows ended by a token of the vocabulary."""

from __future__ import annotations

from typing import Any

from PIL import Image
from transformers import FuyuConfig, FuyuForCausalLM, PreTrainedConfig

from omma.errors import BadInput
from omma.model.interop.architecture import Architecture, Fields, Published, Saved
from omma.model.interop.names import Names, anywhere
from omma.model.interop.pixels import check_steps, foreign, normalization, steps

BILINEAR = int(Image.Resampling.BILINEAR)
PICTURE, NEWLINE, ANSWER = "|SPEAKER|", "|NEWLINE|", "<0x04>"
"""What the processor writes by name: a patch, the end of a row, and the beginning of the answer."""


class Fuyu(Architecture):
    config_class = FuyuConfig
    model_class = FuyuForCausalLM
    vision_types = ()
    text_types = ("persimmon",)
    holds = {"resolution": ("native",), "encoder": ("patches",), "projector": ("linear",)}
    template = "fuyu"
    chats = False

    def layers(self, settings: Any) -> int:
        return int(settings.text_config.num_hidden_layers)

    def names(self, settings: Any) -> Names:
        return Names(
            *anywhere(("vision_embed_tokens.", "projector.linear.")),
            ("language_model.model.", "text."),
            ("model.language_model.", "text."),
            ("language_model.lm_head.", "head."),
            ("lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        images, where = published.images
        check_steps(images, where=where, resample=BILINEAR, do_pad=True, padding_value=1.0, padding_mode="constant")
        width, height = _sides(images, "size", {"width": 1920, "height": 1080}, where)
        patch = published.settings.patch_size
        if _sides(images, "patch_size", {"width": 30, "height": 30}, where) != (patch, patch):
            raise foreign(where, "patch_size", f"that of the model, {patch}", images.get("patch_size"))
        if published.settings.num_channels != 3:
            raise foreign(published.where, "num_channels", "3", published.settings.num_channels)
        if width % patch or height % patch:
            raise foreign(where, "size", f"multiples of a patch's {patch} pixels", images.get("size"))
        vocabulary = published.tokenizer.get_vocab()
        for token in (NEWLINE, ANSWER):
            if token not in vocabulary:
                raise BadInput(
                    str(published.directory / "tokenizer.json"),
                    expected=f"the token {token}, which the processor writes",
                    found="none",
                    remedy="use the tokenizer that belongs to the model",
                )
        name = normalization({"image_mean": 0.5, "image_std": 0.5} | images, where)
        return {
            "resolution": {"type": "native", "most": (width, height), "patch": patch, "newline": NEWLINE},
            "encoder": {"type": "patches", "patch": patch, "normalization": name},
            "projector": {"type": "linear"},
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        projector, encoder, resolution = (saved.parts[slot] for slot in ("projector", "encoder", "resolution"))
        most = resolution.most
        for field, expected, found in (
            ("projector.bias", True, projector.bias),
            ("resolution.newline", NEWLINE, resolution.newline),
            ("resolution.patch", encoder.patch, resolution.patch),
            ("resolution.most", tuple(side // encoder.patch * encoder.patch for side in most), most),
            ("template", self.template, saved.config.template),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected}, which {self.name} has", found=found)
        if saved.processor.image_token != PICTURE:
            raise saved.misfit(
                "image_token_id",
                expected=f"that of the token {PICTURE}, which the processor of transformers writes",
                found=f"that of {saved.processor.image_token}",
            )
        for token in (NEWLINE, ANSWER, "<s>"):
            saved.token(token)
        _check_blank(saved)
        return FuyuConfig(
            text_config=saved.text,
            patch_size=encoder.patch,
            image_token_id=saved.config.image_token_id,
            tie_word_embeddings=saved.text["tie_word_embeddings"],
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        width, height = saved.parts["resolution"].most
        patch = settings.patch_size
        return {
            "processor_class": "FuyuProcessor",
            "image_processor": steps(*saved.normalization)
            | {
                "image_processor_type": "FuyuImageProcessor",
                "resample": BILINEAR,
                "size": {"height": height, "width": width},
                "patch_size": {"height": patch, "width": patch},
                "do_pad": True,
                "padding_value": 1.0,
                "padding_mode": "constant",
            },
        }


def _check_blank(saved: Saved) -> None:
    """See that the tokenizer begins a text with a piece of its own, as that of sentencepiece does: the processor of
    `transformers` takes the first token away from every picture. Raises BadInput if not."""
    found = saved.processor.tokenizer(PICTURE, add_special_tokens=False)["input_ids"]
    if len(found) != 2 or found[1] != saved.config.image_token_id:
        raise BadInput(
            str(saved.directory / "tokenizer.json"),
            expected=f"a tokenizer that begins {PICTURE} with a blank, which the processor of transformers takes away",
            found=f"one that makes {len(found)} tokens of it",
            remedy="keep this model in omma's own format",
        )


def _sides(images: Fields, field: str, usual: Fields, where: str) -> tuple[int, int]:
    """(width, height) that an image processor's field gives. Raises BadInput for anything else."""
    found = images.get(field, usual)
    width, height = (found.get("width"), found.get("height")) if isinstance(found, dict) else (None, None)
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        raise foreign(where, field, "a positive width and height", found)
    return width, height
