"""From a model directory of omma's to one that `transformers` alone loads, as the architecture that can hold its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.architecture import Architecture, Saved
from omma.model.interop.importing import generation_of
from omma.model.interop.names import matched, shapes_of
from omma.model.interop.registry import ARCHITECTURES
from omma.model.interop.weights import Weights, read_json, reason
from omma.model.processing import OmmaProcessor
from omma.storage import new_directory

_VOCABULARY = ("embed_tokens.weight", "head.weight")
"""Ends of the common names of weights with a row per token."""


def export_transformers(model_dir: str | Path, out: str | Path) -> str:
    """Write a model for `transformers`: weights, tokenizer, processor, chat template and generation settings.

    Where the placeholder's id lies outside the vocabulary, the vocabulary grows to hold it (the models there embed the
    placeholder before it is overwritten); the new rows are zero, and generation is told never to choose them.

    Args:
        model_dir: a model directory of omma's.
        out: a new directory.

    Returns:
        The name of the class that loads it.

    Raises:
        BadInput: for missing or damaged files, and for models that no architecture can hold.
    """
    source = Path(model_dir)
    config = _config(source)
    saved = Saved(source, config, _processor(source))
    _refuse_experts(saved)
    kind, settings = _fitting(saved)
    weights = Weights(source)
    vocabulary, names, rows = config.text_config.vocab_size, kind.names(settings), kind.rows(settings)
    codes = sum(len(one.ids) for one in rows.values() if one.whole.endswith(_VOCABULARY[0]) and not one.kept)
    grown_by = settings.get_text_config().vocab_size - vocabulary - codes
    shapes = shapes_of(lambda: kind.model_class(settings), where=saved.where)
    expected: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        common = str(names.common(name))
        if common.endswith(_VOCABULARY):
            shape = (shape[0] - grown_by, *shape[1:])
        expected[common] = kind.shape_here(common, shape)
    expected |= {name: (len(one.ids), *expected[one.whole][1:]) for name, one in rows.items()}
    expected |= {one.whole: one.shape_left(expected[one.whole]) for one in rows.values()}
    added = kind.added(saved, settings)
    held = {common: shape for common, shape in expected.items() if common not in added}
    stored = matched(weights, held, kind.ours(saved), tied=kind.tied(settings))
    scale, dtype = saved.scale, weights.dtype()
    more = {names.written(common): tensor.to(getattr(torch, dtype)) for common, tensor in added.items()}
    back = {one.whole: (one, weights.read({old: "" for old in stored if stored[old] == name})[""]) for name, one in rows.items()}

    def changed(name: str, tensor: Tensor) -> Tensor:
        common = str(names.common(name))
        if common in back:
            one, own = back[common]
            tensor = one.put_back(tensor, own)
        if grown_by and common.endswith(_VOCABULARY):
            return torch.cat([tensor, tensor.new_zeros(grown_by, tensor.shape[1])])
        if common in kind.readers:
            # There, features are what the tower says: the layer that reads them divides.
            return tensor / scale
        return tensor.reshape(kind.shape_there(common, tuple(tensor.shape)))

    with new_directory(Path(out)) as target:
        written = {old: names.written(common) for old, common in stored.items() if common not in rows}
        weights.rewrite(target, written, change=changed, more=more)
        settings.dtype = dtype
        settings.architectures = [kind.name]
        settings.save_pretrained(target)
        _write_processor(target, kind, saved, settings)
        _generation(source, settings, list(range(vocabulary, vocabulary + grown_by))).save_pretrained(target)
    return kind.name


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


def _refuse_experts(saved: Saved) -> None:
    for field, expert in (("expert", saved.config.expert), ("encoder.expert", (saved.config.encoder or {}).get("expert"))):
        if expert is not None:
            raise saved.misfit(
                field,
                expected="a model without experts, for which no architecture of transformers has a place",
                found=repr(expert.get("type")),
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


def _fitting(saved: Saved) -> tuple[Architecture, Any]:
    """The first architecture that can hold a model, and its config for it.

    Raises:
        BadInput: if none can: which part does not fit into the one that holds most of its parts, and what would.
    """
    misfits: list[tuple[int, BadInput]] = []
    for kind in ARCHITECTURES.values():
        try:
            _check_parts(kind, saved)
            return kind, kind.settings(saved)
        except BadInput as error:
            misfits.append((_held(kind, saved), error))
    raise max(misfits, key=lambda misfit: misfit[0])[1]


def _held(kind: Architecture, saved: Saved) -> int:
    """How many of a model's parts are of a type that an architecture can hold; its tower's own type counts, too."""
    tower = getattr(saved.parts["encoder"], "architecture", None) or {}
    return sum(getattr(saved.parts[slot], "type", None) in types for slot, types in kind.holds.items()) + (
        tower.get("model_type") in kind.vision_types
    )


def _check_parts(kind: Architecture, saved: Saved) -> None:
    if saved.config.painter is not None and not kind.draws:
        raise saved.misfit(
            "painter",
            expected="a model that only reads, as architectures of transformers do that these parts fit",
            found=repr(saved.config.painter.get("type")),
        )
    if (saved.config.painter or {}).get("announces"):
        raise saved.misfit("painter.announces", expected="false, as nothing in transformers adds to a row", found="true")
    if saved.config.painter is None and kind.draws:
        raise saved.misfit("painter", expected=f"a model that draws, as {kind.name} does", found="none")
    for slot, types in kind.holds.items():
        found = saved.parts[slot].type
        if found not in types:
            raise saved.misfit(slot, expected=f"{_one_of(types)}, which {kind.name} can hold", found=found)
    for field, architecture, types in (
        ("encoder", getattr(saved.parts["encoder"], "architecture", None), kind.vision_types),
        ("backbone", getattr(saved.parts["backbone"], "architecture", None), kind.text_types),
    ):
        if architecture is None:  # neither patches nor several towers have one
            continue
        found = architecture.get("model_type")
        if types and found not in types:
            raise saved.misfit(
                field, expected=f"a model of type {_one_of(types)}, which {kind.name} can hold", found=repr(found)
            )
    if saved.scale != 1 and not kind.readers:
        raise saved.misfit("encoder.scale", expected=f"1, since {kind.name} divides by none", found=saved.scale)
    if (also := getattr(saved.parts["encoder"], "also", None)) is not None:
        raise saved.misfit("encoder.also", expected=f"none, since {kind.name} reads one hidden state", found=also)


def _one_of(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


def _write_processor(target: Path, kind: Architecture, saved: Saved, settings: Any) -> None:
    data = kind.processor(saved, settings)
    kind.tokenizer(saved).save_pretrained(target)
    named = kind.tokens(saved)
    if named:
        path = target / "tokenizer_config.json"
        path.write_text(json.dumps(read_json(path) | named, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, content in (("processor_config.json", data), ("preprocessor_config.json", data["image_processor"])):
        (target / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if kind.chats:
        (target / "chat_template.jinja").write_text(kind.chat_template(saved), encoding="utf-8")


def _generation(source: Path, settings: Any, new_ids: list[int]) -> GenerationConfig:
    generation = generation_of(source, settings)
    if new_ids:
        generation.suppress_tokens = sorted({*(generation.suppress_tokens or []), *new_ids})
    return generation
