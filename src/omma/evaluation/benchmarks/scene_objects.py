"""What is in a generated scene and what is not: CHAIR and POPE over scene graphs, made anew from the seed of the evaluation.

The things are a colour and a shape together ("red star"): the picture that a model makes up is most often one in which both are
there, on different things. (CHAIR: arXiv 1809.02156; POPE: 2305.10355, section 4.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from pydantic import Field

from omma.data.playground.base import WORLDS, DrawnImage, Split
from omma.data.playground.shapes_layout import PAIRS
from omma.errors import BadInput
from omma.evaluation.benchmarks.base import BENCHMARKS, SHORT, BenchmarkConfig, PublishedBenchmark
from omma.evaluation.benchmarks.chair import chair_measures
from omma.evaluation.benchmarks.yes_no import yes_no_measures
from omma.evaluation.descriptions import ThingsMentioned
from omma.evaluation.figures import Measure
from omma.evaluation.items import SCENES_OF_A_SEED, Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.hallucination import Negatives, Ontology, pope_questions
from omma.evaluation.metrics.yes_no import Answer
from omma.evaluation.truths import YesOrNo

Things = dict[str, tuple[DrawnImage, tuple[str, ...]]]
"""By number of a scene: its picture, and the things in it."""


class SceneConfig(BenchmarkConfig):
    """Which scenes."""

    world: str = "shapes"
    """One whose scenes are made of things of a colour and a shape."""
    split: Split = "fresh"
    """Of the world."""
    pictures: int = Field(default=100, gt=0, le=SCENES_OF_A_SEED)


def things(config: SceneConfig, seed: int) -> Things:
    """The scenes of a seed.

    Raises:
        BadInput: for a world that does not exist, or whose scenes have no such things.
    """
    where = "recipe field evaluation.benchmarks.world"
    world = WORLDS.get(config.world, where=where).Config().build()
    found: Things = {}
    for index in range(seed * SCENES_OF_A_SEED, seed * SCENES_OF_A_SEED + config.pictures):
        scene = world.scene(config.split, index)
        objects = scene.facts.get("objects", ())
        names = sorted({f"{one['color']} {one['shape']}" for one in objects if {"color", "shape"} <= one.keys()})
        if len(scene.images) != 1 or not names:
            raise BadInput(where, expected="a world of coloured shapes", found=config.world, remedy="name shapes")
        found[str(index)] = scene.images[0], tuple(names)
    return found


@BENCHMARKS.register("scene-chair")
class SceneChair(PublishedBenchmark):
    """Descriptions of scenes: *CHAIR_i*, *CHAIR_s*, recall and length, as those of benchmark `chair`. What a description names
    is every colour before a shape, whether or not such a thing is in any of the scenes ("two red stars" once)."""

    PROMPT = "Please describe this image in detail."

    class Config(SceneConfig):
        pass

    def questions(self) -> Iterable[Item]:
        scenes = things(self.config, self.seed)
        seen = {name for _, names in scenes.values() for name in names}
        ontology = Ontology({name: name for name in seen.union(map(" ".join, PAIRS))})
        for number, (picture, names) in scenes.items():
            truth = ThingsMentioned(names, ontology)
            yield self.item(number, [picture], "", ", ".join(names), truth, cluster=number, kind="description")

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return chair_measures(results)


@BENCHMARKS.register("scene-pope")
class ScenePope(PublishedBenchmark):
    """Is a thing in the scene? Of each, as many questions about what is there as about what is not: that is drawn at *random*, is
    most frequent in all scenes (*popular*), or most often in one scene with what is there (*adversarial*)."""

    PROMPT = SHORT

    class Config(SceneConfig):
        negatives: Negatives = "adversarial"
        """How what is not there is chosen."""
        most: int = Field(default=3, gt=0)
        """Questions of each answer about a scene, at most."""

    @property
    def split(self) -> str:
        """Each kind of negatives has figures of its own, as POPE's three files have."""
        kind: str = self.config.negatives
        return kind if self.config.split == "fresh" else f"{self.config.split} {kind}"

    def questions(self) -> Iterable[Item]:
        scenes = things(self.config, self.seed)
        objects: dict[Hashable, Sequence[str]] = {number: names for number, (_, names) in scenes.items()}
        for asked in pope_questions(objects, self.config.negatives, most=self.config.most, seed=self.seed):
            number = str(asked.picture)
            answer: Answer = "yes" if asked.present else "no"
            article = "an" if asked.thing[0] in "aeiou" else "a"
            yield self.item(
                f"{number}/{asked.thing}",
                [scenes[number][0]],
                f"Is there {article} {asked.thing} in the image?",
                answer,
                YesOrNo(answer),
                cluster=number,
                kind="is it there",
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return yes_no_measures("yes")
