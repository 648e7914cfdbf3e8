"""Item: one question and what its reply is held against, and where items come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from omma.data.playground.base import Scene, Split, World, scene_random
from omma.data.sample import BoxSegment, ImageSegment, ImageSource, MaskSegment, Role, Sample, Segment, Turn, user
from omma.errors import BadInput
from omma.evaluation.truths import Truth

SCENES_OF_A_SEED = 1_000_000
"""Places of each split of a generated world that one seed of an evaluation may ask about; the next seed has the next ones."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question to a model, and what the reply is held against.

    Attributes:
        id: unique within an evaluation.
        turns: the prompt; the last turn is the user's question, earlier ones are context.
        answer: the truth in words: what whoever knows it says.
        kind: groups questions in reports ("count", "color", "read", ...).
        world: the generated world or the data set.
        split: "fresh", "compositional", "test", ...
        cluster: the picture(s) behind the question. Items of one cluster are not independent of each other, so whole
            clusters are resampled for intervals and exchanged for the swapped condition.
        truth: how a reply is judged; None is exact match with ``answer``.
        benchmark: name of the published benchmark that the question is of; "" for others.
        groups: by name: to which group the question belongs of those that the benchmark's figures are of ("question": "12").
    """

    id: str
    turns: tuple[Turn, ...]
    answer: str
    kind: str
    world: str
    split: str
    cluster: str
    truth: Truth | None = field(default=None, hash=False)
    benchmark: str = ""
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def images(self) -> tuple[ImageSource, ...]:
        """The pictures that the prompt shows, in order."""
        return Sample(self.id, self.turns).images

    @property
    def question(self) -> str:
        """The words of the last turn, for display."""
        return self.turns[-1].text.strip()


def playground_items(
    world: World, split: Split, count: int, *, start: int = 0, questions_per_scene: int | None = None
) -> list[Item]:
    """Single-turn items about the scenes ``start`` to ``start + count - 1`` of a world, scene by scene.

    The turn is laid out as in training: the scene's pictures, or where it has none its description (if any), then a
    newline and the question.

    Args:
        count: the number of *scenes*, so of independent clusters; each asks several questions.
        questions_per_scene: so many of each scene's questions, drawn evenly; None takes all of them.

    Raises:
        ValueError: for an unknown split or a negative ``start`` or ``count``.
    """
    if count < 0 or start < 0:
        raise ValueError(f"start and count must not be negative, these are {start} and {count}")
    items = []
    for index in range(start, start + count):
        scene = world.scene(split, index)
        place = f"{world.name}/{split}/{index}"  # not the scene's own id: a world may pass on a scene of another one
        shown = scene.images or ((scene.description,) if scene.description else ())
        for number in _drawn(scene, questions_per_scene):
            question = scene.questions[number]
            items.append(
                Item(
                    id=f"{place}/{number}",
                    turns=(user(*shown, f"\n{question.text}" if shown else question.text),),
                    answer=question.answer,
                    kind=question.kind,
                    world=world.name,
                    split=split,
                    cluster=place,
                )
            )
    return items


def _drawn(scene: Scene, most: int | None) -> list[int]:
    """The places of the questions to ask, ascending. A world may list its questions kind by kind, so a prefix would not do."""
    places = range(len(scene.questions))
    if most is None or most >= len(places):
        return list(places)
    return sorted(scene_random("evaluation", scene.id, most).sample(places, most))


def items_from_samples(samples: Iterable[Sample], *, world: str | None = None, split: str = "test") -> list[Item]:
    """One item per sample: the text of its last assistant turn is the answer, the turns before it are the prompt.

    Samples that show the same pictures share a cluster. ``meta["kind"]``, ``meta["world"]`` and ``meta["split"]`` are
    used where they are texts; else the kind is "question", the world is the argument or the sample's source.

    Raises:
        BadInput: if a sample has no assistant turn with text after a user's turn.
    """
    return [_item_from_sample(sample, world, split) for sample in samples]


def _item_from_sample(sample: Sample, world: str | None, split: str) -> Item:
    last = max((i for i, turn in enumerate(sample.turns) if turn.role is Role.ASSISTANT), default=0)
    answer = sample.turns[last].text.strip() if last else ""
    if not answer or sample.turns[last - 1].role is not Role.USER:
        raise BadInput(
            f"sample {sample.id}",
            expected="a question of the user followed by an answer in words of the assistant",
            found=" ".join(turn.role.value for turn in sample.turns) or "no turns",
            remedy="leave the sample out of the evaluation data or give it an answer",
        )
    turns = tuple(replace(turn, learn=False) for turn in sample.turns[:last])
    keys = sorted(image.key for image in Sample(sample.id, turns).images)

    def named(field: str, otherwise: str) -> str:
        value = sample.meta.get(field)
        return value if isinstance(value, str) and value else otherwise

    return Item(
        id=sample.id,
        turns=turns,
        answer=answer,
        kind=named("kind", "question"),
        world=world or named("world", sample.source or "data"),
        split=named("split", split),
        cluster="+".join(keys) or sample.id,
    )


def refuse_duplicates(items: Sequence[Item]) -> None:
    """Raises BadInput if two items share an id: predictions are kept by id, and one would hide the other."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise BadInput(
                f"evaluation item {item.id}",
                expected="every item to have an id of its own",
                found="the id twice",
                remedy="make the sample ids unique, for instance by putting the data set's name before them",
            )
        seen.add(item.id)


def items_hash(items: Iterable[Item]) -> str:
    """32 hex digits that change with any item's words, pictures, truth or group; the order of items does not count."""
    digest = hashlib.blake2b(digest_size=16)
    for item in sorted(items, key=lambda item: item.id):
        turns = [[turn.role.value, [_fingerprint(segment) for segment in turn.content]] for turn in item.turns]
        record: list[object] = [item.id, turns, item.answer, item.kind, item.world, item.split, item.cluster]
        if item.truth is not None:
            record.append(item.truth.fingerprint())
        if item.benchmark:
            record += [item.benchmark, dict(item.groups)]
        digest.update(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _fingerprint(segment: Segment) -> list[object]:
    if isinstance(segment, ImageSegment):
        return ["image", segment.image.key]
    if isinstance(segment, BoxSegment):
        return ["box", segment.image, [[b.left, b.top, b.right, b.bottom, b.label] for b in segment.boxes]]
    if isinstance(segment, MaskSegment):
        masks = [[m.label, m.array.shape, hashlib.blake2b(m.array.tobytes()).hexdigest()] for m in segment.masks]
        return ["mask", segment.image, masks]
    return ["text", segment.text]
