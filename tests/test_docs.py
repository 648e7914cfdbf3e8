"""What the documentation says is true: commands parse or run, recipes load, and no field is missing or misquoted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from typer.main import get_command
from typer.testing import CliRunner

import omma.recipe as recipes
from omma.cli import app
from omma.data.playground import SPLITS, WORLDS
from omma.objectives import OBJECTIVES
from omma.parts.backbones import BACKBONES
from omma.parts.base import Registry
from omma.parts.encoders import ENCODERS
from omma.parts.experts import EXPERTS
from omma.parts.painters import CODE_HEADS, PAINTERS
from omma.parts.projectors import PROJECTORS
from omma.parts.quantizers import QUANTIZERS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS, NETWORKS
from omma.recipe import load_recipe, recipe_names, recipe_sizes
from omma.study import load_study
from omma.training.run import train
from toy_training import toy_recipe

ROOT = Path(__file__).parents[1]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
QUICK = ("omma recipes", "omma show llava-1.5 --size paper")
REGISTRIES = {
    "Resolution": RESOLUTIONS,
    "Encoder": ENCODERS,
    "Projector": PROJECTORS,
    "Backbone": BACKBONES,
    "Expert": EXPERTS,
    "Objective": OBJECTIVES,
    "Image tokenizer": IMAGE_TOKENIZERS,
    "Autoencoder network": NETWORKS,
    "Quantizer": QUANTIZERS,
    "Painter": PAINTERS,
    "Code head": CODE_HEADS,
    "Source": recipes.SOURCES,
    "Benchmark": recipes.BENCHMARKS,
}


def own(registry: Registry[Any]) -> list[str]:
    """The parts that omma brings; tests register others."""
    return [name for name in registry.names() if registry.get(name, where="docs").__module__.startswith("omma.")]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every line of a console block that calls omma."""
    for page in PAGES:
        for block in blocks(page, "console"):
            for line in block.splitlines():
                command = line.split("#")[0].rpartition("|")[2].strip()
                if command.startswith("omma "):
                    yield page, command


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_commands_parse(page: str, command: str) -> None:
    group: Any = get_command(app)
    name, *arguments = shlex.split(command)[1:]
    context = group.make_context("omma", [name, *arguments])
    assert name in group.commands, f"{page}: {command}"
    parsed = group.commands[name].make_context(name, arguments, parent=context)
    assert all("=" in override for override in parsed.params.get("overrides") or [])
    recipe = parsed.params.get("recipe")
    if recipe is not None and not recipe.endswith(".yaml") and not recipe.startswith("runs/"):
        load_recipe(recipe, parsed.params.get("size", "small"), parsed.params.get("overrides") or [])


@pytest.mark.parametrize("command", QUICK)
def test_quick_commands_run(command: str) -> None:
    assert command in {found for _, found in commands()}
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


# The recipe of new-part.md needs the part that the page adds: tests/test_new_part.py runs it.
@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/new-part.md"}))
def test_recipes_and_studies_in_the_documentation_load(page: str, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        data = yaml.safe_load(block)
        if "name" not in data:
            data = {"base": "llava-1.5", "name": "mixed", "stages": {"instruct": data}}
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(data))
        if "choices" in data:
            load_study(str(path))
        else:
            load_recipe(str(path), "debug")


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in recipe_names() for size in recipe_sizes(name)])
def test_every_recipe_loads_at_each_of_its_sizes(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    assert recipe.name == name
    assert recipe.about.endswith(".")
    assert recipe.stages


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_is_a_recipe_again(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, "debug")
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert load_recipe(str(tmp_path / "again.yaml"), "debug") == recipe


def test_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    train(toy_recipe(), tmp_path / "runs" / "demo")
    Image.new("RGB", (40, 30), "green").save("picture.png")
    (code,) = blocks("README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    first, second = capsys.readouterr().out.rstrip("\n").split("\n")[-2:]
    assert first.strip() == second.strip() != ""


def test_python_in_the_page_of_image_tokenizers_runs(capsys) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")
    first, second = blocks("docs/image-tokenizers.md", "python")
    exec(compile(first, "docs/image-tokenizers.md", "exec"), {})
    exec(compile(second, "docs/image-tokenizers.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "torch.Size([1, 130]) torch.Size([1, 3, 64, 64]) 1024" in shown and "of 100 prompts" in shown


def test_python_in_the_playground_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("docs/playground.md", "python")
    exec(compile(code, "docs/playground.md", "exec"), {})
    assert Image.open("seven.png").size[0] <= 128
    assert capsys.readouterr().out


def test_links_lead_somewhere() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http://", "https://")):
                assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
        for anchor in re.findall(r"\]\(#([^)]*)\)", text):
            headings = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)]
            assert anchor in headings, f"{page}: #{anchor}"


def section(heading: str) -> dict[str, str]:
    """The table under a heading of docs/recipes.md: field -> what stands as its default."""
    match = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGES["docs/recipes.md"], re.MULTILINE | re.DOTALL)
    assert match, f"docs/recipes.md has no section {heading!r}"
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", match[1], re.MULTILINE))


def documented(model: type[BaseModel], heading: str) -> None:
    """The table has exactly the model's fields, with their defaults."""
    table = section(heading)
    fields = {name: field for name, field in model.model_fields.items() if (model, name) != (recipes.Recipe, "size")}
    assert list(table) == list(fields), f"docs/recipes.md, section {heading!r}: fields that are not the code's"
    for name, field in fields.items():
        if field.is_required():
            expected = "required"
        elif isinstance(field.default, BaseModel):
            expected = "as below"
        else:
            default = yaml.safe_load(table[name].strip("`"))
            assert default == to_jsonable_python(field.default), f"section {heading!r}, default of {name}"
            continue
        assert table[name] == expected, f"section {heading!r}, default of {name}"


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Recipe", recipes.Recipe),
        ("model", recipes.ModelRecipe),
        ("A stage", recipes.StageRecipe),
        ("data", recipes.WeightedSource),
        ("learn", recipes.Rate),
        ("optimizer", recipes.Optimizer),
        ("schedule", recipes.Schedule),
        ("lora", recipes.Lora),
        ("validation", recipes.ValidationRecipe),
        ("evaluation", recipes.EvaluationRecipe),
        ("drawing", recipes.DrawingRecipe),
        ("reconstruction", recipes.ReconstructionRecipe),
        ("A benchmark", recipes.Benchmark),
    ],
)
def test_recipes_page_has_every_field(heading: str, model: type[BaseModel]) -> None:
    documented(model, heading)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in REGISTRIES for name in own(REGISTRIES[kind])])
