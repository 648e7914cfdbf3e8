"""The site: pages that link to each other and to nothing else, from result files and pictures alone, the same bytes every time.

    index.html                       the table of all models, plots, downloads
    pairs.html                       ranks, and which models differ
    models/NAME.html                 one model; models/NAME/BENCHMARK-1.html and on: its wrong answers
    benchmarks/WORLD--SPLIT.html     one benchmark
    pictures/, results/              small pictures of questions; the result files
    leaderboard.json, leaderboard.csv
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omma import __version__
from omma.board.entries import Entry, slug
from omma.board.files import leaderboard_csv, leaderboard_json
from omma.board.mistakes import MistakesPage, Others, counts_of, hardest, mistakes, paged
from omma.board.pictures import PictureFolder, Pictures
from omma.board.plots import MOST, Radar, radar, trust_radar
from omma.board.rows import Benchmark, Row, Table, size_of, tables
from omma.board.versus import Versus
from omma.errors import BadInput
from omma.evaluation import ItemResult
from omma.evaluation.report.numbers import brief
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.scatter import Scatter, scatter
from omma.evaluation.report.view import doubts, headlines
from omma.evaluation.trust.pairs import ALPHA
from omma.storage import replaced_directory

HARDEST = 12
"""Questions of a benchmark that are shown because few models are right about them."""

MARK = "leaderboard.json"
"""The file by which a site is known: only a directory that has it is replaced."""


def write_site(entries: Sequence[Entry], found: Versus | None, pictures: Pictures, out: Path) -> None:
    """The whole site, or nothing: an older one of the same place stays as it was until the new one is there.

    Args:
        found: what `omma.board.versus` says of these models; None if there is but one, or they share no question.

    Raises:
        BadInput: if the place holds something else, or one of the results, or cannot be written.
    """
    _refuse_place(entries, out)
    # Through links and dots to the place itself, which is what is exchanged.
    with replaced_directory(out.resolve()) as folder:
        _Site(entries, found, pictures, folder).write()


def _refuse_place(entries: Sequence[Entry], out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).is_file())):
        raise BadInput(
            str(out),
            expected="a new directory, an empty one, or the site that is to be replaced",
            found="other files in it" if out.is_dir() else "a file",
            remedy="choose another path",
        )
    for entry in entries:
        if entry.file.resolve().is_relative_to(out.resolve()):
            expected, found = "another place than that of the results", f"{entry.file} in it"
            raise BadInput(str(out), expected=expected, found=found, remedy="choose another path")


def benchmark_slug(benchmark: Benchmark) -> str:
    """The name of a benchmark in addresses."""
    return f"{slug(str(benchmark.world))}--{slug(benchmark.split)}"


_TEMPLATES = page_templates("omma.board")
_TEMPLATES.filters |= {"slug_of": benchmark_slug, "size_of": size_of}


class _Site:
    """One site being written into a folder."""

    def __init__(self, entries: Sequence[Entry], found: Versus | None, pictures: Pictures, folder: Path) -> None:
        self.entries, self.found, self.folder = entries, found, folder
        self.tables = tables(entries)
        self.single = [table for table in self.tables if table.benchmark.world is not None]
        self.counts = counts_of(entries)
        self.pictures = PictureFolder(folder / "pictures", pictures)
        self.wrong: dict[tuple[str, str], list[MistakesPage]] = {
            (entry.slug, benchmark_slug(table.benchmark)): list(paged(mistakes(entry, table.benchmark)))
            for entry in entries
            for table in self.single
        }

    def write(self) -> None:
        self._file("site.css", _TEMPLATES.get_template("site.css.jinja").render())
        self._file("site.js", _TEMPLATES.get_template("board.js").render())
        self._index()
        if self.found is not None:
            self._page("pairs.html", "pairs", found=self.found, alpha=ALPHA)
        for entry in self.entries:
            self._model(entry)
        for table in self.single:
            self._benchmark(table)
        for entry in self.entries:
            for table in self.single:
                self._mistakes(entry, table.benchmark)
            self._file(f"results/{entry.slug}.json", _again(entry.file))
        self._file("leaderboard.csv", leaderboard_csv(self.tables))
        self._file(MARK, leaderboard_json(self.tables, self.found))

    def _file(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)

    def _page(self, name: str, template: str, /, **context: Any) -> None:
        page = _TEMPLATES.get_template(f"{template}.html.jinja").render(
            context,
            here=template,
            root="../" * name.count("/"),
            version=__version__,
            verdict=verdict(self.found, self.tables[0]),
            has_pairs=self.found is not None,
            slugs={entry.name: entry.slug for entry in self.entries},
        )
        self._file(name, page)

    def _index(self) -> None:
        first = self.tables[0]
        present = {size_of(entry) for entry in self.entries}
        self._page(
            "index.html",
            "index",
            entries=sorted(self.entries, key=lambda entry: entry.name),
            tables=self.tables,
            single=self.single,
            sizes=sorted(present, key=lambda name: min(e.parameters or 1e30 for e in self.entries if size_of(e) == name)),
            replies=sum(len(entry.results.items) for entry in self.entries),
            wrong={e.slug: sum(not item.sighted.right for item in e.results.items) for e in self.entries},
            profile=self._profile(first, [row for row in first.rows if row.accuracy][:MOST], "best models"),
            speed=_speed(first),
        )

    def _profile(self, of: Table, rows: Sequence[Row], who: str) -> Radar | None:
        """Accuracy over the benchmarks of the first table's split, of the models that were asked all of them."""
        split = of.benchmark.split
        single = [table for table in self.single if table.benchmark.split == split]
        shares: dict[str, list[float]] = {}
        for row in rows:
            scores = [r.accuracy.value for t in single for r in t.rows if r.entry is row.entry and r.accuracy is not None]
            if len(scores) == len(single):
                shares[row.entry.name] = scores
        return radar(f"Score by benchmark, {split}: {who}", [str(table.benchmark.world) for table in single], shares)

    def _model(self, entry: Entry) -> None:
        rows = [(table.benchmark, row) for table in self.tables for row in table.rows if row.entry is entry]
        wrong = [
            (table.benchmark, pages)
            for table in self.single
            if (pages := self.wrong[entry.slug, benchmark_slug(table.benchmark)])
        ]
        first = self.tables[0]
        own = next((row for row in first.rows if row.entry is entry), None)
        best = [row for row in first.rows if row.entry is not entry and row.accuracy][:1]
        radars = [self._profile(first, [own, *best], "beside the best other"), trust_radar(entry.name, own)] if own else []
        duels = [duel for duel in self.found.duels if entry.name in (duel.first, duel.second)] if self.found else []
        self._page(
            f"models/{entry.slug}.html",
            "model",
            entry=entry,
            headlines=headlines(entry.results),
            doubts=doubts(entry.results),
            rows=rows,
            mistakes=wrong,
            radars=[plot for plot in radars if plot is not None],
            duels=duels,
            pairs=len(self.found.duels) if self.found else 0,
        )

    def _benchmark(self, table: Table) -> None:
        cells = [
            {c.kind: c for c in row.entry.scores.cells if (c.world, c.split) == (table.benchmark.world, table.benchmark.split)}
            for row in table.rows
        ]
        kinds = sorted({kind for of in cells for kind in of if kind is not None})
        hard = hardest(self.entries, table.benchmark, self.counts, HARDEST)
        self._page(
            f"benchmarks/{benchmark_slug(table.benchmark)}.html",
            "benchmark",
            table=table,
            kinds=[(kind, [of.get(kind) for of in cells]) for kind in kinds],
            hardest=[self._card(item) for item in hard],
            mistakes=[(row.entry, self.wrong[row.entry.slug, benchmark_slug(table.benchmark)]) for row in table.rows],
        )

    def _mistakes(self, entry: Entry, benchmark: Benchmark) -> None:
        name = benchmark_slug(benchmark)
        for page in self.wrong[entry.slug, name]:
            self._page(
                f"models/{entry.slug}/{name}-{page.number}.html",
                "mistakes",
                entry=entry,
                benchmark=benchmark,
                name=name,
                page=page,
                cards=[self._card(item) for item in page.items],
            )

    def _card(self, item: ItemResult) -> tuple[ItemResult, list[tuple[str, int, int]], Others | None]:
        return item, self.pictures.of(item), self.counts.get(item.id)


