"""HallusionBench: the same questions about a figure and about an altered one (arXiv 2310.14566)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from omma.evaluation.benchmarks.base import BENCHMARKS, SHORT, FolderConfig, Pictures, PublishedBenchmark
from omma.evaluation.benchmarks.rows import json_records
from omma.evaluation.conditions import Condition
from omma.evaluation.figures import Measure, Row, all_right, each, mean_of_shares, together
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.yes_no import Answer
from omma.evaluation.truths import YesOrNo

ANSWERS: dict[str, Answer] = {"1": "yes", "0": "no"}


@BENCHMARKS.register("hallusionbench")
class HallusionBench(PublishedBenchmark):
    """``HallusionBench.json`` with the folder in which ``VD`` and ``VS`` are. Yes or no, read by rule instead of by GPT-4.

    *aAcc* is of all questions, *qAcc* of questions that are right for every figure, *fAcc* of figures of which every question is
    right; leaderboards rank by the mean. Questions without a figure are in no *fAcc*, and right too if the reply is that it
    cannot be known. A set of figures is one cluster. Kinds are category and subcategory.
    """

    PROMPT = SHORT

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for row in json_records(self.config.file):
            category = row.one_of("category", ("vd", "vs")).upper()
            subcategory, figure = row.text("subcategory"), row.identity("figure_id")
            number, question = row.identity("set_id"), row.identity("question_id")
            answer = row.identity("gt_answer")
            if answer not in ANSWERS:
                raise row.bad("gt_answer", "0 or 1")
            name = row.optional("filename")
            unseen = category == "VS" and figure == "0"
            if name is None and not unseen:
                raise row.bad("filename", "a figure, except for figure 0 of category VS")
            name = name.removeprefix("./").removeprefix("hallusion_bench/") if name is not None else None
            figures = f"{category}/{subcategory}/{number}"
            yield self.item(
                f"{figures}/{figure}/{question}/{row.identity('visual_input')}",
                [pictures.of(row, "filename", name)] if name is not None else [],
                row.text("question"),
                ANSWERS[answer],
                YesOrNo(ANSWERS[answer], unknown_is_right=unseen),
                cluster=figures,
                kind=f"{category} {subcategory}",
                groups={"question": f"{figures}/{question}", "figure": "" if unseen else f"{figures}/{figure}"},
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return [
            Measure("aAcc", ALL),
            Measure("qAcc", BY_QUESTION),
            Measure("fAcc", BY_FIGURE),
            Measure("mean of aAcc, qAcc and fAcc", _side_by_side, mean_of_shares),
        ]


_Rows = Callable[[Sequence[ItemResult], Condition], Iterable[Row]]
ALL: _Rows = each(lambda _, reply: (float(reply.right), 1))
BY_QUESTION: _Rows = together(all_right, by=lambda member: member.groups["question"])
BY_FIGURE: _Rows = together(all_right, by=lambda member: member.groups["figure"] or None)


def _side_by_side(members: Sequence[ItemResult], condition: Condition) -> Iterable[Row]:
    for place, rows in enumerate((ALL, BY_QUESTION, BY_FIGURE)):
        for cluster, numbers in rows(members, condition):
            yield cluster, (*(0.0,) * (2 * place), *numbers, *(0.0,) * (4 - 2 * place))
