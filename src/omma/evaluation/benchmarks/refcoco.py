"""RefCOCO, RefCOCO+ and RefCOCOg: the box of what an expression refers to (arXiv 1608.00272, 1511.02283)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, numbered
from omma.evaluation.benchmarks.rows import json_lines
from omma.evaluation.figures import Measure, each, mean_of
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.boxes import FRAMES
from omma.evaluation.truths import RightBox, box_as_text

THRESHOLDS = (0.3, 0.7, 0.9)
"""Of the intersection over union, beside the 0.5 of the accuracy."""


@BENCHMARKS.register("refcoco")
class RefCoco(PublishedBenchmark):
    """``refcoco_testA.jsonl`` and others of the form in which Qwen-VL and InternVL publish the splits: a line for each
    expression, with ``image``, ``sent``, ``bbox`` (left, top, right, bottom in pixels), ``width`` and ``height``. The files of
    the authors themselves are pickles, which are not read.

    The accuracy is Acc@0.5. Only the last part of the path in ``image`` counts if the folder does not have the whole of it.
    """

    PROMPT = "Please provide the bounding box coordinate of the region this sentence describes: {question}"

    class Config(FolderConfig):
        frame: Literal["pixels", "thousandths", "gemini", "paligemma", "llava"] = "llava"
        """How the model writes boxes; it is never guessed."""

    def questions(self) -> Iterable[Item]:
        pictures, frame = Pictures(self.config.images), FRAMES[self.config.frame]
        for number, row in numbered(json_lines(self.config.file)):
            path = row.text("image")
            name = path if (pictures.folder / path.lstrip("/")).is_file() else path.rpartition("/")[2]
            picture = pictures.of(row, "image", name)
            size = row.whole("width"), row.whole("height")
            if picture.size != size:
                found = f"a picture of {picture.size[0]} x {picture.size[1]} pixels"
                raise row.bad("width", f"{found}, as {name} is", remedy="use the pictures that the boxes were drawn on")
            left, top, right, bottom = row.numbers("bbox", 4)
            # Boxes of COCO end up to a pixel beyond the border, by rounding.
            if not (-1 <= left < right <= size[0] + 1 and -1 <= top < bottom <= size[1] + 1):
                raise row.bad("bbox", f"left, top, right and bottom of a box within {size[0]} x {size[1]} pixels")
            box = max(left, 0.0), max(top, 0.0), min(right, float(size[0])), min(bottom, float(size[1]))
            text = box_as_text(box, frame, size)
            yield self.item(
                number, [picture], row.text("sent"), text, RightBox(box, size, frame, text), cluster=name, kind="expression"
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return [
            Measure("mean IoU", mean_of("iou")),
            *(
                Measure(f"Acc@{t}", each(lambda _, reply, t=t: (float(reply.counts["iou"] >= t), 1)))  # type: ignore[misc]
                for t in THRESHOLDS
            ),
            Measure("centre in the box", mean_of("centre")),
            Measure("no box with an area", mean_of("invalid")),
        ]
