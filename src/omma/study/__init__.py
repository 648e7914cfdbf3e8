"""Studies: one base recipe, one thing that varies, the same data and budget, several seeds; and a page that says what came of it.

    study = load_study("projector")
    results = {run: read_results(...) for run in study.runs()}   # after `omma.commands.compare` ran them
    comparison = compare(study, outcomes)                        # intervals, pairs, corrected for their number
    write_page(comparison_page(...), path)

`study`: what a study file holds. `comparison`: the statistics. `page`: comparison.html.
"""

from omma.study.comparison import ChoiceScores, Comparison, Outcome, Pair, compare
from omma.study.study import Study, StudyRun, load_study, study_names

__all__ = [
    "ChoiceScores",
    "Comparison",
    "Outcome",
    "Pair",
    "Study",
    "StudyRun",
    "compare",
    "load_study",
    "study_names",
]
