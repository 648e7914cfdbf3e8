"""How fast models draw: next-scale prediction and masked decoding beside raster autoregression, in one run.

    python benchmarks/drawing_speed.py            a quarter of an hour
    python benchmarks/drawing_speed.py --quick    a minute, to see that it works

One language model (that of the recipes at size small) with random weights draws pictures in each way, with one tokenizer
network: 64 codes of a picture of 64 pixels, and 256 of one of 128; next-scale has all coarser maps besides (130 and 680 codes).
Speed does not depend on what the weights have learned. Ways take turns, batch by batch; every number is the median of the rounds.
The peer is raster, one code after another: what a language model with an extended vocabulary does.

And the output layer: cross-entropy with its gradients for 4,096 places, among 262,144 codes as two numbers of nine bits, and
among 8,192 with one layer; time, and bytes of weights, gradients and logits.
Written: results/drawing_speed.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from omma.data.sample import user
from omma.model.composition import compose
from omma.model.drawing import PictureDrawer
from omma.model.processing import processor_of
from omma.parts.painters.base import Sampling
from omma.parts.painters.heads import CODE_HEADS
from omma.recipe import load_recipe
from omma.training.run import environment

ROOT = Path(__file__).parent
WAYS = {"raster": "llamagen", "next-scale": "var", "masked": "maskgit"}
SCALES = {64: (1, 2, 3, 4, 6, 8), 128: (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)}
PROMPT = (user("draw a small red star to the left of a large blue circle"),)
PLACES = 4096


def drawer(way: str, side: int) -> PictureDrawer:
    """A model of the recipe at size small, with random weights, for pictures of that side."""
    overrides = ["model.from_checkpoint=null", f"model.painter.canvas.size={side}"]
    if way == "next-scale":
        overrides.append(f"model.image_tokenizer.quantizer.scales={list(SCALES[side])}")
    if way == "masked":
        # The same network as the others'.
        overrides += [
            "model.image_tokenizer.network={type: convolutional, width: 32, channels: 32, multipliers: [1, 2, 2, 4], blocks: 1, "
            "attention: false, groups: 8}",
            "model.image_tokenizer.bridge=1",
        ]
    model = compose(load_recipe(WAYS[way], "small", overrides).model, load_weights=False)
    assert model.vlm is not None and model.tokenizer is not None
    return PictureDrawer(model.vlm, processor_of(model.vlm.config, model.tokenizer))


def once(made: PictureDrawer, batch: int, guidance: float) -> tuple[float, int]:
    """Seconds of a batch, painting included, and its steps."""
    made.batch, steps = batch, 0

    def watch(first: int, codes: Any) -> None:
        nonlocal steps
        steps += 1

    began = time.perf_counter()
    made.draw([PROMPT] * batch, seeds=range(batch), sampling=Sampling(guidance=guidance), watch=watch)
    return time.perf_counter() - began, steps


def ways(side: int, batch: int, guidance: float, rounds: int) -> dict[str, Any]:
    """Pictures per second of every way, and how many times as fast as raster it is."""
    torch.manual_seed(0)
    made = {way: drawer(way, side) for way in WAYS}
    for one in made.values():
        once(one, 1, guidance)
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    steps = {}
    for _ in range(rounds):
        for way, one in made.items():
            seconds, steps[way] = once(one, batch, guidance)
            took[way].append(seconds)
    medians = {way: statistics.median(values) for way, values in took.items()}
    found: dict[str, Any] = {
        way: {
            "codes": made[way].painter.codes,
            "steps": steps[way],
            "pictures_per_second": batch / medians[way],
            "times_raster": medians["raster"] / medians[way],
        }
        for way in WAYS
    }
    return {"side": side, "batch": batch, "guidance": guidance, "rounds": rounds, "ways": found}


def heads(width: int, rounds: int) -> dict[str, Any]:
    """Seconds and bytes of both output layers."""
    torch.manual_seed(0)
    cases = {
        "8,192 codes, one layer": ({"type": "linear"}, 8192),
        "262,144 codes, two of nine bits": ({"type": "factorised", "bits": [9, 9]}, 1 << 18),
    }
    hidden = torch.randn(PLACES, width)
    built = {}
    for name, (config, vocabulary) in cases.items():
        head = CODE_HEADS.parse(config, where="head").build(vocabulary=vocabulary, width=width, embeds=True)
        head.init_weights(0.02)
        built[name] = head, torch.randint(0, vocabulary, (PLACES,))
    took: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, (head, codes) in built.items():
            states = hidden.clone().requires_grad_()
            began = time.perf_counter()
            head.losses(states, codes).mean().backward()
            if number:
                took[name].append(time.perf_counter() - began)
            head.zero_grad()
    found = {}
    for name, (head, _) in built.items():
        parameters = sum(parameter.numel() for parameter in head.parameters())
        outputs = 8192 if "8,192" in name else 1024
        # Weights and their gradients, logits and theirs.
        found[name] = {"seconds": statistics.median(took[name]), "bytes": 4 * 2 * (parameters + PLACES * outputs)}
    one, other = found.values()
    ratios = {"times_the_time": other["seconds"] / one["seconds"], "times_the_bytes": other["bytes"] / one["bytes"]}
    return {"width": width, "places": PLACES, "rounds": rounds, "heads": found, **ratios}


def _told(case: dict[str, Any]) -> str:
    ways = case["ways"].items()
    found = (f"{way} {one['pictures_per_second']:.2f} ({one['times_raster']:.1f} times raster)" for way, one in ways)
    return f"pictures per second {', '.join(found)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round, small batches")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "drawing_speed.json", metavar="FILE")
    arguments = parser.parse_args()
    rounds, batches = (1, (1, 4)) if arguments.quick else (5, (1, 16))
    found: dict[str, Any] = {"environment": environment(), "drawing": [], "heads": []}
    for side in (64, 128):
        for batch in batches:
            for guidance in (0.0, 2.0):
                case = ways(side, batch, guidance, rounds)
                found["drawing"].append(case)
                print(f"{side} pixels, batches of {batch}, guidance {guidance:g}: {_told(case)}", flush=True)
    for width in (256, 1024):
        case = heads(width, 3 if arguments.quick else 15)
        found["heads"].append(case)
        print(f"width {width}: {case['times_the_time']:.2f} the time, {case['times_the_bytes']:.2f} the bytes", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"Written to {arguments.out}.")


if __name__ == "__main__":
    main()
