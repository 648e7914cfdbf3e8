"""A LLaVA checkpoint as `transformers` saves it, small and with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration, PreTrainedConfig, PreTrainedTokenizerFast

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
