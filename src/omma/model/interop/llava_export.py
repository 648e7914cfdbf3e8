"""From a model directory of omma's to one that `transformers` alone loads as `LlavaForConditionalGeneration`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LlavaConfig, LlavaForConditionalGeneration

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.llava_import import TEXT_TYPES, VISION_TYPES, generation_of
from omma.model.interop.llava_names import llava_name, matched, shapes_of, shared_name
from omma.model.interop.llava_pixels import check_strategy, to_transformers
from omma.model.interop.weights import Weights, read_json, reason
from omma.model.processing import OmmaProcessor
from omma.parts.encoders.base import NORMALIZATIONS
from omma.storage import new_directory

_VOCABULARY = ("embed_tokens.weight", "lm_head.weight")
"""Ends of the names of weights with a row per token."""


def export_transformers(model_dir: str | Path, out: str | Path) -> None:
    """Write a model as a LLaVA checkpoint: weights, tokenizer, processor, chat template and generation settings.

    Where the placeholder's id lies outside the vocabulary, the vocabulary grows to hold it (LLaVA's code embeds the
    placeholder before it is overwritten); the new rows are zero, and generation is told never to choose them.

    Args:
        model_dir: a model directory of omma's.
        out: a new directory.

    Raises:
        BadInput: for missing or damaged files, and for models that this layout cannot express.
    """
    source = Path(model_dir)
    config = _config(source)
    processor = _processor(source)
    _refuse_experts(source, config)
    settings = _llava_config(source, config)
    weights = Weights(source)
    vocabulary, scale = config.text_config.vocab_size, config.parts()["encoder"].scale
    grown_by = settings.get_text_config().vocab_size - vocabulary
    shapes = shapes_of(lambda: LlavaForConditionalGeneration(settings), where=str(source / "config.json"))
    expected = {
        str(shared_name(name)): (shape[0] - grown_by, *shape[1:]) if name.endswith(_VOCABULARY) else shape
        for name, shape in shapes.items()
    }
    names = matched(weights, expected, tied=settings.tie_word_embeddings)

    def changed(name: str, tensor: Tensor) -> Tensor:
        if grown_by and name.endswith(_VOCABULARY):
            return torch.cat([tensor, tensor.new_zeros(grown_by, tensor.shape[1])])
        if name.endswith("multi_modal_projector.linear_1.weight"):
            # There, features are what the tower says: the layer that reads them divides.
            return tensor / scale
        return tensor

    with new_directory(Path(out)) as target:
        nested = getattr(settings.vision_config, "model_type", None) != "focalnet"
        written = {old: llava_name(shared, nested_tower=nested) for old, shared in names.items()}
        weights.rewrite(target, written, change=changed)
        settings.dtype = weights.dtype()
        settings.save_pretrained(target)
        processor.tokenizer.save_pretrained(target)
        _write_processor(target, config, processor, settings)
        _generation(source, settings, list(range(vocabulary, vocabulary + grown_by))).save_pretrained(target)


def _config(source: Path) -> OmmaConfig:
    data = read_json(source / "config.json")
    if data.get("model_type") != OmmaConfig.model_type:
        raise BadInput(
            f"{source / 'config.json'}, model_type",
            expected=OmmaConfig.model_type,
            found=repr(data.get("model_type")),
            remedy="give the directory of a model that omma saved",
        )
    missing = [slot for slot in ("resolution", "encoder", "projector", "backbone") if not data.get(slot)]
    if missing:
        raise BadInput(
            str(source / "config.json"),
            expected="a model of all parts",
            found=f"none for {', '.join(missing)}",
            remedy="give a model with encoder, projector and backbone",
        )
    return OmmaConfig.from_dict(data)


def _refuse_experts(source: Path, config: OmmaConfig) -> None:
    for field, expert in (("expert", config.expert), ("encoder.expert", (config.encoder or {}).get("expert"))):
        if expert is not None:
            raise BadInput(
                f"{source / 'config.json'}, {field}",
                expected="a model without experts, for which LlavaForConditionalGeneration has no place",
                found=repr(expert.get("type")),
                remedy="keep this model in omma's own format",
            )


def _processor(source: Path) -> OmmaProcessor:
    try:
        return OmmaProcessor.from_pretrained(source, local_files_only=True)
    except BadInput:
        raise
    except Exception as error:  # missing and damaged files of a processor show in many ways
        raise BadInput(
            str(source),
            expected="the processor and tokenizer of a saved model",
            found=f"what cannot be loaded ({reason(error)})",
            remedy="copy the whole directory again",
        ) from error


def _llava_config(source: Path, config: OmmaConfig) -> LlavaConfig:
    where = str(source / "config.json")
    parts = config.parts()
    check_strategy(parts["resolution"].type)
    projector = parts["projector"]
    if projector.type != "mlp" or projector.depth != 2 or projector.first_width is not None:
        shape = f" of depth {projector.depth}" if projector.type == "mlp" else ""
        if projector.type == "mlp" and projector.first_width is not None:
            shape += f" and first width {projector.first_width}"
        raise BadInput(
            f"{where}, projector",
            expected="an MLP of depth 2 and one width, the only projector that LlavaForConditionalGeneration has",
            found=f"{projector.type!r}{shape}",
            remedy="keep this model in omma's own format; no class of transformers can hold it",
        )
    for slot, types in (("encoder", VISION_TYPES), ("backbone", TEXT_TYPES)):
        architecture = parts[slot].architecture if parts[slot].type == "transformers" else None
        found = (architecture or {}).get("model_type")
        if found not in types:
            raise BadInput(
                f"{where}, {slot}",
                expected=f"a transformers model of type {', '.join(types)}",
                found=repr(found or parts[slot].type),
                remedy="other models cannot be exported to this layout",
            )
    text: dict[str, Any] = config.text_config.to_dict()
    text["vocab_size"] = max(text["vocab_size"], config.image_token_id + 1)
    encoder = parts["encoder"]
    if encoder.tap == "final":
        raise BadInput(
            f"{where}, encoder.tap",
            expected="the number of a hidden state, by which LlavaForConditionalGeneration reads its tower",
            found="'final', behind the tower's last norm",
            remedy="keep this model in omma's own format",
        )
    with torch.device("meta"):
        tower = encoder.build()
    side, own = parts["resolution"].size, tower.model.config.image_size
    if tower.any_size and side != own:
        raise BadInput(
            f"{where}, resolution.size",
            expected=f"{own}, the size that the encoder's positions are for: LlavaForConditionalGeneration interpolates none",
            found=str(side),
            remedy="keep this model in omma's own format",
        )
    rows, columns = tower.grid((side, side))
    return LlavaConfig(
        # The projector of LLaVA reads its width from there, whatever a hierarchical tower calls its last stage's.
        vision_config={**encoder.architecture, "hidden_size": tower.width},
        text_config=text,
        image_token_index=config.image_token_id,
        image_seq_length=rows * columns,
        projector_hidden_act=projector.activation,
        multimodal_projector_bias=projector.bias,
        vision_feature_layer=encoder.tap,
        vision_feature_select_strategy="default" if encoder.cls == "drop" else "full",
        tie_word_embeddings=text["tie_word_embeddings"],
        architectures=[LlavaForConditionalGeneration.__name__],
    )


def _write_processor(target: Path, config: OmmaConfig, processor: OmmaProcessor, settings: LlavaConfig) -> None:
    parts = config.parts()
    mean, std = NORMALIZATIONS[parts["encoder"].normalization]
    images = to_transformers(parts["resolution"].type, parts["resolution"].size, mean, std)
    data = {
        "processor_class": "LlavaProcessor",
        "image_processor": images,
        "image_token": processor.image_token,
        # What the processor counts placeholders with: pixels between two features.
        "patch_size": parts["resolution"].size // math.isqrt(settings.image_seq_length),
        "vision_feature_select_strategy": settings.vision_feature_select_strategy,
        "num_additional_image_tokens": int(parts["encoder"].cls != "none"),
    }
    for name, content in (("processor_config.json", data), ("preprocessor_config.json", images)):
        (target / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (target / "chat_template.jinja").write_text(str(processor.chat_template), encoding="utf-8")


def _generation(source: Path, settings: LlavaConfig, new_ids: list[int]) -> GenerationConfig:
    generation = generation_of(source, settings)
    if new_ids:
        generation.suppress_tokens = sorted({*(generation.suppress_tokens or []), *new_ids})
    return generation
