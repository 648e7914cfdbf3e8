"""Pictures that nobody has seen before, read by an image tokenizer and painted again: how near, how much of the codes is used,
and what of known scenes is still there.

PSNR and SSIM are picture by picture, Fréchet and kernel distances in the features of a network that has to be named: numbers that
image tokenizers are compared by (MAGVIT-v2, arXiv 2310.05737, section 4). The scene checker (`omma.evaluation.drawing.read_back`)
says what none of these do: the ceiling of whatever draws with these codes.

Shapes: N pictures, T codes, D features.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from omma.data.playground import WORLDS
from omma.data.playground.base import Scene
from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.evaluation.drawing.fidelity import PEAK, frechet_distance, kernel_distance, psnr, ssim
from omma.evaluation.drawing.read_back import read_back
from omma.evaluation.intervals import Estimate, Scored, mean_estimate, paired_difference
from omma.evaluation.items import SCENES_OF_A_SEED
from omma.evaluation.reconstruction.features import Features
from omma.evaluation.reconstruction.results import MeasuredPicture, SceneReading, WorldFidelity
from omma.model.pixels import views_uint8
from omma.parts.resolution.base import Resolution
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.base import NO_CODE

CHECKED = "shapes"
"""The world whose pictures can be read back."""
SHOWN = 12
"""Pictures of each world that are kept to be looked at: the first ones, which nobody has chosen, and as many of the worst."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A picture that is measured, and where it is from."""

    world: str
    scene: Scene
    index: int
    number: int
    image: ImageSource


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A picture as it was read, and as it was painted: uint8 [height, width, 3]."""

    picture: MeasuredPicture
    original: np.ndarray
    painted: np.ndarray


@dataclass
class Measured:
    """What came of all pictures.

    Attributes:
        codes: of the pictures of each batch, int64 [N, T]; `NO_CODE` where pictures have fewer. Empty for vectors.
        first, worst: of every world, worst by PSNR.
        features: [N, D] of the originals and of what was painted, for each world.
        speeds: pictures in a second, read and painted again, of each batch.
    """

    pictures: list[MeasuredPicture] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)
    first: dict[str, list[Pair]] = field(default_factory=dict)
    worst: dict[str, list[Pair]] = field(default_factory=dict)
    features: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = field(default_factory=dict)
    speeds: list[float] = field(default_factory=list)

    def add(self, pair: Pair) -> None:
        world = pair.picture.world
        self.pictures.append(pair.picture)
        first, worst = self.first.setdefault(world, []), self.worst.setdefault(world, [])
        if len(first) < SHOWN:
            first.append(pair)
        worst.append(pair)
        worst.sort(key=lambda one: one.picture.psnr)
        del worst[SHOWN:]

    @property
    def pictures_per_second(self) -> float:
        """The median over batches; the first one, in which everything is warmed up, counts only if it is alone."""
        return statistics.median(self.speeds[1:] or self.speeds)


def held_out(worlds: Sequence[str], count: int, *, seed: int) -> list[HeldOut]:
    """Pictures of so many fresh scenes of each world: those of a seed of the evaluation.

    Raises:
        BadInput: for a world that there is not, or one without pictures.
    """
    where, found = "recipe field evaluation.reconstruction.worlds", []
    for name in worlds:
        world = WORLDS.get(name, where=where).Config().build()
        for index in range(seed * SCENES_OF_A_SEED, seed * SCENES_OF_A_SEED + count):
            scene = world.scene("fresh", index)
            found += [HeldOut(name, scene, index, number, image) for number, image in enumerate(scene.images)]
        if not any(one.world == name for one in found):
            raise BadInput(where, expected="worlds with pictures", found=name, remedy="leave it out")
    return found


def measure(
    tokenizer: ImageTokenizer,
    resolution: Resolution,
    pictures: Sequence[HeldOut],
    *,
    batch: int,
    features: Features | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Read and paint all pictures.

    Args:
        resolution: how they are cut, into one view of one size.
        features: of the network that says how far apart distributions are.

    Raises:
        BadInput: for pictures of a size that the tokenizer does not read, or paints in another one.
    """
    measured = Measured()
    for start in range(0, len(pictures), batch):
        part = pictures[start : start + batch]
        views = np.stack([_view(one.image, resolution, tokenizer) for one in part])
        began = time.monotonic()
        read, painted = painted_again(tokenizer, torch.from_numpy(views), seeds=range(start, start + len(part)))
        measured.speeds.append(len(part) / (time.monotonic() - began))
        if not read.is_floating_point():
            measured.codes.append(read.numpy())
        for one, original, again in zip(part, views, painted.numpy(), strict=True):
            measured.add(Pair(_measured(one, original, again), original, again))
        if features is not None:
            for world in dict.fromkeys(one.world for one in part):
                own = np.array([one.world == world for one in part])
                real, made = measured.features.setdefault(world, ([], []))
                real.append(features(views[own]))
                made.append(features(painted.numpy()[own]))
        progress(start + len(part), len(pictures))
    return measured


