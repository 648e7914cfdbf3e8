"""What the page says about a run, in the order in which it says it: headlines, groups of scores, doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omma.evaluation.report.numbers import big, percent, points, points_span, scaled, seconds, span
from omma.evaluation.results import Results
from omma.evaluation.scores import Average, Cell, Scores

SPLIT_ORDER = ("fresh", "compositional", "test", "train")
"""Splits in the order of interest; others follow by name."""


LEANS = 0.1
"""Share of questions by which yes may be said too often or too seldom before it is called a leaning."""
TOO_SURE = 0.1
"""Calibration error above which confidence is no probability."""
SHAKY = 0.1
"""Share of questions whose answer may turn before that is worth a sentence."""
FEW = 30
"""Replies below which neither is worth a sentence."""

KINDS_SHOWN = 12
"""Kinds of question that a world's panel shows unfolded."""


@dataclass(frozen=True, slots=True)
class Headline:
    label: str
    value: str
    unit: str
    detail: str


@dataclass(frozen=True, slots=True)
class WorldPanel:
    """One world within a split: all kinds together, the kinds asked most, and the rest (both by name)."""

    total: Cell
    kinds: tuple[Cell, ...]
    rest: tuple[Cell, ...]
    noun: str
    """What its clusters are: "picture", or "text" in a world of words."""


@dataclass(frozen=True, slots=True)
class SplitPanels:
    split: str
    worlds: tuple[WorldPanel, ...]


def worlds_by_name(results: Results) -> dict[str, int]:
    """Each world with a number: the page's filters use the number, since a name may be anything."""
    return {world: number for number, world in enumerate(sorted({item.world for item in results.items}))}


def ordered_averages(scores: Scores) -> list[Average]:
    """The averages in the order of interest of their splits; the first is the run's headline."""
    return sorted(scores.averages, key=lambda average: split_rank(average.split))


def headlines(results: Results) -> list[Headline]:
    """The three or four numbers to remember."""
    found = []
    nouns = set(_nouns(results).values())
    noun = nouns.pop() if len(nouns) == 1 else "scene"
    for average in ordered_averages(results.scores)[:1]:
        cells = [cell for cell in results.scores.cells if cell.split == average.split and cell.kind is None]
        if not results.scores.complete:
            failed, asked = sum(cell.failed for cell in cells), sum(cell.items for cell in cells)
            low, high = (sum(getattr(cell, end) for cell in cells) / len(cells) for end in ("lowest", "highest"))
            found.append(
                Headline(
                    f"Accuracy, {average.split} split",
                    "\u2013",
                    "",
                    f"{big(failed)} of {_counted(asked, 'question')} failed: somewhere from {percent(low)} to {percent(high)} %",
                )
            )
            break
        found.append(
            Headline(
                f"Accuracy, {average.split} split",
                percent(average.accuracy.value),
                "%",
                f"{span(average.accuracy)}; {_mean_over(average.worlds)}{big(sum(c.items for c in cells))} questions "
                f"about {_counted(sum(c.pictures for c in cells), noun)}",
            )
        )
        if average.gain and average.blind:
            found.append(
                Headline(
                    "Gain from looking",
                    points(average.gain.value),
                    "points",
                    f"{points_span(average.gain)}; blind it scores {percent(average.blind.value)} %",
                )
            )
    if results.scores.gaps:
        mean = sum(gap.gap.value for gap in results.scores.gaps) / len(results.scores.gaps)
        worst = max(results.scores.gaps, key=lambda gap: gap.gap.value)
        found.append(
            Headline(
                "On unseen combinations",
                points(-mean),
                "points",
                f"against fresh scenes of kinds seen in training; hardest in {worst.world} ({points(-worst.gap.value)})",
            )
        )
    total = sum(phase.seconds for phase in results.timing.phases)
    amount, _, unit = seconds(total).partition(" ")
    size = sum(results.run.parameters.values())
    hardware = results.environment.accelerator or f"{results.environment.cores} CPU cores"
    found.append(
        Headline("Time, all phases", amount, unit, f"on {hardware}" + (f"; {scaled(size)} parameters" if size else ""))
    )
    return found


def plot_splits(results: Results) -> list[SplitPanels]:
    """Every split with its worlds and their kinds of question."""
    cells = results.scores.cells
    nouns = _nouns(results)

    def panel(total: Cell) -> WorldPanel:
        kinds = [c for c in cells if (c.world, c.split) == (total.world, total.split) and c.kind is not None]
        most = sorted(kinds, key=lambda cell: -cell.items)[:KINDS_SHOWN]
        shown, rest = (tuple(c for c in kinds if (c in most) == wanted) for wanted in (True, False))
        return WorldPanel(total, shown, rest, nouns.get(total.world, "picture"))

    return [
        SplitPanels(split, tuple(panel(total) for total in cells if total.split == split and total.kind is None))
        for split in sorted({cell.split for cell in cells}, key=split_rank)
    ]


