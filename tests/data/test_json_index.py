"""Finding records without parsing, against the parser that it must agree with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omma.data.json_index import JsonIndex
from omma.errors import BadInput

nasty = st.text(alphabet=st.sampled_from('"\\{}[],:\n\t é€😀a/'), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | nasty,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty, inner, max_size=4),
    max_leaves=12,
)
blanks = st.text(alphabet=" \t\r\n", max_size=5)
quick = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def records(path: Path, data: bytes, chunk: int) -> list[Any]:
    path.write_bytes(data)
    index = JsonIndex.of(path, chunk=chunk)
    found = []
    for number in range(len(index)):
        text, line = index.read(number)
        found.append(json.loads(text))
        # The line is right if exactly the newlines before the record come before it.
        assert data[: data.index(text, int(index.spans[number, 0]))].count(b"\n") == line - 1
    return found


@quick
@given(
    st.lists(values, min_size=1, max_size=6),
    st.integers(1, 40),
    st.none() | st.integers(0, 3),
    st.booleans(),
    st.data(),
)
def test_array_agrees_with_the_parser(
    tmp_path: Path, items: list[Any], chunk: int, indent: int | None, ascii_: bool, data: st.DataObject
) -> None:
    pieces = [
        data.draw(blanks) + json.dumps(item, indent=indent, ensure_ascii=ascii_) + data.draw(blanks) for item in items
    ]
    text = data.draw(blanks) + "[" + ",".join(pieces) + "]" + data.draw(blanks)
    mark = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    assert json.loads(text) == items
    assert records(tmp_path / "a.json", mark + text.encode(), chunk) == items


@pytest.mark.parametrize("chunk", range(1, 12))
def test_backslashes_across_chunks(tmp_path: Path, chunk: int) -> None:
    items = [end + "\\" * count + quote for count in range(5) for quote in ("", '"', '",') for end in ("", "]")]
    assert records(tmp_path / "a.json", json.dumps(items).encode(), chunk) == items


@quick
@given(st.lists(st.dictionaries(nasty, values, max_size=4), min_size=1, max_size=6), st.data())
def test_lines_agree_with_the_parser(tmp_path: Path, items: list[Any], data: st.DataObject) -> None:
    ends = st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n"])
    text = "".join(json.dumps(item, ensure_ascii=False) + data.draw(ends) for item in items)
    if data.draw(st.booleans()):
        text = text.rstrip()
    assert records(tmp_path / "a.jsonl", text.encode(), 7) == items


@quick
@given(st.lists(values, min_size=1, max_size=4), st.integers(1, 30), st.data())
def test_a_cut_array_is_refused(tmp_path: Path, items: list[Any], chunk: int, data: st.DataObject) -> None:
    text = json.dumps(items, ensure_ascii=False).encode()
    (tmp_path / "a.json").write_bytes(text[: data.draw(st.integers(1, len(text) - 1))])
    with pytest.raises(BadInput, match=r"cut off"):
        JsonIndex.of(tmp_path / "a.json", chunk=chunk)


@given(st.binary(max_size=60), st.integers(1, 9))
@quick
def test_any_bytes_give_an_index_or_bad_input(tmp_path: Path, junk: bytes, chunk: int) -> None:
    (tmp_path / "a.json").write_bytes(b"[" + junk)
    try:
        index = JsonIndex.of(tmp_path / "a.json", chunk=chunk)
    except BadInput:
        return
    for number in range(len(index)):
        index.read(number)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "an empty file"),
        (" \n ", "an empty file"),
        ("[ \n ]", "an empty array"),
        ("hello", "'h' as the first"),
        ("[{}] \n, {}", "','"),
        ("[{}\n] []", "line 2.*'\\['"),
        ("[{}}", "'}'"),
        ('\n{\n "records": [{}]\n}', "line 2: .*goes on behind"),
        ('[{}, {"a": 1,\n {"b": 2}]', "line 2.*near line 1"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(BadInput, match=complaint) as error:
        JsonIndex.of(tmp_path / "broken.json")
    assert "broken.json" in str(error.value)


def test_a_file_that_changes_or_goes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1, 2]")
    index = JsonIndex.of(path)
    os.utime(path, ns=(5, 5))
    with pytest.raises(BadInput, match="changed"):
        index.read(0)
    path.unlink()
    with pytest.raises(BadInput, match="no such file"):
        index.read(0)
    with pytest.raises(BadInput, match="no such file"):
        JsonIndex.of(path)
