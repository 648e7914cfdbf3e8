"""Evaluation: questions in, numbers with intervals out, and one page that shows them.

    items = playground_items(world, "fresh", 200) + items_from_samples(samples, world="nlvr")
    predictions = evaluate(answerer, items, predictions_path=Path("run/predictions.jsonl"))
    results = judged(items, predictions)                  # one `ItemResult` per item, three replies each
    scores = score(results)                               # `Scores`: averages, cells, gaps, each with its interval
    write_results(Results(...), Path("run/results.json"))
    write_report(read_results(Path("run/results.json")), {item.id: picture}, Path("run/report.html"))

`items`: `Item`, `playground_items`, `items_from_samples`. `conditions`: sighted, blind, swapped; `prompts`.
`evaluate`: the `Answerer` protocol, `evaluate`. `metrics.text`: `exact_match`. `intervals`: the clustered bootstrap.
`benchmarks`: the field's own, from their files. `truths`: what a reply is held against. `judgement`: `judged`. `figures`: what
benchmarks publish beside accuracies. `scores`: `score`. `results`: results.json (docs/results.md). `report`: the page.
"""

from omma.evaluation.conditions import CONDITIONS, Condition, prompts
from omma.evaluation.environment import Environment
from omma.evaluation.evaluate import Answerer, Predictions, evaluate
from omma.evaluation.figures import Figure
from omma.evaluation.intervals import Estimate, Scored, mean_estimate, paired_difference, unpaired_difference
from omma.evaluation.items import Item, items_from_samples, playground_items
from omma.evaluation.judgement import ItemResult, Reply, judged
from omma.evaluation.metrics.text import exact_match, normalised
from omma.evaluation.report import write_report
from omma.evaluation.results import (
    CurvePoint,
    Phase,
    Results,
    Run,
    StageCurve,
    Timing,
    read_results,
    results_schema,
    write_results,
)
from omma.evaluation.scores import Average, Cell, Gap, Scores, score

__all__ = [
    "CONDITIONS",
    "Answerer",
    "Average",
    "Cell",
    "Condition",
    "CurvePoint",
    "Environment",
    "Estimate",
    "Figure",
    "Gap",
    "Item",
    "ItemResult",
    "Phase",
    "Predictions",
    "Reply",
    "Results",
    "Run",
    "Scored",
    "Scores",
    "StageCurve",
    "Timing",
    "evaluate",
    "exact_match",
    "items_from_samples",
    "judged",
    "mean_estimate",
    "normalised",
    "paired_difference",
    "playground_items",
    "prompts",
    "read_results",
    "results_schema",
    "score",
    "unpaired_difference",
    "write_report",
    "write_results",
]
