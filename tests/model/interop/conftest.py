"""A LLaVA checkpoint as `transformers` saves it, small and with random weights; and what processors need that want torchvision."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers
from torch import Tensor
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    InternVLProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from omma.model.interop.squares import to_transformers
from omma.model.templates import TEMPLATES
from omma.parts.encoders.base import NORMALIZATIONS

MakeLlava = Callable[..., tuple[LlavaForConditionalGeneration, Path]]


@pytest.fixture
def llava(
    tmp_path: Path,
    byte_level: PreTrainedTokenizerFast,
    vision_config: Callable[[str], PreTrainedConfig],
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeLlava:
    """A function that saves a LLaVA model with random weights, its tokenizer and its processor."""

    def make(
        *,
        vision: str = "clip",
        text: str = "llama",
        resolution: str = "crop-square",
        chat_template: str | None = None,
        tied: bool = False,
        shard: str = "1GB",
        **changes: Any,
    ) -> tuple[LlavaForConditionalGeneration, Path]:
        tower = vision_config(vision)
        strategy = changes.pop("vision_feature_select_strategy", "default" if vision == "clip" else "full")
        if vision == "focalnet":
            changes.setdefault("vision_feature_layer", -1)
        config = LlavaConfig(
            vision_config=tower.to_dict(),
            text_config=text_config(text, byte_level, tie_word_embeddings=tied).to_dict(),
            image_token_index=byte_level.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy=strategy,
            tie_word_embeddings=tied,
            **changes,
        )
        model = LlavaForConditionalGeneration(config).eval()
        spread_weights(model)
        directory = tmp_path / "llava"
        model.save_pretrained(directory, max_shard_size=shard)
        byte_level.save_pretrained(directory)
        images = to_transformers(resolution, 28, *NORMALIZATIONS["clip" if vision == "clip" else "half"])
        processor = {
            "processor_class": "LlavaProcessor",
            "image_processor": images,
            "patch_size": 14 if vision == "focalnet" else 7,
            "vision_feature_select_strategy": strategy,
            "num_additional_image_tokens": int(vision == "clip"),
        }
        (directory / "processor_config.json").write_text(json.dumps(processor))
        template = TEMPLATES["vicuna-v1"].jinja() if chat_template is None else chat_template
        (directory / "chat_template.jinja").write_text(template)
        return model, directory

    return make


@pytest.fixture
def internvl_processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], InternVLProcessor]:
    """A function that loads the processor of a checkpoint, without its half for videos, which needs torchvision."""
    monkeypatch.setattr(InternVLProcessor, "check_argument_for_proper_class", lambda *_: None)

    def load(directory: Path) -> InternVLProcessor:
        data = json.loads((directory / "processor_config.json").read_text())
        assert data["processor_class"] == "InternVLProcessor"
        images = AutoImageProcessor.from_pretrained(directory, backend="pil")
        assert isinstance(images, GotOcr2ImageProcessorPil)
        tokenizer = AutoTokenizer.from_pretrained(directory)
        return InternVLProcessor(images, tokenizer, None, image_seq_length=data["image_seq_length"])

    return load


@pytest.fixture
def fuyu_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image processor without torchvision cuts arrays, but its own processor hands it tensors."""
    cut = FuyuImageProcessorPil.patchify_image

    def patchify_image(self: FuyuImageProcessorPil, image: Tensor, patch_size: Any = None) -> Tensor:
        return torch.from_numpy(cut(self, image.numpy(), patch_size))[None]

    monkeypatch.setattr(FuyuImageProcessorPil, "patchify_image", patchify_image)


@pytest.fixture(scope="session")
def speaking() -> PreTrainedTokenizerFast:
    """A unigram tokenizer as Fuyu's: its tokens are pieces of the vocabulary, and a blank stands before every text."""
    special = ["<unk>", "<s>", "</s>", "<0x04>", "|SPEAKER|", "|NEWLINE|"]
    pieces = [(token, 0.0) for token in special] + [("▁", -2.0), ("\n", -3.0)]
    pieces += [(chr(code), -4.0) for code in range(33, 127)]
    pieces += [(word, -3.0) for word in ("▁what", "▁is", "circles", "▁how", "▁are")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
