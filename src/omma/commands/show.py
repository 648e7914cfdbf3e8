"""`omma show`: what a recipe builds, counted on the meta device, without loading a single weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from omma.commands.memory import FORMULAS, Estimate, inference_memory, training_memory
from omma.errors import BadInput
from omma.evaluation.report.numbers import memory
from omma.model.drawing_parts import drawing_parts, share_codes
from omma.model.views import Arranger
from omma.parts.encoders.codes import Codes
from omma.parts.encoders.side_by_side import SideBySide
from omma.parts.experts import attach
from omma.parts.painters import Painter
from omma.parts.tokenizers import Autoencoder
from omma.parts.tokenizers.autoencoder import QuantizedEncoder
from omma.parts.tokenizers.diffuser import Diffuser
from omma.recipe import ModelRecipe, Recipe, StageRecipe, load_recipe

PICTURES = ((128, 128), (336, 336), (640, 480), (1080, 1920), (3000, 800))
"""Sizes of pictures (width, height) whose tokens are shown."""

CONVERSATION = 2048
"""Tokens of the conversation whose memory is estimated, where the language model reads as many."""


def run(name: str, size: str, overrides: list[str]) -> None:
    """Print it. Raises BadInput for a bad recipe."""
    recipe = load_recipe(name, size, overrides)
    parts = skeleton(recipe.model)
    console = Console(highlight=False)
    console.print(f"{recipe.name}, size {recipe.size}. {recipe.about}", markup=False)
    if recipe.paper:
        console.print(f"Published: {recipe.paper}", markup=False)
    for table in (_parts(recipe, parts), _tokens(recipe, parts), _memory(recipe, parts)):
        if table.row_count:
            console.print()
            console.print(table)
    console.print("\nwhere")
    for formula in FORMULAS:
        console.print(f"  {formula}", markup=False, soft_wrap=True)
    for stage in recipe.stages.items():
        console.print(f"\n{_stage(*stage)}", markup=False)


def skeleton(model: ModelRecipe) -> dict[str, nn.Module]:
    """The parts that hold parameters, as shapes without numbers.

    Raises:
        BadInput: if a part's architecture is not in the recipe and cannot be read from where its weights are.
    """
    parts: dict[str, nn.Module] = {}
    try:
        with torch.device("meta"):
            if model.encoder is not None:
                parts["encoder"] = model.encoder.build()
            if model.backbone is not None:
                parts["language_model"] = model.backbone.build().causal_lm()
            if model.projector is not None:
                width = parts["language_model"].config.hidden_size
                marks = model.resolution.build().marks if model.resolution is not None else ()
                parts["projector"] = model.projector.build(d_in=parts["encoder"].width, d_out=width, marks=marks)
            if model.painter is not None:
                reads: Any = parts.get("encoder")
                drawing = drawing_parts(model.image_tokenizer, model.painter, parts["language_model"], reads)
                parts |= zip(("image_tokenizer", "painter"), drawing, strict=True)
            elif model.image_tokenizer is not None:
                parts["image_tokenizer"] = model.image_tokenizer.build()
            if model.encoder is not None and "language_model" in parts:
                encoder: Any = parts["encoder"]
                share_codes(encoder, parts.get("image_tokenizer"), parts.get("painter"), parts["language_model"])  # type: ignore[arg-type]
            if model.expert is not None:
                parts["expert"] = attach(model.expert, parts["language_model"], inside="backbone")
    except OSError as error:
        raise BadInput(
            "recipe field model",
            expected="architectures that are spelled out, or weights that can be read",
            found=str(error).strip().splitlines()[0].rstrip("."),
            remedy="check the names and the connection to the hub",
        ) from None
    return parts


def _parts(recipe: Recipe, parts: Mapping[str, nn.Module]) -> Table:
    table = _table("part", "type", "what", "parameters")
    if recipe.model.resolution is not None:
        table.add_row("resolution", recipe.model.resolution.type, _settings(recipe.model.resolution), "")
    configs = {
        "encoder": recipe.model.encoder,
        "projector": recipe.model.projector,
        "language_model": recipe.model.backbone,
        "expert": recipe.model.expert,
        "image_tokenizer": recipe.model.image_tokenizer,
        "painter": recipe.model.painter,
    }
    total = 0
    for name, config in configs.items():
        if config is None:
            continue
        count = sum(p.numel() for p in parts[name].parameters())
        total += count
        table.add_row(name, config.type, _what(config, parts[name]), f"{count:,}")
    table.add_row("all", "", "", f"{total:,}", style="bold")
    return table


def _what(config: Any, part: nn.Module) -> str:
    """A part in a few words: its architecture's size, or its settings."""
    if isinstance(part, Autoencoder | QuantizedEncoder | Diffuser):
        return part.in_words()
    if isinstance(part, Painter):
        width, height = part.size
        return f"{part.codes:,} codes of {width} x {height} pixels in {part.slots:,} slots"
    if isinstance(part, Codes):
        reads = part.image_tokenizer
        by = "what it draws with" if reads is None else _what(config.image_tokenizer, reads)
        return f"{part.patch} x {part.patch} pixels a code, read by {by}"
    if isinstance(part, SideBySide):
        return "; ".join(_what(one, tower) for one, tower in zip(config.encoders, part.encoders, strict=True))
    inner = getattr(part, "model", part)
    settings: Any = getattr(inner, "config", None)
    if hasattr(settings, "hidden_sizes"):
        words = f"{settings.model_type}, stages of width {', '.join(map(str, settings.hidden_sizes))}"
    elif hasattr(settings, "num_hidden_layers"):
        words = f"{settings.model_type}, {settings.num_hidden_layers} layers of width {settings.hidden_size}"
    else:
        return _settings(config)
    tap = getattr(config, "tap", None)
    return words if tap is None else f"{words}, read at hidden state {tap}"