def doubts(results: Results) -> list[str]:
    """What a careful reader should hold against the numbers, in whole sentences."""
    totals = [cell for cell in results.scores.cells if cell.kind is None]
    kinds = [cell for cell in results.scores.cells if cell.kind is not None]
    found = []
    if kinds:
        widest = max(kinds, key=lambda cell: cell.accuracy.high - cell.accuracy.low)
        found.append(
            f"The widest interval is {_name(widest)}: {span(widest.accuracy)} %, from {_counted(widest.items, 'question')} "
            f"about {_counted(widest.pictures, _nouns(results).get(widest.world, 'picture'))}. "
            "Differences smaller than the intervals are not resolved."
        )
    unseen = [cell for cell in kinds if cell.gain and cell.gain.low <= 0]
    if unseen:
        found.append(
            f"With 95 % confidence no gain from looking is shown for {_listed(unseen)}: "
            "there the score may come from the words alone."
        )
    constant = [cell for cell in kinds if cell.accuracy.low <= cell.majority]
    if constant:
        found.append(f"Not clearly better than always giving the commonest answer: {_listed(constant)}.")
    blind = [cell for cell in totals if cell.blind and cell.blind.low > cell.majority]
    if blind:
        found.append(
            f"Without a picture the model beats the commonest answer in {_listed(blind)}: the words give something away."
        )
    fallen = [gap for gap in results.scores.gaps if gap.gap.low > 0]
    if fallen:
        names = ", ".join(f"{gap.world} ({points(-gap.gap.value)} points)" for gap in fallen)
        found.append(f"Unseen combinations are harder, beyond chance, in {names}: part of the score is familiarity.")
    leaning = [one for one in results.scores.leanings if abs(one.yes - one.truly_yes) > LEANS and one.items >= FEW]
    if leaning:
        names = "; ".join(
            f"{one.world} ({one.split}): yes to {percent(one.yes)} % of {big(one.items)}, where {percent(one.truly_yes)} % are so"
            for one in leaning[:6]
        )
        found.append(f"Where the answer is yes or no, it leans to one of them in {names}.")
    shaky = [one for one in results.scores.steadiness if one.flips > SHAKY]
    if shaky:
        names = "; ".join(f"{one.world} ({one.split}) {percent(one.flips)} % of {big(one.items)}" for one in shaky[:6])
        found.append(f"Put in other words, or about a picture hardly changed, answers turn from right to wrong or back: {names}.")
    if not results.scores.steadiness:
        found.append("Every question was put in one way only; how far the score depends on the wording is not known.")
    sure = [one for one in results.scores.confidence if one.ece > TOO_SURE and one.items >= FEW]
    if sure:
        names = ", ".join(f"{percent(one.ece)} points ({one.split})" for one in sure)
        found.append(f"Its confidence is not to be taken for a probability: on average it is off by {names}.")
    asked = _counted(sum(cell.items for cell in totals), "question")
    failed = sum(cell.failed for cell in totals)
    if failed:
        found.append(f"{big(failed)} of {asked} failed; they count neither as right nor as wrong.")
    unanswered = sum(cell.refused + cell.empty for cell in totals)
    if unanswered:
        found.append(f"{big(unanswered)} of {asked} were refused or got an empty reply; they count as wrong.")
    cut_off = sum(cell.cut_off for cell in totals)
    if cut_off:
        found.append(f"{big(cut_off)} of {asked} got a reply that was cut off, and is judged as it is.")
    unread = sum(cell.unparsed for cell in totals)
    if unread:
        found.append(f"In the replies to {big(unread)} of {asked} no answer of the kind asked for was found; they are wrong.")
    if not any(cell.blind for cell in totals):
        found.append("The blind condition was not run, so nothing here shows that the pictures were used.")
    found.append(
        "The intervals cover the choice of pictures. They do not cover training again with another seed, "
        "other wordings of the questions, or pictures of another kind."
    )
    return found


def _nouns(results: Results) -> dict[str, str]:
    """What the clusters of each world are."""
    seen = {item.world for item in results.items if item.pictures}
    return {item.world: "picture" if item.world in seen else "text" for item in results.items}


def _mean_over(worlds: int) -> str:
    return f"mean over {worlds} worlds, " if worlds > 1 else ""


def _counted(number: int, noun: str) -> str:
    return f"{big(number)} {noun}" if number == 1 else f"{big(number)} {noun}s"


def _name(cell: Cell) -> str:
    return f"{cell.world}, {cell.kind} ({cell.split})" if cell.kind else f"{cell.world} ({cell.split})"


def _listed(cells: Sequence[Cell], most: int = 6) -> str:
    names = "; ".join(_name(cell) for cell in cells[:most])
    return names if len(cells) <= most else f"{names}; and {len(cells) - most} more"


def split_rank(split: str) -> tuple[int, str]:
    """To sort splits by: those of `SPLIT_ORDER` first."""
    return (SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER), split)
