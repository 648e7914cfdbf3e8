"""`omma leaderboard`: a site of result files that needs no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from omma.board.entries import Entry, read_entries
from omma.board.pictures import Pictures, playground_pictures
from omma.board.site import write_site
from omma.board.versus import compared
from omma.commands.evaluate import benchmark_items
from omma.data.sample import ImageSource
from omma.evaluation import Item, ItemResult
from omma.parts.base import validated
from omma.recipe import Benchmark, EvaluationRecipe
from omma.yaml_text import yaml_mapping


def run(results: Sequence[str], out: Path, *, sources: bool) -> None:
    """Read, compare, write, and say where the site is.

    Args:
        sources: whether the data sets that the recipes of the results name are read, for their pictures.

    Raises:
        BadInput: as `omma.board.entries.read_entries` and `omma.board.site.write_site`; or if data is to be read and cannot.
    """
    console = Console(highlight=False, soft_wrap=True)
    entries = read_entries(results)
    pictures = _with_sources(entries) if sources else playground_pictures
    write_site(entries, compared(entries), pictures, out)
    count = len(entries)
    console.print(f"{count} {'model' if count == 1 else 'models'} on the leaderboard {out / 'index.html'}.", markup=False)


def _with_sources(entries: Sequence[Entry]) -> Pictures:
    """Pictures of generated worlds, and those of the data sets that the recipes of the results name."""
    items: dict[str, Item] = {}
    for entry in entries:
        for benchmark in _benchmarks(entry):
            if benchmark.source is not None:
                items |= {item.id: item for item in benchmark_items(benchmark)}

    def pictures(result: ItemResult) -> Sequence[ImageSource]:
        item = items.get(result.id)
        asked = (result.question, result.answer, result.pictures)
        if item is not None and (item.question, item.answer, len(item.images)) == asked:
            return item.images
        return playground_pictures(result)

    return pictures


def _benchmarks(entry: Entry) -> list[Benchmark]:
    where = f"{entry.file}, field run.recipe_yaml"
    recipe = yaml_mapping(entry.results.run.recipe_yaml.encode(), where=where, documented="docs/recipes.md")
    return validated(EvaluationRecipe, recipe.get("evaluation", {}), where="evaluation", of=where).benchmarks
