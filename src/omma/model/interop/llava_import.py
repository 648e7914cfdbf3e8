"""From a LLaVA checkpoint in the layout of `transformers` to a model directory of omma's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, GenerationConfig, LlavaConfig, PreTrainedConfig, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.llava_chat import chat_format
from omma.model.interop.llava_names import matched, shapes_of, shared_name
from omma.model.interop.llava_pixels import from_transformers
from omma.model.interop.weights import Weights, read_json, reason
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import processor_of
from omma.parts.backbones import BACKBONES
from omma.parts.encoders import ENCODERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import RESOLUTIONS
from omma.storage import new_directory

VISION_TYPES = ("clip_vision_model", "siglip_vision_model", "focalnet")
TEXT_TYPES = ("llama", "mistral", "qwen2", "qwen3")


def import_llava(directory: str | Path, out: str | Path) -> None:
    """Write the model of a LLaVA checkpoint (`LlavaForConditionalGeneration`) as a model directory of omma's.

    The chat format is recognised where it is one of omma's; otherwise the checkpoint's own Jinja template is kept for
    chatting, and "vicuna-v1" is noted for training.

    Args:
        directory: config.json, safetensors, a fast tokenizer and an image processor's configuration.
        out: a new directory.

    Raises:
        BadInput: for missing, damaged or contradicting files, and for what omma's parts cannot express.
    """
    source = Path(directory)
    settings = _llava_config(source)
    weights = Weights(source)
    tokenizer = _tokenizer(source, settings.image_token_index)
    template, system, own_chat_template = chat_format(source, tokenizer)
    config = _omma_config(source, settings, weights, template=template, system=system)
    expected = shapes_of(lambda: OmmaForConditionalGeneration(config), where=str(source / "config.json"))
    names = matched(
        weights,
        {str(shared_name(name)): shape for name, shape in expected.items()},
        tied=config.text_config.tie_word_embeddings,
    )
    ours = {shared_name(name): name for name in expected}
    with new_directory(Path(out)) as target:
        weights.rewrite(
            target,
            {old: ours[shared] for old, shared in names.items()},
            stem=lambda name: name.partition(".")[0],
        )
        config.save_pretrained(target)
        processor_of(config, tokenizer, chat_template=own_chat_template).save_pretrained(target)
        generation_of(source, config).save_pretrained(target)


def _llava_config(source: Path) -> LlavaConfig:
    where = str(source / "config.json")
    data = read_json(source / "config.json")
    if data.get("model_type") != "llava":
        raise BadInput(
            f"{where}, model_type",
            expected="llava",
            found=repr(data.get("model_type")),
            remedy="give a checkpoint of LlavaForConditionalGeneration in the layout of transformers",
        )
    if "quantization_config" in data:
        raise BadInput(
            f"{where}, quantization_config",
            expected="weights in float32, float16 or bfloat16",
            found="quantized ones",
            remedy="use the checkpoint that is not quantized",
        )
    try:
        settings = LlavaConfig.from_dict(data)
    except Exception as error:  # anything can stand in the file, and the config classes object in many ways
        raise BadInput(
            where,
            expected="a LLaVA configuration",
            found=f"one that transformers refuses ({reason(error)})",
            remedy="copy the checkpoint again",
        ) from error
    for field, types in (("vision_config", VISION_TYPES), ("text_config", TEXT_TYPES)):
        found = getattr(getattr(settings, field), "model_type", None)
        if found not in types:
            raise BadInput(
                f"{where}, {field}.model_type",
                expected=f"one of {', '.join(types)}",
                found=repr(found),
                remedy="other towers and language models cannot be imported",
            )
    return settings


def _omma_config(source: Path, settings: LlavaConfig, weights: Weights, **chat: Any) -> OmmaConfig:
    where = str(source / "config.json")
    vision: Any = settings.vision_config
    text: Any = settings.text_config
    layers = _layers(vision) + text.num_hidden_layers
    if not 0 < layers <= len(weights.tensors):  # before anything is built by a number from a file
        raise BadInput(
            where,
            expected=f"as many layers as {len(weights.tensors)} stored tensors can make",
            found=str(layers),
            remedy="use the config.json that belongs to these weights",
        )
    resolution, normalization = _pixels(source)
    if resolution["size"] != vision.image_size:
        raise BadInput(
            where,
            expected=f"vision_config.image_size to be the image processor's size, {resolution['size']}",
            found=str(vision.image_size),
            remedy="use the image processor that belongs to the model",
        )
    text_data = {**text.to_diff_dict(), "model_type": text.model_type}
    text_data["tie_word_embeddings"] = settings.tie_word_embeddings
    config = OmmaConfig.compose(
        resolution=RESOLUTIONS.parse(resolution, where="resolution"),
        encoder=ENCODERS.parse(
            {
                "type": "transformers",
                "architecture": _plain({**vision.to_diff_dict(), "model_type": vision.model_type}),
                "tap": _tap(settings, where),
                "cls": _cls(settings, where),
                "normalization": normalization,
            },
            where="encoder",
        ),
        projector=PROJECTORS.parse(
            {
                "type": "mlp",
                "activation": settings.projector_hidden_act,
                "bias": settings.multimodal_projector_bias,
            },
            where="projector",
        ),
        backbone=BACKBONES.parse({"type": "transformers", "architecture": _plain(text_data)}, where="backbone"),
        image_token_id=settings.image_token_index,
        dtype=weights.dtype(),
        **chat,
    )
    config.architectures = [OmmaForConditionalGeneration.__name__]
    return config


def _layers(vision: Any) -> int:
    """Blocks of a vision tower, of all stages together."""
    depths = getattr(vision, "depths", None)
    return sum(depths) if depths else vision.num_hidden_layers


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    dropped = ("transformers_version", "architectures", "_name_or_path", "dtype", "torch_dtype")
    return {name: value for name, value in data.items() if name not in dropped}


def _tap(settings: LlavaConfig, where: str) -> int:
    layers = settings.vision_feature_layer
    if isinstance(layers, (list, tuple)) and len(layers) == 1:
        layers = layers[0]
    if not isinstance(layers, int):
        raise BadInput(
            f"{where}, vision_feature_layer",
            expected="one layer",
            found=str(layers),
            remedy="features of several layers side by side cannot be imported",
        )
    return layers


def _cls(settings: LlavaConfig, where: str) -> str:
    drops = settings.vision_feature_select_strategy == "default"
    if getattr(settings.vision_config, "model_type", None) == "clip_vision_model":
        return "drop" if drops else "keep"
    if drops:
        raise BadInput(
            f"{where}, vision_feature_select_strategy",
            expected="'full', since this tower has no CLS feature to drop",
            found="'default'",
            remedy="correct it if the model was trained with all features",
        )
    return "none"


def _pixels(source: Path) -> tuple[dict[str, Any], str]:
    path = source / "processor_config.json"
    if path.is_file():
        nested = read_json(path).get("image_processor")
        if isinstance(nested, dict):
            return from_transformers(nested, where=str(path))
    path = source / "preprocessor_config.json"
    return from_transformers(read_json(path), where=str(path))


def _tokenizer(source: Path, image_token: int) -> PreTrainedTokenizerBase:
    read_json(source / "tokenizer.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    except Exception as error:  # a damaged tokenizer fails in as many ways as there are kinds of them
        raise BadInput(
            str(source / "tokenizer.json"),
            expected="a tokenizer",
            found=f"one that transformers cannot read ({reason(error)})",
            remedy="copy the checkpoint again",
        ) from error
    if not 0 <= image_token < len(tokenizer) or tokenizer.convert_ids_to_tokens(image_token) is None:
        raise BadInput(
            str(source / "tokenizer.json"),
            expected=f"a token for image_token_index {image_token}",
            found=f"{len(tokenizer)} tokens without it",
            remedy="use the tokenizer that belongs to the model",
        )
    return tokenizer


def generation_of(source: Path, config: PreTrainedConfig) -> GenerationConfig:
    """The checkpoint's generation settings, or what follows from the model's config. Raises BadInput."""
    if not (source / "generation_config.json").is_file():
        return GenerationConfig.from_model_config(config)
    try:
        return GenerationConfig.from_dict(read_json(source / "generation_config.json"))
    except (TypeError, ValueError) as error:
        raise BadInput(
            str(source / "generation_config.json"),
            expected="a generation configuration",
            found=f"one that transformers refuses ({reason(error)})",
            remedy="correct or remove it",
        ) from error