@torch.inference_mode()
def painted_again(tokenizer: ImageTokenizer, views_NHW3: Tensor, *, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What a tokenizer reads in uint8 views, and the views that it paints of that: both on the CPU."""
    views = views_NHW3.to(next(tokenizer.parameters()).device)
    read = tokenizer.read(views)
    return read.cpu(), tokenizer.paint(read, (views.shape[2], views.shape[1]), seeds).cpu()


def _view(image: ImageSource, resolution: Resolution, tokenizer: ImageTokenizer) -> np.ndarray:
    (view,) = views_uint8(image, resolution.plan(*image.size), [tokenizer.normalization])
    return view


def _measured(one: HeldOut, original: np.ndarray, painted: np.ndarray) -> MeasuredPicture:
    before, after = Image.fromarray(original), Image.fromarray(painted)
    checked = one.world == CHECKED
    # One number that is off by one is the least that can be told from nothing.
    best = 10 * math.log10(PEAK**2 * original.size)
    return MeasuredPicture(
        world=one.world,
        scene=one.index,
        picture=one.number,
        psnr=min(psnr(after, before), best),
        ssim=ssim(after, before),
        original_read=reads_exactly(before, one.scene) if checked else None,
        painted_read=reads_exactly(after, one.scene) if checked else None,
    )


def reads_exactly(picture: Image.Image, scene: Scene) -> bool:
    """Whether a picture shows the things of a scene of the world *shapes*, with their colours, shapes, sizes and places, and no
    other ones."""
    there = Counter((thing["color"], thing["shape"], thing["size"], thing["place"]) for thing in scene.facts["objects"])
    return there == Counter((thing.color, thing.shape, thing.size, thing.place) for thing in read_back(picture))


def world_fidelity(measured: Measured) -> tuple[WorldFidelity, ...]:
    """The means of every world with their intervals, and the distances between distributions."""
    worlds: dict[str, list[MeasuredPicture]] = {}
    for picture in measured.pictures:
        worlds.setdefault(picture.world, []).append(picture)
    found = []
    for world, own in worlds.items():
        frechet = kernel = None
        if world in measured.features:
            real, made = (np.concatenate(side) for side in measured.features[world])
            frechet, kernel = frechet_distance(made, real), kernel_distance(made, real)
        scenes = [picture.scene for picture in own]
        found.append(
            WorldFidelity(
                world=world,
                pictures=len(own),
                psnr=_mean([picture.psnr for picture in own], scenes),
                ssim=_mean([picture.ssim for picture in own], scenes),
                frechet=frechet,
                kernel=kernel,
            )
        )
    return tuple(found)


def _mean(values: Sequence[float], scenes: Sequence[int]) -> Estimate:
    """Decibels have no highest value, and no picture is near the lowest similarity: those unlike the seen ones are granted what
    the best and the worst of these have."""
    return mean_estimate(Scored(np.array(values), scenes), bounds=(min(values), max(values)))


def scene_reading(pictures: Sequence[MeasuredPicture]) -> SceneReading | None:
    """How often scenes are read back exactly, of the originals and of what was painted; None without such scenes."""
    checked = [picture for picture in pictures if picture.original_read is not None]
    if not checked:
        return None
    scenes = [picture.scene for picture in checked]
    before, after = (np.array([getattr(one, name) for one in checked], dtype=float) for name in ("original_read", "painted_read"))

    def share(read: np.ndarray) -> Estimate:
        return mean_estimate(Scored(read, scenes))

    return SceneReading(
        scenes=len(checked), originals=share(before), painted=share(after), difference=paired_difference(after, before, scenes)
    )


def without_places(codes: Sequence[np.ndarray]) -> np.ndarray:
    """All codes of all batches, one after another, without the places that have none."""
    flat = np.concatenate([part.ravel() for part in codes])
    return flat[flat != NO_CODE]
