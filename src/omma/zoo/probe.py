"""How much of a picture an encoder's last hidden state tells by place, to whoever reads it through one linear map.

    python -m omma.zoo.probe DIRECTORY

DIRECTORY is a saved encoder, such as ``zoo/encoder-small``. A linear map from its features to the codes of what stands in each
patch (`omma.objectives.place_code`) is fitted to pictures of the training split by least squares; then the codes of pictures
never trained on are taken apart again. Prints a table that its card quotes: the share of what is there that is told rightly,
with a 95% interval over pictures, by world and split.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omma.data.sample import Sample
from omma.data.sources import SOURCES
from omma.evaluation.intervals import Estimate, Scored, mean_estimate
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.objectives.transcription import Transcription
from omma.parts.encoders import ENCODERS
from omma.parts.resolution import RESOLUTIONS

WORLDS = ("shapes", "documents", "charts", "digits", "reading", "montage")
SPLITS = ("fresh", "compositional")
SIDE = 128
RIDGE = 1e-3
"""Of the mean square of a feature: what keeps features that hardly vary from deciding anything."""


class Probe:
    """A linear map from the features of an encoder to the codes of what stands in each patch, as `transcription` has them."""

    def __init__(self, transcription: Transcription) -> None:
        self.transcription = transcription
        self.term, self.collator = transcription.term(), transcription.collator()
        self.printed = self.term.slots - self.term.names

    @torch.inference_mode()
    def features(self, samples: list[Sample]) -> Tensor:
        """[pictures, T, C + 1] in float64, a one at the end."""
        batches = self.collator.collate([self.collator.prepare(sample) for sample in samples]).micro_batches
        states = [self.transcription.hidden_states(torch.from_numpy(batch["views"])) for batch in batches]
        features = torch.cat([self.transcription.read(state) for state in states]).double()
        return torch.cat([features, torch.ones_like(features[..., :1])], -1)

    def held(self, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        """Marks and shares [pictures, T, S, D]."""
        held = np.stack([self.term.held(sample)[0] for sample in samples])
        return torch.from_numpy(held["mark"].copy()), torch.from_numpy(held["share"].copy())

    def fit(self, samples: list[Sample]) -> None:
        features = self.features(samples).flatten(0, 1)
        codes = self.transcription.code(*self.held(samples), self.transcription.table).flatten(0, 1).double()
        square = features.T @ features
        ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
        self.map = torch.linalg.solve(square + ridge, features.T @ codes)

    def told(self, samples: list[Sample]) -> tuple[Estimate | None, Estimate | None]:
        """Shares told rightly of the characters, and of the names, if there are any. Which slots hold one is given."""
        (held, share), codes = self.held(samples), (self.features(samples) @ self.map).float()
        # What stands at a border is asked where most of it is.
        held, there = held[..., 0], share[..., 0] >= 0.5
        right = torch.zeros_like(there)
        for slot in range(self.term.slots):
            likeness = self.transcription.code.likeness(slot, codes[there[..., slot]], self.transcription.table)
            right[..., slot][there[..., slot]] = likeness.argmax(-1) == held[..., slot][there[..., slot]]

        def right_of(slots: slice) -> Estimate | None:
            picture, place, slot = there[..., slots].nonzero().unbind(1)
            scores = right[..., slots][picture, place, slot].double().numpy()
            return mean_estimate(Scored(scores, picture.tolist())) if len(scores) else None

        return right_of(slice(0, self.printed)), right_of(slice(self.printed, None))


def main(directory: Path, fitted: int = 200, asked: int = 60) -> None:
    settings = {"type": "transformers", "weights": str(directory.resolve()), "tap": -1, "cls": "drop", "normalization": "half"}
    encoder = ENCODERS.parse(settings, where="encoder").build(load_weights=True).eval()
    resolution = RESOLUTIONS.parse({"type": "pad-square", "size": SIDE}, where="resolution").build()
    model = Composition(encoder=encoder, resolution=resolution)
    probe = Probe(OBJECTIVES.parse({"type": "transcription", "tap": -1}, where="objective").build(model=model))

    def pictures(world: str, split: str, count: int) -> list[Sample]:
        source = SOURCES.parse({"type": "playground", "world": world, "task": "describe", "split": split}, where="source").build()
        return [source.sample(index) for index in range(count)]

    probe.fit([sample for world in WORLDS for sample in pictures(world, "train", fitted)])
    print("| world | split | characters | 95% interval | names | 95% interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for world in WORLDS:
        for split in SPLITS:
            cells = []
            for share in probe.told(pictures(world, split, asked)):
                cells += [f"{share.value:.3f}", f"{share.low:.3f} to {share.high:.3f}"] if share else ["", ""]
            print(f"| {world} | {split} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
