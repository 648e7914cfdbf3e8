"""A small world, answerers that behave in known ways, and a run as realistic as a fake can be."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from omma.data.playground.base import DrawnImage, Question, Scene, Split, World, scene_random
from omma.data.sample import Sample
from omma.evaluation import (
    CONDITIONS,
    CurvePoint,
    Environment,
    Item,
    Phase,
    Results,
    Run,
    StageCurve,
    Timing,
    judged,
    playground_items,
    score,
)
from omma.model.output import Output

COLORS = ("red", "green", "blue", "orange")
SHAPES = ("circle", "square", "triangle")


class Toys(World):
    """One to nine coloured shapes; asks for their number, colour and shape."""

    name = "toys"
    panels = 1
    described = True

    def scene(self, split: Split, index: int) -> Scene:
        chance = scene_random(self.name, split, index)
        number, color, shape = chance.randint(1, 9), chance.choice(COLORS), chance.choice(SHAPES)
        places = [(chance.randint(8, 150), chance.randint(8, 100)) for _ in range(number)]

        def draw() -> Image.Image:
            image = Image.new("RGB", (200, 150), "#f2eee6")
            pen = ImageDraw.Draw(image)
            for x, y in places:
                sides = {"circle": 40, "square": 4, "triangle": 3}[shape]
                pen.regular_polygon((x + 20, y + 20, 18), sides, fill=color)
            return image

        noun = shape if number == 1 else f"{shape}s"
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=tuple(DrawnImage(f"{self.name}/{split}/{index}/{n}", (200, 150), draw) for n in range(self.panels)),
            caption=f"{number} {color} {noun}",
            description=f"There are {number} {color} {noun}." if self.described else "",
            questions=(
                Question("How many shapes are there?", str(number), "count"),
                Question("Which colour do the shapes have?", color, "color"),
                Question("Which shape is it?", shape, "shape"),
            ),
        )


class Pairs(Toys):
    """The same with two pictures."""

    name = "pairs"
    panels = 2


class Riddles(Toys):
    """The same in words."""

    name = "riddles"
    panels = 0


class Bare(Riddles):
    """The same with neither pictures nor words: every question stands alone."""

    name = "bare"
    described = False


def toys(world: type[Toys] = Toys) -> Toys:
    return world(world.Config())


def question_of(prompt: Sample) -> str:
    return prompt.turns[-1].text.strip()


class Keen:
    """Knows every answer by the picture and the question; says "red" without a picture. Keeps what it was asked."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.truth = {(item.images[0].key if item.images else "", item.question): item.answer for item in items}
        self.batches: list[list[Sample]] = []

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        self.batches.append(list(prompts))
        keys = [(prompt.images[0].key if prompt.images else "", question_of(prompt)) for prompt in prompts]
        return [Output(f" {self.truth.get(key, 'red').upper()}. ") for key in keys]


def fake_results(count: int = 60) -> tuple[Results, dict[str, Image.Image | tuple[Image.Image, ...]]]:
    """A run of two worlds on two splits with a plausible model, and the pictures of its items."""
    items = [
        item
        for world in (Toys, Pairs)
        for split in ("fresh", "compositional")
        for item in playground_items(toys(world), split, count)  # type: ignore[arg-type]
    ]
    skill = {"count": 0.62, "color": 0.95, "shape": 0.88}
    chance = random.Random(7)
    guesses = {"count": [str(n) for n in range(1, 10)], "color": COLORS, "shape": SHAPES}

    def says(item: Item, rate: float) -> str:
        return item.answer if chance.random() < rate else chance.choice(guesses[item.kind])

    penalty = {"fresh": 0.0, "compositional": 0.18}
    predictions = {
        condition: {
            item.id: Output(says(item, max(0.0, skill[item.kind] - penalty[item.split]) if condition == "sighted" else 0.02))
            for item in items
        }
        for condition in CONDITIONS
    }
    del predictions["sighted"][items[0].id]
    replies = judged(items, predictions)
    curves = tuple(
        StageCurve(
            stage=stage,
            points=tuple(
                CurvePoint(
                    step=step,
                    loss=low + (high - low) * math.exp(-step / 90) + chance.gauss(0, 0.06),
                    lr=1e-3 * min(1, step / 30) * 0.5 * (1 + math.cos(math.pi * step / steps)),
                    tokens_per_second=5200 + chance.gauss(0, 150),
                )
                for step in range(1, steps + 1)
            ),
        )
        for stage, steps, high, low in (("align", 300, 4.1, 1.6), ("instruct", 900, 1.9, 0.42))
    )
    results = Results(
        run=Run(
            name="tiles against one square view",
            recipe="internvl",
            size="small",
            seeds={"training": 1, "evaluation": 0},
            version="0.1.0",
            commit="3f2a9c1d7b",
            command="omma train internvl --size small --set stages.1.steps=900",
            finished="2026-11-23T15:40:12Z",
            parameters={"encoder": 1_840_000, "projector": 131_584, "backbone": 3_260_000},
            recipe_yaml="model:\n  resolution: {type: tiles, size: 64}\n  projector: {type: mlp}\nstages:\n"
            "  - {name: align, steps: 300, learn: [projector]}\n  - {name: instruct, steps: 900}\n",
        ),
        environment=Environment.current(),
        timing=Timing(
            phases=(
                Phase(name="align", seconds=141.2, tokens_per_second=5130.0, images_per_second=41.0),
                Phase(name="instruct", seconds=612.9, tokens_per_second=5204.3, images_per_second=40.2),
                Phase(name="evaluation", seconds=96.0, images_per_second=31.4),
            ),
            peak_memory_bytes=1_734_000_000,
        ),
        curves=curves,
        scores=score(replies),
        items=tuple(replies),
    )
    drawn = {item.id: tuple(image.load() for image in item.images) for item in items}
    return results, {name: p[0] if len(p) == 1 else p for name, p in drawn.items()}
