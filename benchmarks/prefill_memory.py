"""How the memory of one prefill grows with the views of a picture: peak resident memory from the picture to the first word.

    python benchmarks/prefill_memory.py            half an hour
    python benchmarks/prefill_memory.py --quick    some minutes, to see that it works

One question about one picture goes the way that `omma evaluate` and chat go (`ModelAnswerer`, one new token): the picture is cut,
encoded and projected, and the language model reads all of it. The model has random weights, the picture random pixels, as many
squares of 224 pixels as there are tiles. Two strategies: closest-aspect with an MLP (256 tokens a view), slices with a resampler
(64). Every number is from a process of its own, because memory that was freed once is not asked for again: it makes the model,
sets its high-water mark back (5 into /proc/self/clear_refs), answers, and reads the mark (VmHWM) less what was resident before
(VmRSS). So weights and libraries do not count, and what is loaded by the first use of a kernel does: it is in every number alike.

Each is measured twice. *Needed*: blocks of 64 KiB and more go back to the system when they are freed, so the mark is what was
held at one time. *Resident*: the allocator as it is, which keeps some of what was freed. And once with attention that writes
out its scores ("eager"), to see that a square would be found.
Needs Linux with glibc. Written: results/prefill_memory.json and docs/prefill_memory.svg.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import re
import statistics
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from line_plot import Line, Panel, draw
from PIL import Image
from scipy.stats import t as student

from omma.commands.show import skeleton
from omma.data.images import MemoryImage
from omma.data.sample import Sample, user
from omma.model.answering import ModelAnswerer
from omma.model.composition import compose
from omma.model.processing import processor_of
from omma.parts.base import validated
from omma.recipe import ModelRecipe
from omma.show import cutting_of
from omma.show.cost import CACHE_NUMBER
from omma.training.run import environment

ROOT = Path(__file__).parents[1]
SIDE, PATCH = 224, 14
TILES = {"closest-aspect": (1, 2, 4, 8, 12, 16, 20, 24), "slices": (1, 2, 4, 8, 12, 16, 24, 32, 48)}
MIB = 2**20

MODEL: dict[str, Any] = {
    "encoder": {
        "type": "transformers",
        "architecture": {
            "model_type": "clip_vision_model", "image_size": SIDE, "patch_size": PATCH, "hidden_size": 384,
            "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 6,
        },
    },
    "backbone": {
        "type": "transformers",
        "architecture": {
            "model_type": "llama", "vocab_size": 1104, "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8,
            "num_attention_heads": 8, "max_position_embeddings": 8192, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        },
        "tokenizer": "zoo:lm-small",
    },
    "system": "",
}  # fmt: skip
STRATEGIES: dict[str, dict[str, Any]] = {
    "closest-aspect": {
        "resolution": {"type": "closest-aspect", "size": SIDE, "max_tiles": max(TILES["closest-aspect"])},
        "projector": {"type": "mlp"},
    },
    "slices": {
        "resolution": {"type": "slices", "size": SIDE, "patch": PATCH, "most": max(TILES["slices"])},
        "projector": {"type": "resampler", "queries": 64},
    },
}
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
ALLOCATORS = ("needed", "resident")
FUSED, EAGER = "sdpa", "eager"
SERIES = (
    *((strategy, precision, allocator, FUSED) for strategy in STRATEGIES for precision in PRECISIONS for allocator in ALLOCATORS),
    ("closest-aspect", "bf16", "needed", EAGER),
)
M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h: blocks of this size and more are asked from the system, and given back to it."""


def shape_of(tiles: int) -> tuple[int, int]:
    """(columns, rows) of the picture in squares: the grid nearest to a square."""
    rows = next(number for number in range(math.isqrt(tiles), 0, -1) if tiles % number == 0)
    return tiles // rows, rows


def measure(strategy: str, precision: str, allocator: str, attention: str, tiles: int, seed: int) -> dict[str, int]:
    """Bytes of one prefill, in this process, which must not have had one before."""
    if allocator == "needed":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 65536)
    torch.manual_seed(seed)
    recipe = validated(ModelRecipe, MODEL | STRATEGIES[strategy], where="model")
    model = compose(recipe)
    assert model.vlm is not None and model.resolution is not None
    vlm = model.vlm.to(PRECISIONS[precision])
    vlm.language_model.set_attn_implementation(attention)
    answerer = ModelAnswerer(vlm, processor_of(vlm.config, model.tokenizer), max_new_tokens=1)
    columns, rows = shape_of(tiles)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE * rows, SIDE * columns, 3), dtype=np.uint8)
    picture = MemoryImage(Image.fromarray(pixels), key="picture")
    cutting = cutting_of(model.resolution, skeleton(recipe), picture.size)
    caches: list[Any] = []
    vlm.language_model.register_forward_hook(lambda module, inputs, output: caches.append(output.past_key_values))

    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    (reply,) = answerer.answer([Sample("asked", (user(picture, "What is it?"),))])
    peak = _status("VmHWM") - before

    assert len(caches) == 1, "one pass of the language model"
    cache = sum(tensor.nbytes for layer in caches[0].layers for tensor in (layer.keys, layer.values))
    # Shown for bf16, and for the picture alone: the words of the prompt take as much each.
    predicted = cutting.cost.cache * PRECISIONS[precision].itemsize // CACHE_NUMBER
    picture_positions = cutting.tokens + cutting.texts
    return {
        "views": len(cutting.plan.views),
        "positions": picture_positions,
        "prompt": int(reply.prompt_tokens or 0),
        "peak": peak,
        "cache": cache * picture_positions // int(reply.prompt_tokens or 0),
        "predicted_cache": predicted,
    }


