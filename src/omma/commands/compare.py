"""`omma compare`: every choice of a study with every seed, one after another or one per accelerator; then the page."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context, get_start_method, set_start_method
from pathlib import Path
from queue import Queue
from statistics import fmean

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from omma.commands.evaluate import evaluation_items
from omma.commands.progress import Clock
from omma.commands.show import arranger_of, skeleton
from omma.errors import BadInput, OmmaError
from omma.evaluation import Item, Results, read_results
from omma.evaluation.drawing.results import read_drawing_results
from omma.evaluation.report.numbers import p_value, percent, points, points_span, seconds, span
from omma.recipe import Recipe
from omma.storage import held, write_atomically
from omma.study import Comparison, Outcome, Study, StudyRun, compare, load_study
from omma.study.comparison import check_groups
from omma.study.drawn import drawn_kinds, gallery
from omma.study.pace import Paces, paces_of, read_paces, write_paces
from omma.study.page import comparison_page, verdict, write_comparison
from omma.training.run import read_record

OMMA = (sys.executable, "-c", "from omma.cli import main; main()")
"""The command, in a process of its own: each training begins and ends with a clean one."""

STOPPED = "stopped; what is finished is kept. To go on, run the same command again."


def run(name: str, out: Path | None) -> None:
    """Train and evaluate what is not there yet, compare, and say where the page is.

    Raises:
        BadInput: for a bad study, a directory of another one, or choices that were asked different questions.
        OmmaError: if a training or an evaluation fails; what is finished stays, and the same command goes on.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    console = Console(highlight=False, soft_wrap=True)
    study = load_study(name)
    out = out or Path("runs") / f"compare-{study.name}"
    for one in study.runs():
        recipe = study.recipe(one)
        if not recipe.model.complete or not recipe.evaluation.benchmarks:
            raise BadInput(
                f"study {study.name}, {one.choice}",
                expected="a model that answers about pictures, and evaluation.benchmarks that ask it",
                found="no such model" if not recipe.model.complete else "no questions",
                remedy="name another base recipe",
            )
    items = evaluation_items(study.recipe(study.runs()[0]).evaluation)
    drawing = study.recipe(study.runs()[0]).evaluation.drawing
    check_groups(study, {(item.world, item.kind) for item in items} | (drawn_kinds(drawing) if drawing is not None else set()))
    paces = _measured(study, out, console)
    recipes = {one: study.recipe(one, paces.get(one.choice, {})) for one in study.runs()}
    waiting = [one for one, recipe in recipes.items() if not _finished(one.directory(out), recipe)]
    console.print(
        f"Study {study.name}: {len(study.choices)} choices with {len(study.seeds)} seeds, {len(waiting)} of "
        f"{len(recipes)} runs to do. Everything goes to {out}.",
        markup=False,
    )
    elsewhere = _run_all({one: recipes[one] for one in waiting}, out, console)
    if elsewhere:
        named = ", ".join(f"{one.choice} with seed {one.seed}" for one in elsewhere)
        console.print(f"Other processes have {named}; when they are done, the same command compares.", markup=False)
        return
    peers = {name: _asked(name, study, out) for name in study.peers}
    tokens = {choice: _tokens(recipes[StudyRun(choice, study.seeds[0])], items) for choice in study.choices}
    outcomes = {
        one: Outcome(
            read_results(one.directory(out) / "results.json"),
            tokens[one.choice],
            _steps(one.directory(out)),
            read_drawing_results(one.directory(out) / "drawing.json") if drawing is not None else None,
        )
        for one in study.runs()
    }
    comparison = compare(study, outcomes, peers)
    pictures = {item.id: item.images for item in items}

    def load(item: str) -> Sequence[Image.Image]:
        return [image.load().convert("RGB") for image in pictures[item]]

    def load_drawn(one: StudyRun, file: str) -> Image.Image:
        with Image.open(one.directory(out) / "drawn" / file) as picture:
            return picture.convert("RGB")

    drawn = {one: outcome.drawing for one, outcome in outcomes.items() if outcome.drawing is not None}
    rows = gallery(study, drawn, drawing, load_drawn) if drawing is not None else []
    page = comparison_page(study, comparison, outcomes, load, shlex.join(["omma", *sys.argv[1:]]), rows)
    write_comparison(comparison, page, out)
    _show(study, comparison, out, console)


