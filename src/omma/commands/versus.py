"""`omma versus`: evaluated models against each other, on the items that they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from omma.board.entries import read_entries
from omma.board.versus import POWER, Duel, Versus, versus
from omma.evaluation.report.numbers import p_value, percent, points, points_span, span
from omma.storage import write_atomically


def run(results: Sequence[str], out: Path | None) -> None:
    """Read, compare, print, and write the figures if a place is named.

    Raises:
        BadInput: as `omma.board.entries.read_entries` and `omma.board.versus.versus`; or if the place cannot be written.
    """
    console = Console(highlight=False, soft_wrap=True)
    found = versus(read_entries(results))
    show(found, console)
    if out is not None:
        write_atomically(out, found.model_dump_json(indent=1) + "\n")
        console.print(f"The figures are in {out}.", markup=False)


def show(found: Versus, console: Console) -> None:
    """Ranks, pairs, and what it would take to know better."""
    if found.standings:
        console.print(f"Ranks on the {found.shared:,} questions that all models answered:", markup=False)
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("model", overflow="fold")
        for name in ("rank", "right %", "95% interval", "strength", "95% interval"):
            table.add_column(name, justify="right", no_wrap=True)
        for one in found.standings:
            rank = str(one.best_rank) if one.best_rank == one.worst_rank else f"{one.best_rank} to {one.worst_rank}"
            strength = [f"{one.points.value:.0f}", f"{one.points.low:.0f} to {one.points.high:.0f}"] if one.points else ["", ""]
            table.add_row(escape(one.name), rank, percent(one.accuracy.value), span(one.accuracy), *strength)
        console.print(table)
    if found.no_points:
        console.print(f"No strengths by Bradley and Terry: {found.no_points}.", markup=False)
    counts = sorted({duel.questions for duel in found.duels})
    asked = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    console.print(f"\nPairs, on the {asked} questions that both answered, in points:", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("first", "second"):
        table.add_column(name, overflow="fold")
    for name in ("difference", "95% interval", "p (Holm)", "detectable"):
        table.add_column(name, justify="right", no_wrap=True)
    for duel in found.duels:
        difference = (points(duel.difference.value), points_span(duel.difference))
        detectable = percent(duel.detectable) if duel.detectable else ""
        table.add_row(escape(duel.first), escape(duel.second), *difference, p_value(duel.p), detectable)
    console.print(table)
    for duel in found.duels:
        if not duel.differs:
            console.print(unresolved(duel), markup=False)
    for first, second in found.apart:
        console.print(f"{first} and {second} were never asked the same.", markup=False)
    left_out = max(duel.left_out for duel in found.duels)
    if left_out:
        console.print(f"Up to {left_out:,} questions of a pair are left out: only one of the two answered them.", markup=False)


def unresolved(duel: Duel) -> str:
    """What it would take to tell the two apart, in a sentence."""
    pair = f"{duel.first} and {duel.second} are not resolved"
    if duel.pictures_needed is None:
        return f"{pair}: they score the same."
    return (
        f"{pair}: if the difference is the {percent(abs(duel.difference.value))} points that were measured, it would take about "
        f"{duel.pictures_needed:,} pictures to see it in {100 * POWER:.0f} of 100 cases; these were {duel.pictures:,}."
    )
