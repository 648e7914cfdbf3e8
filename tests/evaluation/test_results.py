from __future__ import annotations

import errno
import json
import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import omma.storage
from evaluation.fakes import fake_results
from omma.errors import BadInput, OmmaError
from omma.evaluation import Environment, Results, read_results, results_schema, write_results

DOCS = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.fixture(scope="module")
def results() -> Results:
    return fake_results(4)[0]


def models(schema: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    """(model, field, description) of every field of every model in the schema."""
    definitions = {"Results": schema, **schema["$defs"]}  # type: ignore[dict-item]
    for model, definition in definitions.items():
        for field, about in definition["properties"].items():  # type: ignore[index]
            yield model, field, about.get("description", "")


def test_what_is_written_is_what_is_read(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write_results(results, path)
    assert read_results(path) == results
    assert os.listdir(path.parent) == ["results.json"]


def test_a_loss_that_was_not_a_number_survives_as_valid_json(results: Results, tmp_path: Path) -> None:
    stage = results.curves[0]
    broken = stage.points[0].model_copy(update={"loss": math.nan})
    changed = results.model_copy(update={"curves": (stage.model_copy(update={"points": (broken,)}),)})
    path = tmp_path / "results.json"
    write_results(changed, path)
    text = path.read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert math.isnan(read_results(path).curves[0].points[0].loss)


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(omma.storage.os, "fsync", full)
    with pytest.raises(OmmaError, match=r"results\.json: expected .* found a full disk; free some space"):
        write_results(results, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "field schema_version: expected 2, found None"),
        ('{"schema_version": 1}', "field schema_version: expected 2, found 1"),
        ('{"schema_version": 2}', "field run: expected .* found nothing"),
    ],
)
def test_a_file_of_another_kind_is_refused_clearly(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_results(path)
    with pytest.raises(BadInput, match="found no such file"):
        read_results(tmp_path / "none.json")


def test_a_wrong_or_unknown_field_is_named_with_its_place(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for change, message in (
        (
            lambda data: data["items"][2]["sighted"].update(right="perhaps"),
            r"field items\.2\.sighted\.right: .*'perhaps'",
        ),
        (lambda data: data["scores"]["cells"][0].update(extra=1), r"field scores\.cells\.0\.extra"),
        (lambda data: data["timing"]["phases"][0].update(seconds=-1), r"field timing\.phases\.0\.seconds"),
    ):
        data = json.loads(results.model_dump_json())
        change(data)
        path.write_text(json.dumps(data))
        with pytest.raises(BadInput, match=message):
            read_results(path)


def test_the_schema_describes_every_field_and_the_docs_page_lists_it() -> None:
    schema = results_schema()
    page = DOCS.read_text()
    found = list(models(schema))
    assert len(found) > 60
    for model, field, description in found:
        assert description, f"{model}.{field} has no description"
        section = page.partition(f"## {model}\n")[2].partition("\n## ")[0]
        assert f"| `{field}` |" in section, f"docs/results.md does not list {model}.{field}"
    json.dumps(schema)


def test_the_docs_page_lists_no_field_that_is_gone() -> None:
    known = {(model, field) for model, field, _ in models(results_schema())}
    model = ""
    for line in DOCS.read_text().splitlines():
        if line.startswith("## "):
            model = line[3:]
        elif line.startswith("| `"):
            assert (model, line.split("`")[1]) in known


def test_the_environment_names_no_machine_and_no_folder() -> None:
    environment = Environment.current(accelerator="A GPU")
    text = environment.model_dump_json()
    assert socket.gethostname() not in text
    assert os.sep + "home" not in text
    assert environment.torch and environment.python.count(".") == 2
    assert environment.cores >= 1 and environment.cpu and environment.accelerator == "A GPU"


def test_every_model_refuses_unknown_fields_and_changes(results: Results) -> None:
    def inside(value: object) -> Iterator[BaseModel]:
        if isinstance(value, BaseModel):
            yield value
            for name in type(value).model_fields:
                yield from inside(getattr(value, name))
        elif isinstance(value, tuple):
            for element in value:
                yield from inside(element)

    kinds = {type(model) for model in inside(results)}
    assert len(kinds) >= 12
    assert all(k.model_config.get("frozen") and k.model_config.get("extra") == "forbid" for k in kinds)