def _finished(directory: Path, recipe: Recipe) -> bool:
    """Whether a run is trained and measured."""
    files = ("results.json", "drawing.json") if recipe.evaluation.drawing is not None else ("results.json",)
    return all((directory / file).is_file() for file in files)


def _measured(study: Study, out: Path, console: Console) -> Paces:
    """By choice and stage whose budget is in seconds: how long a step takes, measured where it is not known yet."""
    trials = {choice: trial for choice in study.choices if (trial := study.trial(choice)) is not None}
    if not trials:
        return {}
    # A second process waits for what the first one measures: every run of a choice must take the same steps.
    with held(out / "speed.lock", patience=math.inf):
        return _measure(study, trials, out, console)


def _measure(study: Study, trials: Mapping[str, Recipe], out: Path, console: Console) -> Paces:
    paces = read_paces(out)
    for choice, trial in trials.items():
        if trial.stages.keys() <= paces.get(choice, {}).keys():
            continue
        console.print(f"{choice}: measuring how long a step takes.", markup=False)
        paces[choice] = _paces_of(trial)
        write_paces(paces, out)
        stages = study.recipe(StudyRun(choice, study.seeds[0]), paces[choice]).stages
        told = (f"{stages[name].steps} steps of {name}, {pace:.2f} s each" for name, pace in paces[choice].items())
        console.print(f"{choice} has time for {' and '.join(told)}.", markup=False)
    return paces


