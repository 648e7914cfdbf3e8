"""Put a finished run's model into the package, with a card.

    python -m omma.zoo.ship RUN NAME QUALITY [encoder]

Parts that are those of another model that ships already, to the last bit, are not written again.

RUN is a finished run, NAME what ``zoo:NAME`` is to find, QUALITY a text file with its measured quality (and the command
that measures it), which the card quotes. With ``encoder``, only the encoder of a vision-language model is kept; without, all but
what nothing reads of it.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from filecmp import cmp
from pathlib import Path

import torch

from omma.model.composition import Composition, compose
from omma.model.saving import INDEX, load_parts, save_composition
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.parts.weights import plain_architecture, zoo_directory
from omma.recipe import ModelRecipe
from omma.storage import whole_directory
from omma.training.run import build_model, open_run

LAST = 50
"""Steps over which the card averages the losses at the end of a stage."""


def card(run: Path, name: str, quality: str, *, size: int, owners: Mapping[str, str] | None = None) -> str:
    """The card of a model: what it is, data, steps, quality, and how to make it again (Markdown).

    Args:
        size: in bytes, of its own files.
        owners: of files of weights that are another's, by their names.
    """
    shared = "".join(f"; `{file}` is that of `zoo:{owner}`" for file, owner in sorted((owners or {}).items()))
    recipe = open_run(run)
    made = json.loads((run / "run.json").read_text())
    lines = [
        f"# {name}",
        "",
        recipe.about,
        "",
        f"- made by: `omma train {recipe.name} --size {recipe.size}`, seed {recipe.seed}",
        f"- omma {made['environment']['omma']}, torch {made['environment']['torch']}, {made['environment']['device']}",
        f"- size: {size / 1e6:.1f} MB, bfloat16 safetensors{shared}",
        "- data: generated worlds only (docs/playground.md), training split; nothing from outside"
        " but scikit-learn's handwritten digits (CC BY 4.0)",
        "- licence: Apache-2.0",
        "",
        "## Training",
        "",
        "| stage | steps | samples per step | losses at the end |",
        "| --- | --- | --- | --- |",
    ]
    losses = final_losses(run)
    for stage, settings in recipe.stages.items():
        steps = json.loads((run / "stages" / stage / "stage.json").read_text())["steps"]
        said = ", ".join(f"{term} {value:.3f}" for term, value in losses[stage].items())
        lines.append(f"| {stage} | {steps} | {settings.batch} | {said} |")
    lines += ["", "## Quality", "", quality.strip(), "", "## Recipe", "", "```yaml", recipe.to_yaml().strip(), "```", ""]
    return "\n".join(lines)


def final_losses(run: Path) -> dict[str, dict[str, float]]:
    """By stage and term: the mean loss over the last steps."""
    by_stage: dict[str, list[dict[str, float]]] = defaultdict(list)
    with open(run / "log.jsonl", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            by_stage[record["stage"]].append(record)
    not_losses = {"stage", "step", "rate", "gradient_norm", "tokens_per_second", "images_per_second"}
    # A term may begin late, as that of an adversarial game does.
    last = {
        stage: {term: [record[term] for record in records[-LAST:] if term in record] for term in records[-1]}
        for stage, records in by_stage.items()
    }
    return {
        stage: {term: sum(values) / len(values) for term, values in terms.items() if term not in not_losses}
        for stage, terms in last.items()
    }


def save_encoder(run: Path, directory: Path) -> None:
    """Write the encoder of a finished run alone, as a `transformers` model in bfloat16."""
    model = build_model(open_run(run))
    load_parts(model, run / "model")
    save_composition(Composition(encoder=model.encoder, resolution=model.resolution), directory, dtype=torch.bfloat16)


def save_whole(run: Path, directory: Path) -> None:
    """Write the model of a finished run in bfloat16, without the encoder's blocks behind its tap."""
    recipe = open_run(run)
    model = build_model(recipe)
    load_parts(model, run / "model")
    save_composition(without_unread_blocks(model, recipe.model), directory, dtype=torch.bfloat16)


def without_unread_blocks(model: Composition, recipe: ModelRecipe) -> Composition:
    """The same model with an encoder that ends where it is read; the model itself if there is nothing to leave out."""
    encoder, config = model.encoder, recipe.encoder
    if model.vlm is None or not isinstance(encoder, TransformersEncoder) or encoder.hierarchical or encoder.config.tap == "final":
        return model
    if encoder.config.also is not None:
        return model
    settings = plain_architecture(encoder.model.config)
    read = encoder.tap % (1 + encoder.model.config.num_hidden_layers)
    assert config is not None
    changes = {"architecture": settings | {"num_hidden_layers": read}, "tap": -1, "weights": None}
    parts = {"encoder": config.model_copy(update=changes)}
    shorter = compose(recipe.model_copy(update=parts), load_weights=False)
    assert shorter.vlm is not None
    whole = model.vlm.state_dict()
    shorter.vlm.load_state_dict({name: whole[name] for name in shorter.vlm.state_dict()})
    return shorter


def share_files(directory: Path, target: Path) -> dict[str, str]:
    """Leave out the files of weights that another model has that ships, and let the index name those.

    Args:
        directory: what is to become ``target``, beside the others.

    Returns:
        By file name, whose it is.
    """
    index = directory / INDEX
    if not index.is_file():
        return {}
    owners: dict[str, str] = {}
    for file in sorted(directory.glob("*.safetensors")):
        for other in sorted(target.parent.glob(f"*/{file.name}")):
            if other.parent not in (directory, target) and cmp(file, other, shallow=False):
                owners[file.name] = other.parent.name
                file.unlink()
                break
    data = json.loads(index.read_text())
    placed = {tensor: f"../{owners[name]}/{name}" if name in owners else name for tensor, name in data["weight_map"].items()}
    index.write_text(json.dumps(data | {"weight_map": placed}, indent=1))
    return owners


def main(run: Path, name: str, quality: Path, part: str | None = None) -> None:
    target = zoo_directory() / name
    with whole_directory(target) as directory:
        if part == "encoder":
            save_encoder(run, directory)
        else:
            save_whole(run, directory)
        owners = share_files(directory, target)
        size = sum(file.stat().st_size for file in directory.iterdir())
        text = card(run, name, quality.read_text(encoding="utf-8"), size=size, owners=owners)
        (directory / "README.md").write_text(text, encoding="utf-8")
    print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:5])
