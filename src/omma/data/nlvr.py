"""Cornell NLVR v1: is a human-written statement true of a picture of three boxes? (Suhr et al., ACL 2017, P17-2034)

The folder holds, for each split, ``<split>.jsonl`` with one example a line (id, example_id, permutation, image, sentence,
label, and directory) and ``<split>.tar`` with the 400 x 100 pictures that ``image`` names. The three boxes become three
pictures, so their order can be changed at will: no statement's truth depends on it.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import operator
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omma.data.images import CroppedImage, TarImage
from omma.data.montage import Montage
from omma.data.sample import Sample, assistant, user
from omma.data.tar_pictures import TarRecord, tar_records
from omma.errors import BadInput

PROMPT = "True or false: {sentence}"
"""How the statement is put to the model, after the three pictures."""

ANSWERS = {True: "true", False: "false"}

BOXES = ((0, 0, 100, 100), (150, 0, 250, 100), (300, 0, 400, 100))
"""(left, top, right, bottom) of the three boxes within a picture; grey bars lie between them."""

ORDERS = tuple(itertools.permutations(range(3)))
"""Every order of the three boxes."""

REMEDY = "get the data set from github.com/lil-lab/nlvr, folder nlvr, and pack its splits like this"

_FIELDS: dict[str, type] = {
    "id": str,
    "example_id": str,
    "permutation": int,
    "image": str,
    "sentence": str,
    "label": bool,
    "directory": str,
}


@dataclass(frozen=True, slots=True)
class NlvrExample:
    """One line of the data set. ``image`` is the whole picture; ``directory`` groups what was written together."""

    id: str
    example_id: str
    permutation: int
    sentence: str
    label: bool
    directory: int
    image: TarImage


class Nlvr:
    """The examples of one split as samples, by index or in order.

    A sample shows three pictures (one a box) or their `Montage`, asks for the truth of the statement, and answers "true" or
    "false". Its ``meta`` holds label, example_id, permutation, directory, cluster (equal for the examples that were written
    together) and kind.

    Args:
        folder: where ``<split>.jsonl`` and ``<split>.tar`` lie.
        split: "train" or "dev".
        box_orders: "given" shows the boxes from left to right; "random" in an order drawn from the seed, the epoch and the
            example's id, so that it is the same wherever and whenever that epoch is read.
        seed: of the random orders.
        montage: the three boxes on one sheet, as one picture, instead of three pictures.

    Raises:
        BadInput: at once, if a file is missing or damaged or a line is not as described.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        *,
        box_orders: Literal["given", "random"] = "given",
        seed: int = 0,
        montage: bool = False,
    ) -> None:
        if box_orders not in ("given", "random"):
            raise ValueError(f"box_orders is 'given' or 'random', not {box_orders!r}")
        self.split, self.box_orders, self.seed, self.epoch = split, box_orders, seed, 0
        self.montage = montage
        records = tar_records(folder, split, fields=", ".join(_FIELDS), remedy=REMEDY)
        self.examples = tuple(map(_example, records))

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample:
        example = self.examples[operator.index(index)]
        order = self._order(example)
        boxes = tuple(CroppedImage(example.image, BOXES[place]) for place in order)
        return Sample(
            id=example.id,
            turns=(
                user(*((Montage(boxes),) if self.montage else boxes), PROMPT.format(sentence=example.sentence)),
                assistant(ANSWERS[example.label]),
            ),
            source=f"nlvr/{self.split}",
            meta={
                "kind": "statement",
                "label": example.label,
                "example_id": example.example_id,
                "permutation": example.permutation,
                "box_order": list(order),
                "directory": example.directory,
                "cluster": example.example_id.partition("-")[0],
            },
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def at_epoch(self, epoch: int) -> Nlvr:
        """The same examples with the random box orders of another epoch (the first is 0)."""
        other = copy.copy(self)
        other.epoch = epoch
        return other

    def hold_out_directories(self, directories: Collection[int]) -> tuple[Nlvr, Nlvr]:
        """(the rest, the held-out part): a validation fold of whole directories, as the authors advise.

        Examples that one writer saw together share a directory, so no cluster is on both sides (short statements recur in
        other clusters all the same). The held-out part keeps its boxes in the given order.

        Raises:
            BadInput: if no example is in one of the directories, or none is left.
        """
        present = {example.directory for example in self.examples}
        if not set(directories) <= present or set(directories) == present:
            raise BadInput(
                f"directories to hold out of nlvr/{self.split}",
                expected=f"some but not all of {min(present)} to {max(present)}",
                found=str(sorted(directories)),
                remedy="choose others",
            )
        rest, held_out = copy.copy(self), copy.copy(self)
        rest.examples = tuple(e for e in self.examples if e.directory not in directories)
        held_out.examples = tuple(e for e in self.examples if e.directory in directories)
        held_out.box_orders = "given"
        return rest, held_out

    def _order(self, example: NlvrExample) -> tuple[int, ...]:
        if self.box_orders == "given":
            return ORDERS[0]
        digest = hashlib.blake2b(f"{self.seed}/{self.epoch}/{example.id}".encode(), digest_size=8).digest()
        return ORDERS[int.from_bytes(digest, "big") % len(ORDERS)]


def _example(record: TarRecord) -> NlvrExample:
    values = {field: record.value(field, kind) for field, kind in _FIELDS.items()}
    if not values["directory"].isdecimal():
        raise record.bad("directory", "digits", repr(values["directory"]))
    return NlvrExample(**values | {"directory": int(values["directory"]), "image": record.image()})
