"""Files that are not as their authors publish them: one sentence each, with the row, what was expected and what to do."""

from __future__ import annotations

import importlib.util
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.benchmarks import published
from evaluation.benchmarks.published import MAKERS, Config
from omma.errors import BadInput
from omma.evaluation.benchmarks import BENCHMARKS, rows

Change = Callable[[Any], Any]


def complaint(config: Config) -> str:
    with pytest.raises(BadInput) as caught:
        BENCHMARKS.parse(config, where="benchmark").build().items()
    return str(caught.value)


def changed(config: Config, change: Change, field: str = "file") -> str:
    """The complaint about the same benchmark with its JSON changed."""
    path = Path(config[field])
    text = path.read_text()
    document = json.loads(text) if text.count("\n") < 2 else [json.loads(line) for line in text.splitlines()]
    change(document)
    written = "".join(json.dumps(r) + "\n" for r in document) if text.count("\n") >= 2 else json.dumps(document)
    path.write_text(written)
    return complaint(config).replace(str(path), "FILE")


def set_in(*path: Any) -> Change:
    """Sets a value: the last of the arguments, at the place that those before it lead to."""
    *keys, last, value = path

    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        document[last] = value

    return change


def without(*path: Any) -> Change:
    *keys, last = path

    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        del document[last]

    return change


def twice(*path: Any) -> Change:
    def change(document: Any) -> None:
        for key in path:
            document = document[key]
        document.append(document[0])

    return change


REMEDY = "correct the row or fetch the file again"


@pytest.mark.parametrize(
    ("name", "field", "change", "message"),
    [
        ("vqav2", "annotations", set_in("annotations", 1, "answers", []),
         f"FILE, record 1 (from 0), field answers: expected the answers of at least two people, found []; {REMEDY}."),
        ("vqav2", "annotations", set_in("annotations", 1, "answers", 3, "answer", ["2"]),
         f'FILE, record 1 (from 0), answers 3 (from 0), field answer: expected a text, found ["2"]; {REMEDY}.'),
        ("vqav2", "annotations", twice("annotations"),
         'FILE: expected every question to have an id of its own, found the id "100" twice; leave one of them out, or fetch the file again.'),
        ("vqav2", "file", twice("questions"),
         'benchmark vqav2, split test: expected every question to have an id of its own, found the id "100" twice; '
         "leave one of them out, or fetch the file again."),
        ("vqav2", "file", without("questions"),
         "FILE: expected a JSON object with a list of records in \"questions\", found an object with 'info', 'license', "
         "'data_subtype', 'task_type'; name the file that the authors publish."),
        ("textvqa", "file", set_in("data", 0, "answers", ["one"]),
         f'FILE, record 0 (from 0), field answers: expected the answers of at least two people, found ["one"]; {REMEDY}.'),
        ("gqa", "file", without("201", "answer"),
         f"FILE, record '201', field answer: expected a text that is not empty, found no such field; {REMEDY}."),
        ("gqa", "file", set_in("201", "question", "why? " * 20_000),
         f"FILE, record '201', field question: expected at most 50,000 characters, found 100,000; {REMEDY}."),
        ("docvqa", "file", without("data", 2, "answers"),
         "FILE, record 2 (from 0), field answers: expected answers, found no such field; use a split whose answers are published (val)."),
        ("docvqa", "file", set_in("data", 2, "question", None),
         f"FILE, record 2 (from 0), field question: expected a text that is not empty, found null; {REMEDY}."),
        ("chartqa", "file", set_in(1, "label", float("nan")),
         f"FILE, record 1 (from 0), field label: expected a text that is not empty, found NaN; {REMEDY}."),
        ("chartqa", "file", set_in(1, 3),
         f"FILE, record 1 (from 0): expected a JSON object, found 3; {REMEDY}."),
        ("scienceqa", "file", set_in("2", "answer", 5),
         f"FILE, record '2', field answer: expected the place of one of 2 choices, from 0, found 5; {REMEDY}."),
        ("pope", "file", set_in(3, "label", "maybe"),
         f'FILE, line 4, field label: expected one of yes, no, found "maybe"; {REMEDY}.'),
        ("pope", "file", set_in(3, "image", "../secret.jpg"),
         "FILE, line 4, field image: expected a path within IMAGES, found '../secret.jpg'; make the path relative to the image folder."),
        ("pope", "file", set_in(3, "image", "gone.jpg"),
         "FILE, line 4, field image: expected a file in IMAGES, found nothing at 'gone.jpg'; fetch the picture, correct the path or "
         "leave the record out."),
        ("hallusionbench", "file", set_in(0, "gt_answer", "2"),
         f'FILE, record 0 (from 0), field gt_answer: expected 0 or 1, found "2"; {REMEDY}.'),
        ("hallusionbench", "file", set_in(0, "filename", None),
         f"FILE, record 0 (from 0), field filename: expected a figure, except for figure 0 of category VS, found null; {REMEDY}."),
        ("amber", "annotations", set_in(3, "truth", "No idea"),
         f'FILE, record 3 (from 0), field truth: expected one of yes, no, found "No idea"; {REMEDY}.'),
        ("amber", "relations", set_in("dog", "puppy"),
         'FILE, field dog: expected a list of words, found "puppy"; name AMBER\'s relation.json.'),
        ("refcoco", "file", set_in(0, "bbox", [10, 20, 5, 30]),
         "FILE, line 1, field bbox: expected left, top, right and bottom of a box within 640 x 480 pixels, found [10, 20, 5, 30]; "
         f"{REMEDY}."),
        ("refcoco", "file", set_in(0, "width", 64),
         "FILE, line 1, field width: expected a picture of 640 x 480 pixels, as COCO_train2014_000000000000.jpg is, found 64; "
         "use the pictures that the boxes were drawn on."),
        ("coco-captions", "file", set_in("annotations", 0, "image_id", 99),
         f"FILE, record 0 (from 0), field image_id: expected the id of a picture of the file, found 99; {REMEDY}."),
        ("chair", "file", set_in("annotations", 1, "category_id", 7),
         f"FILE, record 1 (from 0), field category_id: expected the id of a category of the file, found 7; {REMEDY}."),
        ("chair", "file", set_in("categories", 1, "name", "zeppelin"),
         f'FILE, record 1 (from 0), field name: expected a thing that the synonyms name, found "zeppelin"; {REMEDY}.'),
        ("ocrbench", "file", set_in(0, "answers", []),
         f"FILE, record 0 (from 0), field answers: expected a list of texts, found []; {REMEDY}."),
    ],
)  # fmt: skip
def test_rows_that_are_not_as_published(name: str, field: str, change: Change, message: str, tmp_path: Path) -> None:
    config = MAKERS[name](tmp_path)
    assert changed(config, change, field).replace(config["images"], "IMAGES") == message


