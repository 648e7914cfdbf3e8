"""Printed lines: what is written in a line cut out of a scan? For receipts in the layout of ICDAR 2019's SROIE, and the like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from omma.data.printed_lines import PROMPT, PrintedLines
from omma.evaluation.benchmarks.base import AS_IT_IS, BENCHMARKS, BenchmarkConfig, PublishedBenchmark
from omma.evaluation.conditions import CONDITIONS
from omma.evaluation.figures import Measure, came, each
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.truths import Transcript


@BENCHMARKS.register("printed-lines")
class PrintedLinesBenchmark(PublishedBenchmark):
    """The lines that the source of that name reads. A reply earns 1 - its character error rate, at least 0; the *character error
    rate* of the corpus is a figure beside it, all edits over all characters. A scan is one cluster."""

    PROMPT = AS_IT_IS

    class Config(BenchmarkConfig):
        split: str = Field(default="val", pattern=r"^[^/]+$")
        """Which of the two pairs of files is asked."""
        folder: Path
        """Where its JSON lines and its archive of pictures lie."""
        case: bool = False
        """Whether capital and small letters differ."""
        every: int = Field(default=1, ge=1)
        """Of so many lines one is asked."""

    def questions(self) -> Iterable[Item]:
        lines = PrintedLines(self.config.folder, self.config.split)
        for index in range(0, len(lines), self.config.every):
            line, sample = lines.lines[index], lines[index]
            truth = Transcript(line.text, case=self.config.case)
            cluster = sample.meta["cluster"]
            yield self.item(line.id, sample.images, PROMPT, line.text, truth, cluster=cluster, kind="line")

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        # A reply can be longer than its line, so that the rate has no highest value; twice the highest here bounds its interval.
        replies = [[reply for member in results if (reply := came(member, condition))] for condition in CONDITIONS]
        rates = [
            sum(r.counts["edits"] for r in some) / max(1, sum(r.counts["length"] for r in some)) for some in replies
        ]
        bounds = (0.0, max(1.0, 2 * max(rates)))
        rows = each(lambda _, reply: (reply.counts["edits"], reply.counts["length"]))
        return [Measure("character error rate", rows, bounds=bounds)]