def _again(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise BadInput(str(file), expected="the results read before", found=found, remedy="run the command again") from None


def _speed(table: Table) -> Scatter | None:
    """Accuracy against speed of the models of which both are known."""
    known = [row for row in table.rows if row.accuracy is not None and row.entry.replies_per_second]
    if len(known) < 2:
        return None
    dots = [_Named(row) for row in known]
    title = f"Score ({table.benchmark.label}) against replies per second, each on its own machine"
    return scatter(title, dots, [row.entry.replies_per_second or 0.0 for row in known], brief)


class _Named:
    """A row as the plot takes it."""

    def __init__(self, row: Row) -> None:
        assert row.accuracy is not None
        self.name, self.accuracy = row.entry.name, row.accuracy


def verdict(found: Versus | None, table: Table) -> str:
    """What can be said of the best model, in one or two sentences; empty if nothing was compared.

    Args:
        table: whose gains tell whether the best one looks.
    """
    if found is None:
        return ""
    differing, count = sum(duel.differs for duel in found.duels), len(found.duels)
    differ = "differs" if differing == 1 else "differ"
    said = f"{differing} of {count} {'pair' if count == 1 else 'pairs'} {differ} beyond chance."
    if not found.standings:
        return said
    best = found.standings[0].name
    against = [duel for duel in found.duels if best in (duel.first, duel.second) and not duel.differs]
    equal = [duel.second if duel.first == best else duel.first for duel in against]
    said += f" {best} scores highest"
    if equal:
        said += f", but is not resolved from {', '.join(equal[:3])}" + (f" and {len(equal) - 3} more" if len(equal) > 3 else "")
    if any(row.entry.name == best and row.gain is not None and row.gain.low <= 0 for row in table.rows):
        said += "; nothing shows that it looks at the pictures"
    return said + "."
