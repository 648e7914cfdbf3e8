"""How often does a model draw what it is asked for? GenEval's tasks (arXiv 2310.11513), drawn, read back and judged.

Every picture is kept as a file of its own beside the results, so that an evaluation that was interrupted goes on where it was.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from omma.data.playground.base import Split
from omma.data.sample import Turn
from omma.errors import BadInput
from omma.evaluation.drawing.codes import code_use
from omma.evaluation.drawing.edits import EditPrompt, edit_prompts
from omma.evaluation.drawing.prompts import COLORED, TASKS, Prompt, prompts
from omma.evaluation.drawing.read_back import Found, read_back
from omma.evaluation.drawing.results import DrawnPrompt, TaskScore
from omma.evaluation.intervals import Estimate, Scored, mean_estimate, mean_of_means
from omma.model.drawing import PictureDrawer
from omma.model.text_drawer import TextDrawer
from omma.parts.painters.base import Sampling
from omma.parts.tokenizers.base import NO_CODE
from omma.storage import remove_directory, write_atomically

SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt of the evaluation."""

    split: Split
    number: int
    prompt: Prompt | EditPrompt

    @property
    def file(self) -> str:
        return f"{self.prompt.task.replace(' ', '-')}-{self.split}-{self.number}.png"


@dataclass
class Drawn:
    """What drawing took, and the codes that came of it.

    Attributes:
        pictures, steps: that were drawn now.
    """

    pictures: int = 0
    steps: int = 0
    seconds: float = 0.0
    codes: list[np.ndarray] = field(default_factory=list)

    def use(self, vocabulary: int) -> tuple[float, float]:
        """Share of the vocabulary in use, and perplexity; not-a-number if no codes were drawn."""
        if not self.codes:
            return float("nan"), float("nan")
        use = code_use(np.concatenate(self.codes), vocabulary)
        return use.used, use.perplexity


def asked_for(count: int, edits: int = 0) -> list[Asked]:
    """So many prompts of every task and split, and so many changes of pictures of each split."""
    cases: list[tuple[str, Split]] = [(task, "fresh") for task in TASKS]
    cases += [(task, "compositional") for task in COLORED]
    asked = [Asked(split, i, prompt) for task, split in cases for i, prompt in enumerate(prompts(task, count, split))]
    changes: tuple[Split, ...] = ("fresh", "compositional")
    return asked + [Asked(split, i, prompt) for split in changes for i, prompt in enumerate(edit_prompts(edits, split))]


def draw_all(
    drawer: PictureDrawer | TextDrawer,
    asked: Sequence[Asked],
    folder: Path,
    *,
    identity: str,
    sampling: Sampling,
    turns_of: Callable[[Asked], Sequence[Turn]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Drawn:
    """Draw what has not been drawn yet, each picture with the seed of its number in its task.

    Args:
        folder: where pictures go; those of another model, or drawn otherwise, are deleted.
        identity: another one for every model that may draw otherwise.
        turns_of: the conversation that asks for it.

    Raises:
        BadInput: if the folder holds something else, or cannot be written.
    """
    _prepare(folder, {"model": identity, **asdict(sampling)})
    waiting = [one for one in asked if not (folder / one.file).is_file()]
    drawn, done = Drawn(), len(asked) - len(waiting)
    progress(done, len(asked))
    for start in range(0, len(waiting), drawer.batch):
        part = waiting[start : start + drawer.batch]
        last: list[Tensor] = []

        def watch(first: int, codes: Tensor, last: list[Tensor] = last, count: int = len(part)) -> None:
            last[:] = [codes]
            drawn.steps += count

        began = time.monotonic()
        pictures = drawer.draw(
            [turns_of(one) for one in part], seeds=[one.number for one in part], sampling=sampling, watch=watch
        )
        drawn.seconds += time.monotonic() - began
        if not last[0].is_floating_point():
            found = last[0].cpu().numpy()
            drawn.codes.append(found[found != NO_CODE])
        drawn.pictures += len(part)
        for one, picture in zip(part, pictures, strict=True):
            encoded = io.BytesIO()
            picture.save(encoded, "PNG")
            write_atomically(folder / one.file, encoded.getvalue())
        done += len(part)
        progress(done, len(asked))
    return drawn


def _prepare(folder: Path, settings: dict[str, object]) -> None:
    told = json.dumps(settings, indent=1) + "\n"
    file = folder / SETTINGS
    if folder.is_dir() and any(folder.iterdir()):
        if not file.is_file():
            raise BadInput(
                str(folder),
                expected="a new folder, or one of pictures that omma evaluate drew",
                found="other files",
                remedy="choose another --out",
            )
        if file.read_text(encoding="utf-8") != told:
            remove_directory(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, told)


def judge(asked: Sequence[Asked], folder: Path) -> list[DrawnPrompt]:
    """Read every picture back, and see whether it shows what was asked for."""
    judged = []
    for one in asked:
        with Image.open(folder / one.file) as picture:
            found = read_back(picture.convert("RGB"))
        judged.append(
            DrawnPrompt(
                task=one.prompt.task,
                split=one.split,
                prompt=one.prompt.text,
                seed=one.number,
                passed=one.prompt.met(found),
                found=tuple(map(_named, found)),
            )
        )
    return judged


def _named(thing: Found) -> str:
    return f"{thing.size} {thing.color} {thing.shape or 'thing'}, {thing.place}"


def task_scores(judged: Sequence[DrawnPrompt]) -> tuple[tuple[TaskScore, ...], Estimate]:
    """The share of every task and split, and the mean of GenEval's tasks on fresh prompts."""
    groups: dict[tuple[str, str], list[bool]] = {}
    for one in judged:
        groups.setdefault((one.task, one.split), []).append(one.passed)
    scored = {group: Scored(np.array(passed, dtype=float), range(len(passed))) for group, passed in groups.items()}
    scores = tuple(
        TaskScore(task=task, split=split, prompts=len(one.values), passed=mean_estimate(one))
        for (task, split), one in scored.items()
    )
    return scores, mean_of_means([one for (task, split), one in scored.items() if task in TASKS and split == "fresh"])
