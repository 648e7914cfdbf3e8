"""`omma recipes`: what there is to train."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from omma.recipe import load_recipe, recipe_names, recipe_sizes


def run() -> None:
    """Print a table of all shipped recipes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("recipe", "sizes", "about"):
        table.add_column(column, overflow="fold")
    for name in recipe_names():
        sizes = recipe_sizes(name)
        table.add_row(name, ", ".join(sizes), load_recipe(name, sizes[-1]).about)
    Console().print(table)
