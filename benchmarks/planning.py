"""How many plans a second each resolution strategy makes, on one core, beside what transformers chooses its grids with.

    python benchmarks/planning.py            a minute
    python benchmarks/planning.py --quick    seconds, to see that it works

A plan is everything that is decided before a pixel is touched: canvases, views, the order of their tokens. Sizes are random,
from 1 to 10,000 pixels a side, the same for all; strategies have the settings of their recipes at paper size. Peers choose a grid
or canvas and nothing more: `select_best_resolution` (LLaVA-NeXT) and `get_optimal_tiled_canvas` (InternVL). Rounds are taken in
turn in one process, each number is the median of five.
Written: results/planning.json.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers.image_processing_utils import select_best_resolution
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

from omma.errors import BadInput
from omma.parts.resolution import RESOLUTIONS
from omma.parts.resolution.base import Resolution
from omma.recipe import load_recipe, recipe_names
from omma.training.run import environment

LARGEST = 10_000
Size = tuple[int, int]


def published() -> dict[str, Resolution]:
    """One strategy for every type and settings that recipes have at paper size, by type and what tells it from others."""
    found: dict[str, Resolution] = {}
    settings: dict[str, str] = {}
    for name in recipe_names():
        try:
            recipe = load_recipe(name, "paper")
        except BadInput:
            # Recipes of shipped parts have no paper size.
            continue
        config = recipe.model.resolution
        if config is None:
            continue
        text = json.dumps(config.to_dict(), sort_keys=True)
        if text not in settings:
            settings[text] = name
            found[f"{config.type} ({name})"] = config.build()
    larger: dict[str, dict[str, Any]] = {
        "closest-aspect, 40 tiles": {"type": "closest-aspect", "size": 448, "max_tiles": 40},
        "padded-grid, 55 tiles": {"type": "padded-grid", "size": 336, "max_tiles": 55},
        "keep-ratio": {"type": "keep-ratio", "size": 1024, "patch": 16},
    }
    return found | {name: RESOLUTIONS.parse(fields, where=name).build() for name, fields in larger.items()}


def peers() -> dict[str, Callable[[int, int], object]]:
    canvases = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]
    return {
        "transformers, select_best_resolution": lambda width, height: select_best_resolution((height, width), canvases),
        "transformers, get_optimal_tiled_canvas, 12 tiles": lambda width, height: get_optimal_tiled_canvas(
            (height, width), (448, 448), 1, 12
        ),
    }


def rate(plan: Callable[[int, int], object], sizes: list[Size]) -> float:
    started = time.process_time()
    for width, height in sizes:
        plan(width, height)
    return len(sizes) / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "planning.json")
    options = parser.parse_args()
    count, rounds = (200, 1) if options.quick else (10_000, 5)
    chance = random.Random(0)
    # As many small as large: evenly in the logarithm.
    sizes = [tuple(int(math.exp(chance.uniform(0, math.log(LARGEST)))) for _ in "wh") for _ in range(count)]
    contestants: dict[str, Callable[[int, int], object]] = {name: one.plan for name, one in published().items()} | peers()
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, plan in contestants.items():
            rates[name].append(round(rate(plan, sizes)))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, median in sorted(medians.items(), key=lambda pair: pair[1]):
        print(f"{name:60} {median:>10,.0f} plans a second")
    if not options.quick:
        record = {
            "about": "Plans per second of CPU time of one core, random sizes from 1 to 10,000 pixels a side.",
            "environment": environment(),
            "settings": {"sizes": count, "rounds": rounds},
            "plans_per_second": rates,
            "median": medians,
        }
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
