from __future__ import annotations

import base64
import io
import math
import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import needs_chromium, told_by_frames
from evaluation.fakes import fake_results
from omma.data.playground import WORLDS
from omma.evaluation import CurvePoint, Results, StageCurve, judged, playground_items, score, write_report
from omma.evaluation.judgement import Reply
from omma.evaluation.report import PAGE_LIMIT, report_html
from omma.evaluation.report.curves import nice_ticks, stage_charts
from omma.evaluation.report.gallery import CARDS, gallery_cards
from omma.evaluation.report.numbers import memory, moment, points, scaled, seconds
from omma.evaluation.report.view import doubts, headlines
from omma.model.output import Output

Pictures = dict[str, Image.Image | tuple[Image.Image, ...]]
HOSTILE = "<script>alert(1)</script>\"' onload=alert(2) </style></pre>{{ 7*7 }}"


class Page(HTMLParser):
    """Every tag with its attributes, and the text outside script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def run() -> tuple[Results, Pictures]:
    return fake_results(25)


@pytest.fixture(scope="module")
def html(run: tuple[Results, Pictures]) -> str:
    return report_html(*run)


def with_items(results: Results, **changes: object) -> Results:
    """The run with every item changed in the same way, scored anew."""
    items = tuple(item.model_copy(update=changes) for item in results.items)
    return results.model_copy(update={"items": items, "scores": score(items)})


def test_the_page_is_well_formed_and_asks_nobody_for_anything(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "action", "srcset"):
            assert re.match(r"#|data:", attributes.get(name) or "#"), (tag, attributes)
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttp", html)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'")


def test_the_numbers_on_the_page_are_those_of_the_results(run: tuple[Results, Pictures], html: str) -> None:
    results, text = run[0], Page(html).text
    average = next(a for a in results.scores.averages if a.split == "fresh")
    assert f"{100 * average.accuracy.value:.1f} %" in re.sub(r"\s+", " ", text)
    for cell in results.scores.cells:
        assert f"{100 * cell.accuracy.low:.1f} to {100 * cell.accuracy.high:.1f}" in text
        assert cell.blind and f"{100 * cell.blind.value:.1f}" in text
    assert "−14" in text or "−1" in text
    for words in (results.run.name, results.run.command, results.environment.cpu, "5.2 M parameters", "1.6 GiB"):
        assert words in text
    assert "2026-11-23 15:40 UTC" in text


def test_marks_stand_where_the_numbers_are(run: tuple[Results, Pictures], html: str) -> None:
    cell = run[0].scores.cell("toys", "fresh", "count")
    assert f'class="mark sighted" style="left:{100 * cell.accuracy.value:.2f}%"' in html
    assert f'style="left:{100 * cell.accuracy.low:.2f}%;right:{100 * (1 - cell.accuracy.high):.2f}%"' in html


def test_nothing_that_data_or_models_say_becomes_markup(run: tuple[Results, Pictures]) -> None:
    results, pictures = run
    reply = results.items[1].sighted.model_copy(update={"text": HOSTILE, "right": False})
    texts = dict.fromkeys(("world", "split", "kind", "question", "answer"), HOSTILE)
    bad = with_items(results, sighted=reply, blind=reply, swapped=reply, **texts)
    told = dict.fromkeys(("name", "recipe", "size", "version", "commit", "command", "finished", "recipe_yaml"), HOSTILE)
    phases = results.timing.phases[0].model_copy(update={"name": HOSTILE})
    bad = bad.model_copy(
        update={
            "run": results.run.model_copy(update={**told, "seeds": {HOSTILE: 1, "b": 2}, "parameters": {HOSTILE: 3}}),
            "environment": results.environment.model_copy(update={"cpu": HOSTILE, "accelerator": HOSTILE}),
            "timing": results.timing.model_copy(update={"phases": (phases,)}),
            "curves": (results.curves[0].model_copy(update={"stage": HOSTILE}),),
        }
    )
    page, plain = Page(report_html(bad, pictures)), Page(report_html(results, pictures))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags}
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "{{ 7*7 }}" in page.text


def test_the_gallery_shows_every_world_right_and_wrong_and_real_pictures(
    run: tuple[Results, Pictures], html: str
) -> None:
    page = Page(html)
    cards = [a for tag, a in page.tags if tag == "article" and "data-verdict" in a]
    assert len(cards) == CARDS
    assert len({(a["data-world"], a["data-verdict"]) for a in cards}) == 4
    sources = [a["src"] or "" for tag, a in page.tags if tag == "img"]
    assert len(sources) > CARDS  # one world shows two pictures
    for source in sources[:3]:
        picture = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
        assert (picture.format, picture.size) == ("PNG", (200, 150))
    assert gallery_cards(run[0].items, {}, room=PAGE_LIMIT) == []
    clusters = [card.item.cluster for card in gallery_cards(run[0].items, run[1], room=PAGE_LIMIT)]
    assert len(set(clusters)) == CARDS


def test_noisy_photographs_do_not_push_the_page_over_its_limit(run: tuple[Results, Pictures]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8))
    results = with_items(run[0], question="<&>" * 20_000, answer="&" * 50_000)
    page = report_html(results, {item.id: noise for item in results.items})
    assert 2_500_000 < len(page.encode()) <= PAGE_LIMIT
    assert 10 < page.count("<img ") < CARDS


def test_a_bare_run_has_a_page_too(run: tuple[Results, Pictures], tmp_path: Path) -> None:
    results = run[0]
    nothing = results.model_copy(update={"items": (), "scores": score(judged([], {})), "curves": ()})
    nothing = nothing.model_copy(
        update={
            "timing": results.timing.model_copy(update={"phases": (), "peak_memory_bytes": None}),
            "environment": results.environment.model_copy(update={"torch": None, "memory_bytes": None}),
        }
    )
    write_report(nothing, {}, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert "Gallery" not in page.text
    assert "Training" not in page.text
    unsighted = with_items(results, blind=None, swapped=None, split="test")
    assert "The blind condition was not run" in Page(report_html(unsighted, {})).text


def test_the_headlines_and_doubts_follow_the_numbers() -> None:
    results, _ = fake_results(60)
    assert [line.label for line in headlines(results)] == [
        "Accuracy, fresh split",
        "Gain from looking",
        "On unseen combinations",
        "Time, all phases",
    ]
    said = " ".join(doubts(results))
    assert "1 of 720 questions failed; they count neither as right nor as wrong." in said
    assert "no gain from looking" not in said
    blind_as_good = tuple(item.model_copy(update={"blind": item.sighted}) for item in results.items)
    said = " ".join(doubts(results.model_copy(update={"scores": score(blind_as_good)})))
    assert "no gain from looking is shown for pairs, color (compositional)" in said
    assert "and 6 more" in said
    assert "the words give something away" in said


def test_there_is_no_headline_if_much_failed() -> None:
    results, _ = fake_results(60)
    lost = Reply(text=None, right=False, finish="failed", error="the server stalled")
    items = [item.model_copy(update={"sighted": lost}) if i % 4 == 0 else item for i, item in enumerate(results.items)]
    results = results.model_copy(update={"scores": score(items), "items": tuple(items)})
    accuracy = headlines(results)[0]
    assert (accuracy.value, accuracy.unit) == ("\u2013", "")
    assert re.fullmatch(r"90 of 360 questions failed: somewhere from 65\.8 to 90\.8 %", accuracy.detail)
    said = " ".join(doubts(results))
    assert "180 of 720 questions failed" in said


def test_curves_are_drawn_within_their_box_and_break_where_the_loss_did() -> None:
    points_ = [CurvePoint(step=n, loss=math.nan if n == 50 else 100 / n, lr=0.1) for n in range(1, 101)]
    (stage,) = stage_charts([StageCurve(stage="s", points=tuple(points_)), StageCurve(stage="t", points=())])
    loss, rate = stage.charts
    numbers = [float(n) for n in re.findall(r"[\d.]+", loss.raw + loss.smooth + rate.raw)]
    assert min(numbers) >= 0
    assert max(numbers) <= 1000
    assert (loss.raw.count("M"), rate.raw.count("M")) == (2, 1)
    assert loss.raw.startswith("M0 0L")
    assert stage.broken == 1
    assert all(0 <= tick.place <= 1 for tick in (*loss.x_ticks, *loss.y_ticks))
    assert [tick.label for tick in loss.y_ticks][:2] == ["0", "20"]


def test_long_curves_are_averaged_and_keep_their_shape() -> None:
    chance = random.Random(0)
    curve = StageCurve(
        stage="s",
        points=tuple(CurvePoint(step=n, loss=2 + chance.gauss(0, 0.1), lr=0.1) for n in range(1, 20_001)),
    )
    (stage,) = stage_charts([curve])
    assert stage.charts[0].raw.count("L") < 240
    heights = [float(y) for y in re.findall(r" (\d+)", stage.charts[0].smooth)]
    assert max(heights) - min(heights) < 20


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0, 1, 3) == pytest.approx([0, 0.5, 1.0])
    assert nice_ticks(1, 900, 3) == pytest.approx([200, 400, 600, 800])
    assert nice_ticks(0, 0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert nice_ticks(-0.3, 0.45, 4) == pytest.approx([-0.2, 0, 0.2, 0.4])
    assert nice_ticks(0, 0.001, 2) == pytest.approx([0, 0.001])


def test_numbers_are_written_for_people() -> None:
    assert [seconds(s) for s in (0.04, 9.96, 59.6, 725, 3600, 12_000)] == [
        "0.0 s",
        "10 s",
        "1 min",
        "12 min 5 s",
        "1 h",
        "3 h 20 min",
    ]
    assert (points(0.123), points(-0.123), points(-0.0004)) == ("+12.3", "−12.3", "0.0")
    assert (scaled(3_140_000), scaled(900), memory(3 * 2**30)) == ("3.1 M", "900", "3.0 GiB")
    assert (moment("2026-11-23T16:40:12+01:00"), moment("some day")) == ("2026-11-23 15:40 UTC", "some day")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("browser")


@needs_chromium
def test_in_a_browser_nothing_overflows_a_phone_and_the_filters_work(
    run: tuple[Results, Pictures], folder: Path
) -> None:
    write_report(*run, folder / "report.html")
    script = """
    const visible = () => [...page.querySelectorAll(".card")].filter((card) => !card.hidden);
    const before = visible().length;
    page.querySelector('[data-choices=verdict] [data-value=wrong]').click();
    const wrong = visible().every((card) => card.dataset.verdict === "wrong");
    page.querySelector(".more").click();
    return `${page.documentElement.scrollWidth} ${before} ${wrong} ${visible().length > before}`;
    """
    # The widths that a phone and a desktop have.
    told = told_by_frames(folder, ["report.html"], (360, 1280), script)
    assert told == "360: 360 12 true true; 1280: 1280 12 true true"


def test_leanings_and_confidence_are_drawn_and_doubted() -> None:
    worlds = [WORLDS.get(name, where="world").Config().build() for name in ("shapes", "documents")]
    items = [item for world in worlds for item in playground_items(world, "fresh", 20)]
    rng = random.Random(0)
    said = {item.id: Output("yes", log_probabilities=(math.log(rng.uniform(0.7, 0.99)),)) for item in items}
    results = fake_results(4)[0].model_copy(update={"scores": score(judged(items, {"sighted": said}, ["sighted"]))})
    page = report_html(results, {})
    assert 'href="#trust"' in page
    assert page.count("<circle") == len(results.scores.confidence[0].bins) > 1
    assert "100.0 for" in page
    doubted = " ".join(doubts(results))
    assert "Where the answer is yes or no, it leans to one of them in" in doubted
    assert "Its confidence is not to be taken for a probability" in doubted
    silent = {item.id: Output(item.answer) for item in items if item.answer not in ("yes", "no")}
    kept = [item for item in items if item.id in silent]
    bare = results.model_copy(update={"scores": score(judged(kept, {"sighted": silent}, ["sighted"]))})
    assert 'id="trust"' not in report_html(bare, {})