def _settings(config: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.model_dump(mode="json").items() if value not in (None, ""))


def _tokens(recipe: Recipe, parts: Mapping[str, nn.Module]) -> Table:
    table = _table("picture", "views", "tokens")
    if recipe.model.resolution is not None and "projector" in parts:
        arranger = arranger_of(recipe, parts)
        for width, height in PICTURES:
            plan, arrangement = arranger.of((width, height))
            table.add_row(f"{width} x {height}", str(len(plan.views)), f"{len(arrangement):,}")
    return table


def arranger_of(recipe: Recipe, parts: Mapping[str, nn.Module]) -> Arranger:
    """What counts the tokens of pictures for these parts, the encoder among them.

    Raises:
        BadInput: if they do not go together.
    """
    assert recipe.model.resolution is not None
    encoder: Any = parts["encoder"]
    projector: Any = parts.get("projector")
    resolution = recipe.model.resolution.build()
    encoder.check(resolution)
    arranger = Arranger(resolution, encoder, projector)
    arranger.check()
    return arranger


def _stage(name: str, stage: StageRecipe) -> str:
    """A stage in one sentence."""
    sources: dict[str, list[str]] = {}
    for entry in stage.data:
        task = entry.source.task if entry.source.type == "playground" else entry.source.type
        sources.setdefault(task, []).append(getattr(entry.source, "world", ""))
    data = "; ".join(f"{task} {', '.join(filter(None, names))}".strip() for task, names in sources.items())
    learns = ", ".join(f"{rate.pattern} at {rate.rate:g}" for rate in stage.learn)
    length = f"{stage.steps:,} steps" if stage.steps is not None else f"{stage.epochs:g} epochs"
    return (
        f"Stage {name}: {stage.objective.type} on {data}. Learns {learns}; {length} of {stage.batch} samples, "
        f"{stage.optimizer.type}, {stage.precision}."
    )


def _memory(recipe: Recipe, parts: Mapping[str, nn.Module]) -> Table:
    features = 0
    if recipe.model.resolution is not None and "encoder" in parts:
        features = len(arranger_of(recipe, {"encoder": parts["encoder"]}).of(PICTURES[0])[1])
    estimates = [training_memory(name, stage, parts, features) for name, stage in recipe.stages.items()]
    if "language_model" in parts:
        longest = getattr(parts["language_model"].config, "max_position_embeddings", CONVERSATION)
        estimates += [inference_memory(parts, min(CONVERSATION, longest), number) for number in (4, 2)]
    table = _table("memory, estimated", "of what", "all")
    for estimate in estimates:
        table.add_row(estimate.what, _terms(estimate), memory(estimate.total))
    return table


def _terms(estimate: Estimate) -> str:
    return " + ".join(f"{name} {memory(value)}" for name, value in estimate.terms.items() if value)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column in ("parameters", "tokens", "views", "batch", "all")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table
