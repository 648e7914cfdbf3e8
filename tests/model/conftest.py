"""Toy tokenizers and models, made on the spot: nothing is fetched and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CLIPVisionConfig,
    FocalNetConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SiglipVisionConfig,
)

from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.processing import processor_of

SIZE = 28
"""Side of the toy encoders' pictures; 7-pixel patches make 16 features."""

_TEXTS = [
    "A chat between a curious user and an artificial intelligence assistant. USER: what is this? ASSISTANT: a red square\n",
    "Human: how many blue circles are there? Assistant: 12 circles, I think!\n",
    "<|im_start|>user\nwhere is it?<|im_end|>\n<|im_start|>assistant\nsystem",
] * 4

_STRUCTURE = ["<image>", "<|im_start|>", "<|im_end|>", "[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]", "<0x04>", "<img>", "</img>"]
_STRUCTURE += ["<|User|>", "<|Assistant|>", "<begin_of_image>", "<end_of_image>", "<answer>"]
_STRUCTURE += ["<racm3:break>", "<eoss>", "<reserved08706>"]
_STRUCTURE += ["<|image start|>", "<|image token|>", "<|image end|>", "<|extra_200|>", "<|extra_201|>"]
"""Tokens that chat templates are made of."""


def _byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE without a begin-of-sequence token, as GPT-2's and Qwen's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    special = ["<pad>", "</s>", *_STRUCTURE]
    trainer = trainers.BpeTrainer(
        vocab_size=437,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=_STRUCTURE,
    )


def _llama_like() -> PreTrainedTokenizerFast:
    """Spaces as "▁", byte fallback, a begin-of-sequence token: as Llama's and Mistral's."""
    special = ["<unk>", "<s>", "</s>", "<image>", "<pad>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Pieces never cross a word boundary in training; at run time there is no pre-tokenizer, as in the originals.
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=460, special_tokens=special + [f"<0x{i:02X}>" for i in range(256)], show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    data = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = None
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] in special]
    # Converted sentencepiece models hold merges that spell out special tokens, which typed text could then take.
    data["model"]["vocab"] |= {
        piece: len(data["model"]["vocab"]) + i for i, piece in enumerate(["</", "s>", "/", "</s"])
    }
    data["model"]["merges"] += [["<", "/"], ["s", ">"], ["</", "s>"]]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=_STRUCTURE,
    )


_TOKENIZERS = {"byte-level": _byte_level, "llama-like": _llama_like}


@pytest.fixture(scope="session")
def byte_level() -> PreTrainedTokenizerFast:
    return _byte_level()


@pytest.fixture(scope="session")
def llama_like() -> PreTrainedTokenizerFast:
    return _llama_like()


@pytest.fixture(scope="session", params=sorted(_TOKENIZERS))
def any_tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """Both kinds of tokenizer in turn."""
    return _TOKENIZERS[request.param]()


_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "patch_size": 7,
}
_TEXT = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
_VISION_CONFIGS: dict[str, type[PreTrainedConfig]] = {"clip": CLIPVisionConfig, "siglip": SiglipVisionConfig}
_TEXT_CONFIGS: dict[str, type[PreTrainedConfig]] = {
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
}


def _focalnet() -> PreTrainedConfig:
    """Two stages: patches of 7 pixels, then of 14; the last one's width is told as LLaVA wants to read it."""
    stages: dict[str, Any] = {"hidden_sizes": [16, 32], "depths": [1, 2], "focal_levels": [1, 2], "focal_windows": [3, 3]}
    return FocalNetConfig(image_size=SIZE, patch_size=7, embed_dim=16, hidden_size=32, drop_path_rate=0.0, **stages)


@pytest.fixture(scope="session")
def vision_config() -> Callable[[str], PreTrainedConfig]:
    return lambda kind: _focalnet() if kind == "focalnet" else _VISION_CONFIGS[kind](**_VISION, image_size=SIZE)


@pytest.fixture(scope="session")
def text_config() -> Callable[..., PreTrainedConfig]:
    def make(kind: str, tokenizer: PreTrainedTokenizerFast, **changes: Any) -> PreTrainedConfig:
        settings = _TEXT | {"vocab_size": len(tokenizer)} | ({"head_dim": 12} if kind == "qwen3" else {})
        ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        return _TEXT_CONFIGS[kind](**(settings | ids | changes))

    return make


@pytest.fixture(scope="session")
def toy_model(
    byte_level: PreTrainedTokenizerFast,
    vision_config: Callable[[str], PreTrainedConfig],
    text_config: Callable[..., PreTrainedConfig],
) -> Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]:
    """A function that makes a model with random weights, large enough to tell inputs apart, and its processor."""

    def make(
        *,
        vision: str = "clip",
        text: str = "llama",
        tokenizer: PreTrainedTokenizerFast = byte_level,
        resolution: str | dict[str, Any] = "pad-square",
        projector: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
        image_token: str = "<image>",
        cls: str | None = None,
        scale: float = 1.0,
        text_changes: dict[str, Any] | None = None,
        **changes: Any,
    ) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
        tower, decoder = vision_config(vision), text_config(text, tokenizer, **(text_changes or {}))
        config = OmmaConfig(
            resolution={"type": resolution, "size": SIZE} if isinstance(resolution, str) else resolution,
            encoder=encoder
            or {
                "type": "transformers",
                "architecture": {**tower.to_diff_dict(), "model_type": tower.model_type},
                "tap": -1 if vision == "focalnet" else -2,
                "cls": cls or ("drop" if vision == "clip" else "none"),
                "scale": scale,
                "normalization": "clip" if vision == "clip" else "half",
            },
            projector=projector or {"type": "mlp"},
            backbone=backbone
            or {"type": "transformers", "architecture": {**decoder.to_diff_dict(), "model_type": text}},
            image_token_id=tokenizer.convert_tokens_to_ids(image_token),
            **changes,
        )
        torch.manual_seed(0)
        model = OmmaForConditionalGeneration(config).eval()
        spread(model)
        return model, processor_of(config, tokenizer)

    return make


def spread(model: torch.nn.Module) -> None:
    """Weights far enough from zero that every one of them shows in the logits."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else 0.2 * noise)


@pytest.fixture(scope="session")
def spread_weights() -> Callable[[torch.nn.Module], None]:
    return spread


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Four pictures of different shapes with something in them."""
    shapes = ((40, 24), (17, 51), (28, 28), (90, 70))
    random = np.random.default_rng(0)
    coarse = [Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8)) for _ in shapes]
    return [picture.resize(shape, Image.Resampling.NEAREST) for picture, shape in zip(coarse, shapes, strict=True)]
