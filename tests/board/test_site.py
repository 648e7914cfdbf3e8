"""The site: nothing lost, nothing believed that a file says of itself, the same bytes, and looked at in a browser."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

import omma.storage
from board.runs import at_rate, entry, evaluated, items_of, results_of, toys
from browser import needs_chromium, told_by_frames
from evaluation.test_report import HOSTILE, Page
from omma.board.entries import Entry, read_entries
from omma.board.mistakes import PER_PAGE
from omma.board.pictures import playground_pictures
from omma.board.rows import hallucination, tables
from omma.board.site import verdict, write_site
from omma.board.versus import compared, versus
from omma.errors import OmmaError
from omma.evaluation import Item, Reply
from omma.evaluation.results import write_results

MODELS = ("oracle", "guesser", "yes-sayer", "blind-prior", "memorizer")
WORLDS = ("charts", "digits", "shapes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    items = items_of(WORLDS, 6)
    for place, model in enumerate(MODELS):
        evaluated(model, folder / model, items, speed=10.0 ** (place + 1))
    return folder


@pytest.fixture(scope="module")
def site(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sites") / "site"
    built([str(runs)], out)
    return out


def built(places: Sequence[str], out: Path) -> list[Entry]:
    entries = read_entries(places)
    write_site(entries, compared(entries), playground_pictures, out)
    return entries


def pages_of(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def bytes_of(site: Path) -> dict[str, bytes]:
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_the_pages_are_well_formed_and_every_link_leads_to_a_file_of_the_site(site: Path) -> None:
    pages = pages_of(site)
    assert len(pages) > 30
    for name, page in pages.items():
        policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy and policy.startswith("default-src 'none'")
        for _, attributes in page.tags:
            for attribute in ("src", "href"):
                target = attributes.get(attribute)
                if not target or target == "data:,":
                    continue
                parts = urlsplit(target)
                assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), (name, target)
                path = (site / name).parent / parts.path if parts.path else site / name
                assert path.resolve().is_relative_to(site.resolve()) and path.is_file(), (name, target)
                if parts.fragment and parts.path.endswith(".html"):
                    key = path.resolve().relative_to(site.resolve()).as_posix()
                    assert parts.fragment in {a.get("id") for _, a in pages[key].tags}, (name, target)
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttp", (site / "site.css").read_text() + (site / "site.js").read_text())


def test_the_table_says_what_theory_says_of_the_scripted_models(site: Path) -> None:
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO((site / "leaderboard.csv").read_text())) if row["benchmark"] == "mean of 3, fresh"}
    assert set(rows) == set(MODELS)

    def share(model: str, field: str) -> float:
        return float(rows[model][field])

    assert (share("oracle", "accuracy"), share("oracle", "blind"), share("oracle", "gain"), share("oracle", "hallucination")) == (1, 0, 1, 0)
    assert (share("memorizer", "accuracy"), share("memorizer", "swapped"), share("memorizer", "gain")) == (1, 1, 0)
    assert (share("yes-sayer", "hallucination"), share("yes-sayer", "flips"), share("yes-sayer", "unseen_gap")) == pytest.approx(
        (1, 0, share("yes-sayer", "unseen_gap"))
    )
    assert [share(model, "replies_per_second") for model in MODELS] == [10, 100, 1000, 10_000, 100_000]
    page = Page((site / "index.html").read_text())
    for words in ("memorizer scores highest", "not resolved from oracle", "nothing shows that it looks at the pictures"):
        assert words in page.text
    same = json.loads((site / "leaderboard.json").read_text())
    assert len(same["rows"]) == len(MODELS) * 8
    assert len(same["versus"]["duels"]) == 10


def test_every_wrong_answer_is_there_with_its_picture(runs: Path, site: Path) -> None:
    for one in read_entries([str(runs)]):
        wrong = [item for item in one.results.items if not item.sighted.right]
        pages = [Page(path.read_text()) for path in sorted((site / "models" / one.slug).glob("*.html"))]
        cards = sum(sum(tag == "article" for tag, _ in page.tags) for page in pages)
        assert cards == len(wrong)
        text = "".join(page.text for page in pages)
        assert all(item.question in text and item.answer in text for item in wrong)
        assert all(sum(tag == "article" for tag, _ in page.tags) <= PER_PAGE for page in pages)
        pictures = [a for page in pages for tag, a in page.tags if tag == "img"]
        assert len(pictures) == len(wrong)
        assert all(a["loading"] == "lazy" and a["alt"] and a["width"] and a["height"] for a in pictures)
    for path in (site / "pictures").iterdir():
        assert max(Image.open(path).size) <= 320
    shown = {name for page in pages_of(site).values() for tag, a in page.tags if tag == "img" for name in [Path(a["src"] or "").name]}
    assert shown == set(os.listdir(site / "pictures")), "no picture is written for nothing"


def test_the_same_results_give_the_same_bytes_and_downloads_are_what_was_read(runs: Path, site: Path, tmp_path: Path) -> None:
    built([str(runs)], tmp_path / "again")
    assert bytes_of(tmp_path / "again") == bytes_of(site)
    for model in MODELS:
        assert (site / "results" / f"{model}.json").read_bytes() == (runs / model / "results.json").read_bytes()


def test_nothing_that_a_result_file_says_becomes_markup_or_a_path(runs: Path, tmp_path: Path) -> None:
    one = read_entries([str(runs / "guesser")])[0].results
    reply = Reply(text=HOSTILE, right=False, error=HOSTILE)
    texts = dict.fromkeys(("question", "answer", "kind", "world", "split"), HOSTILE)
    said = dict.fromkeys(("sighted", "blind", "swapped"), reply)
    items = [item.model_copy(update={**texts, **said, "id": f"../{HOSTILE}/{n}"}) for n, item in enumerate(one.items)]
    bad = results_of(items, f"../../../{HOSTILE}")
    told = dict.fromkeys(("recipe", "size", "version", "commit", "command", "finished", "recipe_yaml"), HOSTILE)
    bad = bad.model_copy(
        update={
            "run": bad.run.model_copy(update={**told, "parameters": {HOSTILE: 3}}),
            "environment": bad.environment.model_copy(update={"cpu": HOSTILE, "python": HOSTILE, "accelerator": HOSTILE}),
        }
    )
    write_results(bad, tmp_path / "in" / "results.json")
    plain = Page((built([str(runs / "guesser")], tmp_path / "plain") and tmp_path / "plain" / "index.html").read_text())
    built([str(tmp_path / "in"), str(runs / "oracle")], tmp_path / "sites" / "site")
    assert sorted(os.listdir(tmp_path / "sites")) == ["site"] and set(os.listdir(tmp_path)) == {"in", "plain", "sites"}
    pages = pages_of(tmp_path / "sites" / "site")
    allowed = {tag for page in (plain, *pages_of(tmp_path / "plain").values()) for tag, _ in page.tags} | {"polygon", "circle", "b"}
    text = ""
    for page in pages.values():
        assert [tag for tag, _ in page.tags].count("script") == 1
        assert {tag for tag, _ in page.tags} <= allowed
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
        text += page.text
    assert text.count("<script>alert(1)</script>") > 50
    assert "{{ 7*7 }}" in text
    assert "The picture is not at hand." in text, "a world that is not there has no pictures"


def test_formulas_in_names_stay_texts(tmp_path: Path) -> None:
    write_results(entry("=2+3", at_rate(0.5, 1), toys(3)).results, tmp_path / "in" / "results.json")
    built([str(tmp_path / "in")], tmp_path / "site")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "site" / "leaderboard.csv").read_text())))
    assert {row["model"] for row in rows} == {"'=2+3"}


def test_only_a_site_is_replaced_and_never_the_results(runs: Path, site: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(runs, tmp_path / "mine"))
    for out, message in ((mine, "other files in it"), (mine / "oracle" / "results.json", "a file")):
        with pytest.raises(OmmaError, match=message):
            built([str(mine / "oracle")], out)
    old = Path(shutil.copytree(site, tmp_path / "old"))
    shutil.copytree(mine / "guesser", old / "guesser")
    with pytest.raises(OmmaError, match=r"guesser/results\.json in it"):
        built([str(old / "guesser")], old)
    shutil.rmtree(old / "guesser")
    built([str(mine / "oracle")], old)
    assert not (old / "models" / "guesser.html").exists(), "nothing of the old site is left"
    assert (mine / "oracle" / "results.json").is_file()


def test_a_link_and_the_folder_that_one_is_in_are_places_too(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    built([str(runs / "oracle")], tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "index.html").is_file()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    built([str(runs / "oracle")], Path("."))
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / "here" / "index.html").is_file()
    assert sorted(os.listdir(tmp_path)) == ["here", "link", "real"]


def test_a_full_disk_leaves_the_old_site(runs: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Path(shutil.copytree(site, tmp_path / "old"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(omma.storage.os, "fsync", full)
    with pytest.raises(OmmaError, match="found a full disk; free some space"):
        built([str(runs / "oracle")], old)
    assert bytes_of(old) == bytes_of(site)
    assert os.listdir(tmp_path) == ["old"]


def test_pictures_are_shown_only_where_it_is_certain_that_they_are_the_ones() -> None:
    item = entry("a", at_rate(0.5, 1), [as_result(one) for one in items_of(("shapes",), 2)]).results.items[0]
    assert [image.key for image in playground_pictures(item)] == ["playground/1/shapes/fresh/0/0"]
    for change in (
        {"question": "Another one?"},
        {"answer": "another"},
        {"world": "digits"},
        {"split": "compositional"},
        {"world": "../shapes"},
        {"id": "shapes/fresh/0/999"},
        {"id": "shapes/fresh/-1/0"},
        {"id": f"shapes/fresh/{'9' * 5000}/0"},
        {"id": "shapes/fresh/\u0661/0"},
        {"pictures": 2},
    ):
        assert playground_pictures(item.model_copy(update=change)) == (), change


def as_result(item: Item):
    from omma.evaluation import judged

    return judged([item], {})[0]


def test_a_mean_that_a_model_lacks_a_part_of_is_absent_and_the_common_one_is_there() -> None:
    every, worlds = toys(6), ("toys", "pairs")
    third = [item.model_copy(update={"world": "third", "id": f"third{item.id}", "cluster": f"third{item.cluster}"}) for item in every if item.world == "toys"]
    full, part = entry("full", at_rate(0.9, 1), [*every, *third]), entry("part", at_rate(0.5, 2), every)
    first, common, *_ = tables([full, part])
    assert (first.benchmark.worlds, common.benchmark.worlds) in (
        (tuple(sorted(worlds)), ("pairs", "third", "toys")),
        (("pairs", "third", "toys"), tuple(sorted(worlds))),
    )
    of = {table.benchmark.worlds: {row.entry.name: row for row in table.rows} for table in (first, common)}
    lacking = of["pairs", "third", "toys"]["part"]
    assert lacking.accuracy is None and lacking.missing == ("third",)
    assert of["pairs", "third", "toys"]["full"].accuracy is not None
    both = of["pairs", "toys"]
    assert both["part"].accuracy == next(a.accuracy for a in part.scores.averages if a.split == "fresh")
    assert both["full"].accuracy and both["full"].accuracy != of["pairs", "third", "toys"]["full"].accuracy


def test_where_much_failed_there_is_a_range_and_no_score() -> None:
    lost = Reply(text=None, right=False, finish="failed", error="it stalled")
    one = entry("a", lambda item: True, toys(6))
    items = [item.model_copy(update={"sighted": lost}) if n % 4 == 0 else item for n, item in enumerate(one.results.items)]
    (row,) = tables([Entry("a", "a", results_of(items, "a"), one.file, None)])[0].rows
    assert row.accuracy is None and row.gain is None
    assert (row.lowest, row.highest) == pytest.approx((26 / 36, 1.0))


def test_hallucination_is_yes_where_no_is_right() -> None:
    items = [item.model_copy(update={"answer": "no" if n % 3 else "yes"}) for n, item in enumerate(toys(6)) if item.world == "toys"]
    half = [
        item.model_copy(update={"sighted": Reply(text="Yes, there is." if n % 2 else "no", right=False)})
        for n, item in enumerate(item for item in items if item.answer == "no")
    ]
    rate = hallucination([*half, *(item for item in items if item.answer == "yes")])
    assert rate is not None and rate.value == 0.5
    assert hallucination(item for item in items if item.answer == "yes") is None


def test_the_verdict_is_in_grammar() -> None:
    items = toys(20)
    good, bad = entry("good", at_rate(0.9, 1), items), entry("bad", at_rate(0.2, 2), items)
    assert verdict(versus([good, bad]), tables([good, bad])[0]).startswith("1 of 1 pair differs beyond chance. good scores highest")
    assert verdict(None, tables([good])[0]) == ""


SCRIPT = """
const visible = (rows) => rows.filter((row) => row.getClientRects().length).map((row) => row.dataset.name);
const rows = [...page.querySelectorAll("#board tbody tr:not(.group)")];
const change = (what, value, kind) => {
  const field = page.querySelector(what);
  field.value = value;
  field.dispatchEvent(new frame.contentWindow.Event(kind, { bubbles: true }));
};
const names = () => visible([...page.querySelectorAll("#board tbody tr:not(.group)")]).join(" ");
const told = [page.documentElement.scrollWidth, names()];
change("[data-sort]", "speed", "change");
told.push(names());
const head = page.querySelector('#board th[data-key="speed"]');
told.push(head.getAttribute("aria-sort"));
head.querySelector("button").click();
told.push(names(), head.getAttribute("aria-sort"));
change('[data-filter="name"]', "SAY", "input");
told.push(names(), page.querySelector(".shown").textContent);
change('[data-filter="name"]', "", "input");
change('[data-filter="benchmark"]', "", "input");
told.push(visible(rows).length);
return told.join("|");
"""


@needs_chromium
def test_in_a_browser_the_table_sorts_and_filters_on_a_phone_and_on_a_desktop(site: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site, tmp_path / "site"))
    told = told_by_frames(folder, ["index.html"], (390, 1280), SCRIPT)
    first = "memorizer oracle guesser blind-prior yes-sayer|memorizer blind-prior yes-sayer guesser oracle|descending"
    for width, said in (one.split(": ") for one in told.split("; ")):
        size, by_score, *rest = said.split("|")
        assert size == width, "nothing hangs over"
        assert by_score.split()[:2] == ["memorizer", "oracle"] and by_score.split()[-1] == "yes-sayer", by_score
        assert "|".join(rest[:2]) == "|".join(first.split("|")[1:])
        assert rest[2:] == ["oracle guesser yes-sayer blind-prior memorizer", "ascending", "yes-sayer", "1 of 5 models", "40"]


@needs_chromium
def test_in_a_browser_no_page_hangs_over_and_pictures_and_style_are_loaded(site: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site, tmp_path / "site"))
    wrong = sorted((folder / "models" / "guesser").glob("*.html"))[0].relative_to(folder).as_posix()
    pages = ["pairs.html", "models/guesser.html", "benchmarks/shapes--fresh.html", wrong]
    script = """
    for (const picture of page.querySelectorAll("img")) picture.loading = "eager";
    const style = frame.contentWindow.getComputedStyle(page.body).backgroundColor !== "rgba(0, 0, 0, 0)";
    const first = page.querySelector("img");
    return `${page.documentElement.scrollWidth} ${style} ${!first || first.naturalWidth > 0}`;
    """
    told = told_by_frames(folder, pages, (390, 1280), script).split("; ")
    assert told == [f"{width}: {width} true true" for _ in pages for width in (390, 1280)]


@needs_chromium
def test_in_a_browser_words_without_an_end_do_not_push_a_page_apart(tmp_path: Path) -> None:
    long = "W" * 300
    for place, rate in (("a", 0.3), ("b", 0.8)):
        texts = {"question": long, "kind": long, "split": long}
        items = [item.model_copy(update={**texts, "world": long + item.world}) for item in toys(8)]
        write_results(entry(place + long, at_rate(rate, 1), items).results, tmp_path / place / "results.json")
    site = tmp_path / "site"
    built([str(tmp_path / "a"), str(tmp_path / "b")], site)
    pages = ["index.html", "pairs.html"]
    pages += [sorted(site.glob(f"{below}/*.html"))[0].relative_to(site).as_posix() for below in ("models", "models/*", "benchmarks")]
    told = told_by_frames(site, pages, (390, 1280), "return page.documentElement.scrollWidth;")
    assert told == "; ".join(["390: 390; 1280: 1280"] * len(pages))


@needs_chromium
def test_without_scripts_the_page_is_whole(site: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site, tmp_path / "site"))
    (folder / "site.js").write_text("")
    script = """
    const rows = [...page.querySelectorAll("#board tbody tr")].filter((row) => row.getClientRects().length);
    return `${page.documentElement.scrollWidth} ${rows.length} ${page.querySelector(".controls").getClientRects().length}`;
    """
    told = told_by_frames(folder, ["index.html"], (390, 1280), script)
    assert told == "390: 390 48 0; 1280: 1280 48 0"


def test_python_in_the_page_runs(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs, tmp_path / "runs" / "board")
    text = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/leaderboard.md", "exec"), {})
    assert (tmp_path / "site" / "pairs.html").is_file()