def test_a_name_that_json_would_hide(tmp_path: Path) -> None:
    config = MAKERS["gqa"](tmp_path)
    text = Path(config["file"]).read_text()
    Path(config["file"]).write_text(text.replace('"201"', '"200"'))
    assert 'found the id "200" twice' in complaint(config)


def test_tables(tmp_path: Path) -> None:
    good = published.mmbench_rows()

    def table(change: Change) -> str:
        changed_rows = [dict(row) for row in good]
        change(changed_rows)
        file = published.table(tmp_path / "table.tsv", changed_rows)
        return complaint({"type": "mmbench", "file": file}).replace(file, "FILE")

    assert table(set_in(1, "answer", "D")) == (
        f'FILE, line 3, field answer: expected one of the letters A, B, C, found "D"; {REMEDY}.'
    )
    assert table(set_in(1, "image", "no picture " * 10)).startswith(
        "FILE, line 3, field image: expected a picture in base64, found "
    )
    assert table(set_in(1, "image", "999")) == (
        'FILE, line 3, field image: expected a picture in base64, or the index of a row that has one, found "999"; '
        f"{REMEDY}."
    )
    assert "the id \"240\" twice" in table(set_in(1, "index", 240))
    assert table(set_in(1, "B", "nan")) == (
        f'FILE, line 3, field B: expected at least two options, in the columns A, B and so on, found ""; {REMEDY}.'
    )
    assert table(set_in(1, "index", 1_000_240)).startswith(
        "FILE, line 3, fields A, B and so on: expected the options of FILE, line 2, rotated by as many as no other row, found ["
    )
    (tmp_path / "table.tsv").write_text("index\tquestion\timage\n1\tWhat?\n")
    assert complaint({"type": "mmbench", "file": str(tmp_path / "table.tsv")}).endswith(
        f"line 2: expected 3 cells, as in the first line, found 2; {REMEDY}."
    )
    unanswered = [{key: value for key, value in row.items() if key != "answer"} for row in good]
    file = published.table(tmp_path / "test.tsv", unanswered)
    assert complaint({"type": "mmbench", "file": file}).endswith(
        "field answer: expected a letter, found no such field; use a split whose answers are published (dev)."
    )


def test_a_picture_that_is_none_is_found_before_anything_is_asked(tmp_path: Path) -> None:
    config = MAKERS["docvqa"](tmp_path)
    page = Path(config["images"]) / "documents" / "page_1.png"
    page.write_bytes(b"<html>not found</html>")
    assert complaint(config).startswith(f"{page}: expected a picture")