def _status(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def apart(*arguments: Any) -> dict[str, int]:
    """`measure` in a new process, of which this one, that never computes anything, is the beginning."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(measure(*arguments)))
    child.start()
    sender.close()
    found: dict[str, int] = receiver.recv()
    child.join()
    return found


def fitted(views: list[int], peaks: list[int]) -> dict[str, Any]:
    """A line through all measured peaks, how far they are from it, and what a square would add.

    ``square_share``: of a parabola through the same points, the squared term at the most views as a share of the peak there,
    with the ends of its 95 % interval.
    """
    x, y = np.array(views, float), np.array(peaks) / MIB
    slope, start = np.polyfit(x, y, 1)
    residuals = y - (start + slope * x)
    parabola, covariance = np.polyfit(x, y, 2, cov=True)
    half = float(student.ppf(0.975, len(x) - 3)) * math.sqrt(covariance[0, 0])
    most = x.max()
    share = most**2 / (start + slope * most)
    return {
        "start_mib": round(float(start), 2),
        "mib_a_view": round(float(slope), 3),
        "r2": round(float(1 - residuals.var() / y.var()), 6),
        "largest_residual_mib": round(float(np.abs(residuals).max()), 2),
        "square_share": [round(float((parabola[0] + sign * half) * share), 4) for sign in (-1, 0, 1)],
    }


def plot(series: list[dict[str, Any]], file: Path) -> None:
    """Needed memory over views, a panel for each strategy."""
    panels = []
    for strategy in STRATEGIES:
        lines = []
        for one in (one for one in series if one["strategy"] == strategy and one["attention"] == FUSED):
            needed, points = one["allocator"] == "needed", one["points"]
            dots = [(point["views"], peak / MIB) for point in points for peak in point["peaks"]]
            fit = one["fit"]
            ends = [(x, fit["start_mib"] + fit["mib_a_view"] * x) for x in (points[0]["views"], points[-1]["views"])]
            name = f"{one['precision']}, {fit['mib_a_view']:.1f} MiB a view" if needed else ""
            lines.append(Line(name, one["precision"], dots, ends if needed else [], hollow=not needed))
            if needed:
                cache = [(point["views"], point["predicted_cache"] / MIB) for point in points]
                lines.append(Line(f"cache, {one['precision']}, as shown", one["precision"], [], cache, dashed=True))
        panels.append(Panel(strategy, "views", "MiB", lines))
    file.write_text(draw(panels, "Memory of one prefill by views of the picture"), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "prefill_memory.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "prefill_memory.svg")
    options = parser.parse_args()
    repeats = 1 if options.quick else 3
    series = []
    for strategy, precision, allocator, attention in SERIES:
        name = f"{strategy:15}{precision} {allocator:9}{attention:6}"
        points: list[dict[str, Any]] = []
        for tiles in TILES[strategy][: 4 if options.quick else 6 if attention == EAGER else None]:
            found = [apart(strategy, precision, allocator, attention, tiles, seed) for seed in range(repeats)]
            peaks = [one.pop("peak") for one in found]
            points.append({"tiles": tiles} | found[0] | {"peaks": peaks})
            print(f"{name}{found[0]['views']:>3} views {statistics.median(peaks) / MIB:>8.1f} MiB", flush=True)
        fit = fitted(
            [point["views"] for point in points for _ in point["peaks"]],
            [peak for point in points for peak in point["peaks"]],
        )
        print(f"{name}{fit}", flush=True)
        what = {"strategy": strategy, "precision": precision, "allocator": allocator, "attention": attention}
        series.append(what | {"fit": fit, "points": points})
    if not options.quick:
        record = {
            "about": "Bytes by which peak resident memory of one prefill is above what was resident before, by views.",
            "environment": environment(),
            "settings": {"tiles": TILES, "seeds": list(range(repeats)), "model": MODEL, "strategies": STRATEGIES},
            "series": series,
        }
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        plot(series, options.plot)


if __name__ == "__main__":
    main()
