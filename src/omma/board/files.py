"""The table as files to download: leaderboard.json and leaderboard.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from omma import __version__
from omma.board.rows import Row, Table
from omma.board.versus import Versus
from omma.evaluation import Estimate

ESTIMATES = ("accuracy", "blind", "swapped", "gain", "hallucination")
"""Fields of a row that have an interval."""


def line(table: Table, row: Row) -> dict[str, Any]:
    """One row as plain data: shares 0 to 1, null for what is not known, ``*_low`` and ``*_high`` for 95 % intervals."""
    found: dict[str, Any] = {
        "model": row.entry.name,
        "benchmark": table.benchmark.label,
        "world": table.benchmark.world,
        "split": table.benchmark.split,
        "questions": row.questions,
        "pictures": row.pictures,
    }
    for name in ESTIMATES:
        estimate: Estimate | None = getattr(row, name)
        for suffix, field in (("", "value"), ("_low", "low"), ("_high", "high")):
            found[name + suffix] = getattr(estimate, field) if estimate is not None else None
    return found | {
        "flips": row.flips,
        "calibration_error": row.ece,
        "unseen_gap": row.gap,
        "replies_per_second": row.entry.replies_per_second,
        "parameters": row.entry.parameters or None,
        "results": f"results/{row.entry.slug}.json",
    }


def leaderboard_json(tables: Sequence[Table], found: Versus | None) -> str:
    """All rows, and all that was compared."""
    whole = {
        "omma": __version__,
        "rows": [line(table, row) for table in tables for row in table.rows],
        "versus": json.loads(found.model_dump_json()) if found is not None else None,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def leaderboard_csv(tables: Sequence[Table]) -> str:
    """All rows, one a line, under one line of names."""
    rows = [line(table, row) for table in tables for row in table.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(_harmless(row))
    return text.getvalue()


def _harmless(row: Mapping[str, Any]) -> dict[str, Any]:
    """Spreadsheets run texts that begin as formulas do; an apostrophe keeps them texts."""
    formula = ("=", "+", "-", "@", "\t", "\r")
    return {key: f"'{value}" if isinstance(value, str) and value.startswith(formula) else value for key, value in row.items()}