def _paces_of(trial: Recipe) -> dict[str, float]:
    """`paces_of`, in a process of its own, as the run itself."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), _start_workers_by, (get_start_method(),)) as pool:
            return pool.submit(paces_of, trial).result()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(STOPPED) from None


def _start_workers_by(method: str) -> None:
    """A process that was spawned would spawn the workers that prepare its data, too; they are to be made as those of a run."""
    set_start_method(method, force=True)


def _steps(directory: Path) -> dict[str, int]:
    """Of every stage of a finished run."""
    return {name: took["steps"] for name, took in read_record(directory).get("stages", {}).items()}


def _asked(name: str, study: Study, out: Path) -> Results:
    """The results of a peer, which is asked what the first run was, once."""
    directory, first = out / name, study.runs()[0]
    results = directory / "results.json"
    if not results.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        peer = study.peers[name]
        settings = [piece for key, value in peer.settings.items() for piece in ("--with", f"{key}={json.dumps(value)}")]
        recipe = first.directory(out).with_suffix(".yaml")
        arguments = ["evaluate", peer.model, "--recipe", str(recipe.resolve()), "--size", study.size, "--out", str(directory)]
        _call([*arguments, *settings], directory.with_suffix(".log"), None, alone=True)
    return read_results(results)


def _tokens(recipe: Recipe, items: Iterable[Item]) -> float:
    """Image tokens per picture asked about, on average; no weight is loaded."""
    arranger = arranger_of(recipe, skeleton(recipe.model))
    pictures = {image.key: image.size for item in items for image in item.images}
    return fmean(len(arranger.of(size)[1]) for size in pictures.values()) if pictures else 0.0


def _run_all(recipes: Mapping[StudyRun, Recipe], out: Path, console: Console) -> list[StudyRun]:
    """Every run, as many at a time as there are accelerators (one without any); gives those that other processes still have."""
    devices: Queue[int | None] = Queue()
    count = torch.cuda.device_count()
    for device in range(count) if count else (None,):
        devices.put(device)
    clock, done = Clock(), 0
    elsewhere: list[StudyRun] = []
    clock.left(0, len(recipes))
    with ThreadPoolExecutor(max(1, count)) as pool:
        jobs = {pool.submit(_run, one, recipe, out, devices, alone=count < 2): one for one, recipe in recipes.items()}
        try:
            for job, one in jobs.items():
                took = job.result()
                done += 1
                if took is None:
                    elsewhere.append(one)
                    continue
                console.print(
                    f"{one.choice}, seed {one.seed}: done in {seconds(took)}; {done} of {len(recipes)} runs, "
                    f"{clock.left(done, len(recipes))}.",
                    markup=False,
                )
        except BaseException as error:
            for job in jobs:
                job.cancel()
            if isinstance(error, KeyboardInterrupt):
                # The terminal has told the trainings, too: leaving the pool waits for their checkpoints.
                raise KeyboardInterrupt(STOPPED) from None
            raise
    return [one for one in elsewhere if not _finished(one.directory(out), recipes[one])]


def _run(one: StudyRun, recipe: Recipe, out: Path, devices: Queue[int | None], *, alone: bool) -> float | None:
    """Train and evaluate one choice with one seed; the seconds that it took, None if another process does it or has done it."""
    directory = one.directory(out)
    began = time.monotonic()
    device = devices.get()
    try:
        with held(directory.with_suffix(".lock")) as mine:
            if not mine or _finished(directory, recipe):
                return None
            # The whole recipe, spelled out: whoever wants this run alone can have it.
            written = directory.with_suffix(".yaml")
            write_atomically(written, recipe.to_yaml().encode())
            for arguments in (
                ["train", str(written.resolve()), "--size", recipe.size, "--out", str(directory)],
                ["evaluate", str(directory)],
            ):
                _call(arguments, directory.with_suffix(".log"), device, alone=alone)
    finally:
        devices.put(device)
    return time.monotonic() - began


def _call(arguments: Sequence[str], log: Path, device: int | None, *, alone: bool) -> None:
    """One command to its end: on the terminal if it is alone there, else into a log."""
    environment = dict(os.environ)
    if device is not None:
        visible = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
        environment["CUDA_VISIBLE_DEVICES"] = (
            visible[device] if device < len(visible) and visible[device] else str(device)
        )
    if alone:
        process = subprocess.Popen([*OMMA, *arguments], env=environment)
    else:
        with open(log, "ab") as file:
            process = subprocess.Popen([*OMMA, *arguments], env=environment, stdout=file, stderr=file)
    status = process.wait()
    if status in (130, -signal.SIGINT):
        raise KeyboardInterrupt(STOPPED)
    if status != 0:
        told = "" if alone else f" ({log} says why)"
        raise OmmaError(
            f"omma {shlex.join(arguments)}: expected it to finish, found that it failed{told}; mend that and run the same "
            "command again, it goes on where it was."
        )


def _show(study: Study, comparison: Comparison, out: Path, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("choice")
    changed = [f"against {study.before}"] if study.before is not None else []
    means = [column for mean in study.means() for column in (f"{mean} %", "95% interval", *changed)]
    for name in (*means, "tokens a picture", "training"):
        table.add_column(name, justify="right")
    for choice in sorted(comparison.choices, key=lambda choice: -choice.accuracy.value):
        scores = []
        for mean in study.means():
            scores += [percent(choice.mean(mean).value), span(choice.mean(mean))]
            if changed:
                scores.append(points(choice.changes[mean].value) if mean in choice.changes else "–")
        table.add_row(
            choice.name,
            *scores,
            "–" if choice.tokens is None else f"{choice.tokens:,.0f}",
            "–" if choice.training_seconds is None else seconds(choice.training_seconds),
        )
    console.print(table)
    for pair in comparison.pairs:
        if pair.differs:
            console.print(
                f"{pair.first} against {pair.second}: {points(pair.difference.value)} points "
                f"({points_span(pair.difference)}), p {p_value(pair.p)}",
                markup=False,
            )
    console.print(verdict(study, comparison), markup=False)
    console.print(f"The page is {out / 'comparison.html'}, the figures are in {out / 'comparison.json'}.", markup=False)
