"""From a checkpoint in a layout of `transformers` to a model directory of omma's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig, PreTrainedConfig, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.architecture import Architecture, Fields, Published, check_types, plain
from omma.model.interop.chat import chat_format
from omma.model.interop.names import OMMA, matched, shapes_of
from omma.model.interop.registry import ARCHITECTURES
from omma.model.interop.weights import Weights, read_json, reason
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import processor_of
from omma.model.template import Drawn
from omma.model.templates import TEMPLATES
from omma.parts.backbones import BACKBONES
from omma.parts.encoders import ENCODERS
from omma.parts.painters import PAINTERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.storage import new_directory


def import_transformers(directory: str | Path, out: str | Path) -> None:
    """Write the model of a checkpoint of `transformers` as a model directory of omma's.

    Which architecture it is, config.json says. The chat format is recognised where it is one of omma's; otherwise the
    checkpoint's own Jinja template is kept for chatting, and the architecture's usual one is noted for training.

    Args:
        directory: config.json, safetensors, a fast tokenizer and an image processor's configuration.
        out: a new directory.

    Raises:
        BadInput: for missing, damaged or contradicting files, and for what omma's parts cannot express.
    """
    source = Path(directory)
    where = str(source / "config.json")
    data = read_json(source / "config.json")
    kind = _kind(data, where)
    weights = Weights(source)
    # Before anything is built by a number from a file: configs already make lists as long as there are layers.
    _check_layers(max(_numbers_of_layers(data), default=1), weights, where)
    settings = _settings(kind, data, where)
    _check_layers(kind.layers(settings), weights, where)
    published = Published(source, settings, _tokenizer(source, settings.image_token_id))
    config, own_chat_template = _omma_config(kind, published, weights)
    expected = shapes_of(lambda: OmmaForConditionalGeneration(config), where=where)
    ours = {str(OMMA.common(name)): name for name in expected}
    rows = kind.rows(settings)
    there = {common: kind.shape_there(common, expected[name]) for common, name in ours.items() if common not in rows}
    there |= {one.whole: one.shape_whole(there[one.whole]) for one in rows.values()}
    if kind.unused:
        weights.tensors = {name: one for name, one in weights.tensors.items() if not name.startswith(kind.unused)}
    stored = matched(weights, there, kind.names(settings), tied=kind.tied(settings))
    names = {common: old for old, common in stored.items()}
    own = {ours[name]: weights.read({names[one.whole]: ""})[""][one.ids].contiguous() for name, one in rows.items()}
    left = {ours[one.whole]: one for one in rows.values()}

    def changed(name: str, tensor: Tensor) -> Tensor:
        if name in left:
            tensor = left[name].left(tensor)
        return tensor.reshape(expected[name])

    with new_directory(Path(out)) as target:
        weights.rewrite(
            target,
            {old: ours[common] for old, common in stored.items()},
            stem=lambda name: name.partition(".")[0],
            change=changed,
            more=own,
        )
        config.save_pretrained(target)
        processor_of(config, published.tokenizer, chat_template=own_chat_template).save_pretrained(target)
        generation_of(source, config).save_pretrained(target)


def _kind(data: Fields, where: str) -> Architecture:
    found = data.get("model_type")
    kind = ARCHITECTURES.get(found) if isinstance(found, str) else None
    if kind is None:
        raise BadInput(
            f"{where}, model_type",
            expected=f"one of {', '.join(ARCHITECTURES)}",
            found=repr(found),
            remedy="give a checkpoint of one of these in the layout of transformers",
        )
    if "quantization_config" in data:
        raise BadInput(
            f"{where}, quantization_config",
            expected="weights in float32, float16 or bfloat16",
            found="quantized ones",
            remedy="use the checkpoint that is not quantized",
        )
    return kind


def _settings(kind: Architecture, data: Fields, where: str) -> Any:
    try:
        settings = kind.config_class.from_dict(data)
    except Exception as error:  # anything can stand in the file, and the config classes object in many ways
        raise BadInput(
            where,
            expected=f"a configuration of {kind.name}",
            found=f"one that transformers refuses ({reason(error)})",
            remedy="copy the checkpoint again",
        ) from error
    check_types(kind, settings, where)
    return settings


def _numbers_of_layers(data: Fields) -> Iterator[int]:
    """What a config and the configs within it give as numbers of layers."""
    for name, value in data.items():
        if isinstance(value, dict) and name != "vocabulary_map":  # in which "layers" is a word
            yield from _numbers_of_layers(value)
        elif name.endswith("layers") and isinstance(value, int):
            yield value


def _check_layers(layers: int, weights: Weights, where: str) -> None:
    if not 0 < layers <= len(weights.tensors):
        raise BadInput(
            where,
            expected=f"as many layers as {len(weights.tensors)} stored tensors can make",
            found=str(layers),
            remedy="use the config.json that belongs to these weights",
        )


def _omma_config(kind: Architecture, published: Published, weights: Weights) -> tuple[OmmaConfig, str | None]:
    """The model's config, and the Jinja template to keep if omma's writes something else."""
    settings, tokenizer = published.settings, published.tokenizer
    parts = kind.parts(published)
    token = str(tokenizer.convert_ids_to_tokens(settings.image_token_id))
    template, system, own_chat_template = chat_format(
        published.directory, tokenizer, image_token=token, usual=kind.template
    )
    text = plain(kind.text(settings)) | {"tie_word_embeddings": kind.tied(settings)}
    drawn = TEMPLATES[template].drawn if kind.draws else Drawn()
    config = OmmaConfig.compose(
        resolution=RESOLUTIONS.parse(parts["resolution"], where="resolution"),
        encoder=ENCODERS.parse(parts["encoder"], where="encoder"),
        projector=PROJECTORS.parse(parts["projector"], where="projector"),
        backbone=BACKBONES.parse({"type": "transformers", "architecture": text}, where="backbone"),
        image_tokenizer=IMAGE_TOKENIZERS.parse(parts["image_tokenizer"], where="image_tokenizer") if kind.draws else None,
        painter=PAINTERS.parse(parts["painter"], where="painter") if kind.draws else None,
        image_token_id=settings.image_token_id,
        drawing_token_id=None if drawn.announced_by is None else tokenizer.convert_tokens_to_ids(drawn.announced_by),
        row_end_token_id=None if drawn.row_end is None else tokenizer.convert_tokens_to_ids(drawn.row_end),
        dtype=weights.dtype(),
        template=template,
        system=kind.system(published, system),
    )
    config.architectures = [OmmaForConditionalGeneration.__name__]
    return config, own_chat_template


def _tokenizer(source: Path, image_token: Any) -> PreTrainedTokenizerBase:
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
    known = isinstance(image_token, int) and 0 <= image_token < len(tokenizer)
    if not known or tokenizer.convert_ids_to_tokens(image_token) is None:
        raise BadInput(
            str(source / "tokenizer.json"),
            expected=f"a token for the image token's id {image_token}",
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
