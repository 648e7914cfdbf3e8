"""How long a step takes, told by a clock that stands still between readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import gettempdir

import pytest

from omma.errors import BadInput
from omma.study.pace import paces_of, read_paces, write_paces
from toy_training import ALIGN, INSTRUCT, toy_recipe


def clock_of(steps: Sequence[float]) -> Callable[[], float]:
    """A clock that is read once a step, each of which takes so long."""
    now = 0.0
    waiting = iter(steps)

    def read() -> float:
        nonlocal now
        now += next(waiting)
        return now

    return read


def test_a_pace_is_the_median_of_the_later_half_of_a_stages_steps() -> None:
    recipe = toy_recipe(stages={"align": {**ALIGN, "steps": 7}, "instruct": {**INSTRUCT, "steps": 5}})
    before = set(Path(gettempdir()).glob("omma-pace-*"))
    # What comes before a stage's first step is no step of it; one of the later ones is slow.
    align, instruct = [90.0, 9.0, 8.0, 7.0, 2.0, 50.0, 3.0], [70.0, 6.0, 5.0, 4.0, 0.5]
    assert paces_of(recipe, clock_of([*align, *instruct])) == {"align": 3.0, "instruct": 2.25}
    assert set(Path(gettempdir()).glob("omma-pace-*")) == before, "it leaves nothing behind"


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    assert read_paces(tmp_path) == {}
    paces = {"one": {"look": 0.4123456789}, "two": {"look": 0.5, "listen": 7.0}}
    write_paces(paces, tmp_path)
    assert read_paces(tmp_path) == paces


@pytest.mark.parametrize("text", ["{", "[1]", '{"one": 3}', '{"one": {"look": "soon"}}'])
def test_a_damaged_file_is_not_measured_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text(text)
    with pytest.raises(BadInput, match=r"speed.json: expected seconds of a step by choice and stage, found something else"):
        read_paces(tmp_path)