def test_recipes_page_has_every_field_of_every_part(kind: str, name: str) -> None:
    heading = re.search(rf"^### ({kind}s? .*`{name}`.*)$", PAGES["docs/recipes.md"], re.MULTILINE)  # may be shared
    assert heading, f"docs/recipes.md has no section for the {kind.lower()} {name!r}"
    documented(REGISTRIES[kind].get(name, where="docs").Config, heading[1])


def test_architecture_and_playground_pages_name_every_part() -> None:
    for registry in (*REGISTRIES.values(), WORLDS):
        for name in own(registry):
            assert f"`{name}`" in PAGES["docs/architecture.md"], name
    for name in (*own(WORLDS), *SPLITS):
        assert f"| `{name}` |" in PAGES["docs/playground.md"], name


def test_the_speed_that_the_docs_show_is_the_one_that_was_measured() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "training_speed.json").read_text())
    shown = (ROOT / "docs" / "training.md").read_text()
    for name, value in measured["median"].items():
        assert f"| {value:,.0f} |" in shown, name
    assert f"| {measured['ratio_cached']} |" in shown and f"| {measured['ratio_encoding']} |" in shown
    assert f"{measured['picture_share_of_a_cached_step']:.1%} of a step" in shown


def test_the_plans_a_second_that_the_docs_show_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "planning.json").read_text())
    shown = (ROOT / "docs" / "show.md").read_text()
    for name, value in measured["median"].items():
        assert f"| {name} | {value:,.0f} |" in shown, name
    assert min(value for name, value in measured["median"].items() if "transformers" not in name) >= 20_000


def test_the_memory_of_a_prefill_that_the_docs_show_is_the_one_that_was_measured() -> None:
    """And it is a line, whatever the docs say."""
    measured = json.loads((ROOT / "benchmarks" / "results" / "prefill_memory.json").read_text())
    shown = (ROOT / "docs" / "show.md").read_text()
    *fused, eager = measured["series"]
    series = {(one["strategy"], one["precision"], one["allocator"]): one for one in fused}
    kept = 0.0
    for (strategy, precision, allocator), one in series.items():
        needed = series[strategy, precision, "needed"]
        if allocator == "resident":
            kept = max(kept, *(max(a["peaks"]) / max(b["peaks"]) for a, b in zip(one["points"], needed["points"], strict=True)))
            continue
        fit, last = one["fit"], one["points"][-1]
        low, middle, high = (f"{100 * share:.1f}" for share in fit["square_share"])
        peak, cache = max(last["peaks"]) / 2**20, last["predicted_cache"] / 2**20
        figures = [
            f"{strategy}, {precision}", f"{fit['start_mib']:.1f}", f"{fit['mib_a_view']:.2f}", f"{fit['r2']:.5f}",
            f"{fit['largest_residual_mib']:.1f}", f"{middle} ({low} to {high})", f"{cache:.2f} of {peak:.1f}",
        ]  # fmt: skip
        assert f"| {' | '.join(figures)} |" in shown
        assert all(point["cache"] == point["predicted_cache"] for point in one["points"])
        assert fit["r2"] > 0.998 and abs(fit["square_share"][1]) < 0.05
    assert f"up to {kept:.1f} times as much" in shown
    assert eager["attention"] == "eager" and eager["fit"]["square_share"][1] > 0.5, "a square would be found"
    last, share = eager["points"][-1], eager["fit"]["square_share"][1]
    assert f"{100 * share:.0f} % of the {max(last['peaks']) / 2**20:,.0f} MiB at {last['views']} views" in shown
    assert measured["settings"]["seeds"] == [0, 1, 2] and "Seeds 0, 1 and 2" in shown
    drawn = (ROOT / "docs" / "prefill_memory.svg").read_text()
    assert all(f"{precision}, {one['fit']['mib_a_view']:.1f} MiB a view" in drawn
               for (_, precision, allocator), one in series.items() if allocator == "needed")  # fmt: skip