def test_mme_folders(tmp_path: Path) -> None:
    config = MAKERS["mme"](tmp_path)
    existence = Path(config["folder"]) / "existence"
    (existence / "1.txt").write_text("Is it red?\tYes\n")
    assert complaint(config) == f"{existence}/1.txt: expected two questions about the picture, found 1; unpack it again."
    (existence / "1.txt").write_text("Is it red?\tYes\nIs it blue? No\n")
    assert complaint(config) == (
        f"{existence}/1.txt, line 2: expected a question, a tab, and Yes or No, found 'Is it blue? No'; unpack the benchmark again."
    )
    (existence / "1.jpg").unlink()
    assert "expected a picture 1.jpg, .png, .jpeg in" in complaint(config)
    assert complaint({"type": "mme", "folder": str(tmp_path / "nowhere")}).endswith(
        "found no such folder; name the folder that MME is unpacked to."
    )


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = MAKERS["docvqa"](tmp_path)
    gone = config | {"file": str(tmp_path / "gone.json")}
    assert complaint(gone) == (
        f"{tmp_path}/gone.json: expected a file, found nothing; fetch it, or correct the path; omma fetches no data."
    )
    assert complaint(config | {"images": config["file"]}).startswith(
        f"{config['file']}: expected the folder that image paths are relative to, found a file; "
    )
    boxes = MAKERS["refcoco"](tmp_path)
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([1]))
    assert complaint(boxes | {"file": str(tmp_path / "refs(unc).p")}) == (
        f"{tmp_path}/refs(unc).p: expected JSON, JSON lines, a table with tabs or parquet, found a pickle, which can run any code; "
        "convert it to one of those where you trust it."
    )
    Path(config["file"]).write_text('{"data": [\n{"questionId": 1,}]}')
    assert complaint(config).startswith(f"{config['file']}, line 2: expected valid JSON, found ")
    monkeypatch.setattr(rows, "MOST_BYTES", 1)
    assert "expected at most 0 GiB, found 0.0; cut it into smaller files." in complaint(config)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_what_reads_it(tmp_path: Path) -> None:
    (tmp_path / "mmstar.parquet").write_bytes(b"PAR1")
    assert complaint({"type": "mmstar", "file": str(tmp_path / "mmstar.parquet")}) == (
        f"{tmp_path}/mmstar.parquet: expected pyarrow to be installed, which reads parquet, found that it is not; run pip install "
        "pyarrow, or name the table with tabs (.tsv) that is published beside it."
    )


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    question = "Which?\nOptions: A: red, B: blue, C: grey, D: pink"
    record = {"index": 0, "question": question, "answer": "A", "category": "math", "image": published.encoded("red")}
    parquet.write_table(pyarrow.Table.from_pylist([record]), tmp_path / "mmstar.parquet")
    config = {"type": "mmstar", "file": str(tmp_path / "mmstar.parquet")}
    (item,) = BENCHMARKS.parse(config, where="benchmark").build().items()
    assert item.answer == "A"
    (tmp_path / "mmstar.parquet").write_bytes(b"PAR1")
    assert "expected a parquet file" in complaint(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "Look!"}, "benchmark docvqa, field prompt: expected a text with {question} in it once and no other braces, "
         "found 'Look!'; write it so; for a brace itself write two."),
        ({"prompt": "{question} {"}, "found '{question} {'"),
        ({"prompt": "{question.turns}"}, "found '{question.turns}'"),
        ({"split": "a/b"}, "benchmark.split: expected"),
        ({"pictures": 0}, "benchmark.pictures: expected greater than 0, found 0"),
        ({"picture": 3}, "did you mean pictures"),
    ],
)  # fmt: skip
def test_configs(change: Config, message: str, tmp_path: Path) -> None:
    assert message in complaint(MAKERS["docvqa"](tmp_path) | change)


def test_a_split_without_questions_and_an_unknown_benchmark(tmp_path: Path) -> None:
    config = MAKERS["scienceqa"](tmp_path)
    assert complaint(config | {"split": "val"}) == (
        "benchmark scienceqa, split val: expected questions, found none; name another file or split."
    )
    assert "did you mean docvqa" in complaint({"type": "docvq"})
    assert "a name with {image_id} in it" in complaint(MAKERS["vqav2"](tmp_path) | {"picture_name": "{image}.jpg"})


def test_a_name_of_two_things(tmp_path: Path) -> None:
    config = MAKERS["chair"](tmp_path)
    Path(config["synonyms"]).write_text("dog, puppy\ncar, dog\n")
    assert complaint(config).replace(config["synonyms"], "FILE") == (
        "FILE, line 2: expected names of one thing alone, found 'dog', a name of dog; take it out of one of both."
    )


def test_a_world_without_coloured_shapes() -> None:
    assert complaint({"type": "scene-chair", "world": "documents"}) == (
        "recipe field evaluation.benchmarks.world: expected a world of coloured shapes, found documents; name shapes."
    )
