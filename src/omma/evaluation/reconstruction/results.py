"""reconstruction.json: how well an image tokenizer paints what it has read, as typed models. Documented in
docs/image-tokenizers.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from omma.evaluation.environment import Environment
from omma.evaluation.intervals import Estimate
from omma.evaluation.records import Record
from omma.storage import write_atomically


class MeasuredPicture(Record):
    """One picture, read and painted again."""

    world: str = Field(description="The generated world that it is of.")
    scene: int = Field(description="Number of the scene among the world's fresh ones.")
    picture: int = Field(description="Of the scene, from 0 on.")
    psnr: float = Field(description="In dB, of eight bits a channel; of equal pictures, as if one number were off by 1.")
    ssim: float = Field(description="Structural similarity.")
    original_read: bool | None = Field(description="Whether its scene is read back exactly; null for other worlds.")
    painted_read: bool | None = Field(description="The same of what was painted.")


class WorldFidelity(Record):
    """The pictures of a world together."""

    world: str = Field(description="Which.")
    pictures: int = Field(description="How many.")
    psnr: Estimate = Field(description="Mean in dB, with its 95 % interval over scenes.")
    ssim: Estimate = Field(description="Mean, with its 95 % interval over scenes.")
    frechet: float | None = Field(description="Fréchet distance (rFID's formula) in the features of `network`; null without one.")
    kernel: float | None = Field(description="Kernel distance (KID's) in the same.")


class SceneReading(Record):
    """Fresh scenes of the world *shapes* that are read back exactly: every colour, shape, size and place, and nothing else."""

    scenes: int = Field(description="How many.")
    originals: Estimate = Field(description="Share of the pictures that the tokenizer reads.")
    painted: Estimate = Field(description="Share of what it paints of them: the ceiling of whatever draws with these codes.")
    difference: Estimate = Field(description="Painted less originals, scene by scene.")


class CodesInUse(Record):
    """How codes are used, of all maps or of one."""

    side: int | None = Field(description="Of the map, of codes in several scales; null for all codes together.")
    read: int = Field(description="How many were read in all pictures.")
    used: float = Field(description="Share of the vocabulary that occurs.")
    dead: int = Field(description="Codes that do not occur.")
    perplexity: float = Field(description="e to the entropy: as many codes, used alike, would be as hard to guess.")
    bits_in_balance: float | None = Field(description="Share of bits with an entropy of 0.8 or more; null where codes have none.")


class ReconstructionResults(Record):
    """Everything that one evaluation of an image tokenizer leaves behind, but the pictures on its page."""

    version: Literal[1] = 1
    model: str = Field(description="Name of the run or model.")
    command: str = Field(description="The command that repeats it.")
    finished: str = Field(description="When it ended: ISO 8601, UTC.")
    omma: str = Field(description="Version of omma.")
    seed: int = Field(description="Of the evaluation: which scenes.")
    tokenizer: str = Field(description="What it is, in words.")
    parameters: int = Field(description="How many it has.")
    size: tuple[int, int] = Field(description="Width and height of the pictures that it reads and paints.")
    vocabulary: int = Field(description="How many codes there are; 0 for vectors.")
    codes: float = Field(description="Codes of a picture, or vectors; the mean, where pictures have different numbers of them.")
    bits: float | None = Field(description="Of a picture: its codes times the bits of one; null for vectors.")
    network: str | None = Field(description="In whose features distances between distributions are; null for none.")
    worlds: tuple[WorldFidelity, ...] = Field(description="World by world.")
    reading: SceneReading | None = Field(description="What is left of scenes; null if shapes is not among the worlds.")
    use: tuple[CodesInUse, ...] = Field(description="Of all codes, then of every scale if there are several; empty for vectors.")
    pictures_per_second: float = Field(description="Read and painted again, in batches; the median over these.")
    batch: int = Field(description="Pictures of a batch.")
    environment: Environment = Field(description="Versions and machine.")
    pictures: tuple[MeasuredPicture, ...] = Field(description="Every picture.")


def write_reconstruction_results(results: ReconstructionResults, path: Path) -> None:
    """Write reconstruction.json. Raises BadInput if the place cannot be written."""
    write_atomically(path, results.model_dump_json(indent=1) + "\n")
