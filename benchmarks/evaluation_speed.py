"""How many questions a second the evaluation asks, beside a plain loop over `generate` with the same model.

    python benchmarks/evaluation_speed.py            a quarter of an hour on two cores
    python benchmarks/evaluation_speed.py --quick    two minutes, to see that it works

1,000 questions about fresh pictures of the four worlds of `omma demo`, as many of each world, all that a picture has. One side is
`omma.evaluation.evaluate` with `ModelAnswerer`: batches of 64 of like length, a picture through encoder and language model
once for all questions that are asked about it together. The other takes one question after another: the processor's tensors, and
`generate`, greedy, with a cache. Same weights, float32, same machine, taken in turn in one process, after a short round that is
thrown away. The replies are compared word for word.
Written: results/evaluation_speed.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from omma.data.playground import WORLDS
from omma.evaluation import Item, evaluate
from omma.evaluation.items import playground_items
from omma.model.answering import ModelAnswerer
from omma.model.loading import load_model, model_directory
from omma.training.run import environment

MODEL = "zoo:llava-1.5-small"
NAMES = ("shapes", "documents", "digits", "charts")
TOKENS = 32


def questions(count: int) -> list[Item]:
    """As many of each world, picture by picture."""
    items: list[Item] = []
    for name in NAMES:
        world = WORLDS.get(name, where="benchmark").Config().build()
        share = count * (NAMES.index(name) + 1) // len(NAMES) - len(items)
        items += playground_items(world, "fresh", 1 + share // 3)[:share]
    return items


def plain(answerer: ModelAnswerer, items: list[Item]) -> dict[str, str]:
    """One question after another, as a script would ask them."""
    model, processor = answerer.model, answerer.processor
    replies = {}
    for item in items:
        rendered = processor.renderer.render_turns(item.turns, for_generation=True)
        ids = torch.from_numpy(rendered.input_ids)[None]
        pixels = processor.image_processor(list(item.images), return_tensors="pt")
        with torch.inference_mode():
            found = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), **pixels, max_new_tokens=TOKENS, do_sample=False,
            )  # fmt: skip
        replies[item.id] = processor.tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True).strip()
    return replies


def ours(answerer: ModelAnswerer, items: list[Item]) -> dict[str, str]:
    predictions = evaluate(answerer, items, conditions=("sighted",), batch_size=answerer.batch)
    return {item: reply.text or "" for item, reply in predictions["sighted"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 questions, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "evaluation_speed.json")
    chosen = parser.parse_args()
    count, rounds = (100, 1) if chosen.quick else (1000, chosen.rounds)

    model, processor = load_model(model_directory(MODEL))
    items = questions(count)
    sides = {"omma": ours, "plain loop": plain}
    for side in sides.values():
        side(ModelAnswerer(model, processor, max_new_tokens=TOKENS), items[:20])
    took: dict[str, list[float]] = defaultdict(list)
    said: dict[str, dict[str, str]] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            # A new answerer each time: it keeps the features of the pictures that it has seen.
            answerer = ModelAnswerer(model, processor, max_new_tokens=TOKENS)
            began = time.perf_counter()
            said[name] = side(answerer, items)
            took[name].append(time.perf_counter() - began)
            print(f"{name}: {len(items) / took[name][-1]:.1f} questions a second", flush=True)
    same = sum(said["omma"][item.id] == said["plain loop"][item.id] for item in items)
    speeds = {name: len(items) / statistics.median(seconds) for name, seconds in took.items()}
    ratios = sorted(loop / own for own, loop in zip(took["omma"], took["plain loop"], strict=True))
    found: dict[str, Any] = {
        "questions": len(items),
        "pictures": len({item.cluster for item in items}),
        "rounds": rounds,
        "questions_per_second": speeds,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "same_replies": same,
        "right": {
            name: sum(replies[item.id] == item.answer for item in items) / len(items) for name, replies in said.items()
        },
        "environment": environment(),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{found['ratio']:.2f} times the plain loop; {same} of {len(items)} replies are the same.")


if __name__ == "__main__":
    main()
