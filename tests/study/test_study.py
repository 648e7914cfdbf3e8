"""Study files: what they mean, and what is said of those that are at fault."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from omma.errors import BadInput
from omma.model.composition import compose
from omma.study import StudyRun, load_study, study_names
from omma.study.study import TRIAL

TEXT = """
name: toy
question: Which?
base: llava-1.5
size: debug
common:
  evaluation.conditions: [sighted]
budget:
  align: {steps: 2}
seeds: [3, 4]
choices:
  one: {changes: {model.projector: {type: linear}}}
  two: {about: as it is}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    return path


def test_choices_differ_in_nothing_else(file: Path) -> None:
    study = load_study(str(file))
    assert study.runs() == [StudyRun(c, s) for s in (3, 4) for c in ("one", "two")]
    one, two = (study.recipe(StudyRun(choice, 4)) for choice in ("one", "two"))
    assert (one.model.projector.type, two.model.projector.type) == ("linear", "mlp")
    for recipe in (one, two):
        assert recipe.stages["align"].steps == 2 and recipe.stages["align"].epochs is None
        assert recipe.seed == 4 and recipe.evaluation.conditions == ["sighted"]
    assert two.model_copy(update={"model": one.model, "name": one.name}) == one
    assert (one.name, two.name) == ("toy-one", "toy-two")


def test_a_base_can_be_a_file_beside_the_study(file: Path) -> None:
    (file.parent / "mine.yaml").write_text("base: llava\nname: mine\n")
    file.write_text(TEXT.replace("base: llava-1.5", "base: mine.yaml"))
    assert load_study(str(file)).recipe(StudyRun("one", 3)).stages["align"].steps == 2


@pytest.mark.parametrize("name", study_names())
def test_every_study_that_ships_can_be_run(name: str) -> None:
    study = load_study(name)
    assert study.name == name and len(study.seeds) >= 3
    for choice in study.choices:
        recipe = study.recipe(StudyRun(choice, study.seeds[0]))
        assert recipe.model.complete and recipe.evaluation.benchmarks
        # A projector or a strategy that its parts or its objectives cannot take would be found after hours.
        with torch.device("meta"):
            model = compose(recipe.model, load_weights=False)
        for stage in recipe.stages.values():
            stage.objective.build(model=model)


TIMED = """
name: timed
question: Which?
base: llava-1.5
size: debug
common:
  stages:
    look: {objective: {type: masked-image, layers: 1, width: 32, heads: 2}, batch: 2, data: [{source: {type: playground, world: shapes}}],
           learn: [{pattern: "encoder.*", rate: 1.0e-3}, {pattern: "objective.*", rate: 1.0e-3}]}
    align: {}
budget:
  look: {seconds: 12}
  align: {steps: 2}
choices:
  whole: {}
  half: {budget: {look: {seconds: 6}}}
  none: {changes: {stages.look: null}}
"""


def test_seconds_are_as_many_steps_as_fit_into_them(file: Path) -> None:
    file.write_text(TIMED)
    study = load_study(str(file))

    def steps(choice: str, **paces: float) -> dict[str, int | None]:
        stages = study.recipe(StudyRun(choice, 0), paces).stages
        assert all(stage.epochs is None for stage in stages.values())
        return {name: stage.steps for name, stage in stages.items()}

    instruct = {"align": 2, "instruct": 3}
    assert steps("whole", look=0.5) == {"look": 24, **instruct}
    assert steps("whole", look=0.7) == {"look": 17, **instruct}
    assert steps("half", look=0.5) == {"look": 12, **instruct}
    assert steps("whole", look=50.0) == {"look": 1, **instruct}
    assert steps("none", look=0.5) == instruct
    assert steps("whole") == {"look": TRIAL, **instruct}


def test_only_stages_with_seconds_are_tried(file: Path) -> None:
    file.write_text(TIMED)
    study = load_study(str(file))
    for choice in ("whole", "half"):
        trial = study.trial(choice)
        assert trial is not None and {name: stage.steps for name, stage in trial.stages.items()} == {"look": TRIAL}
    assert study.trial("none") is None
    file.write_text(TEXT)
    assert load_study(str(file)).trial("one") is None


FAULTS = {
    ("one: {changes: {model.projector: {type: linear}}}", "one: {changes: {model.projectr: {type: linear}}}"): (
        "recipe field model.projectr: expected a known field, found 'projectr'; "
    ),
    ("  two: {about: as it is}\n", ""): "choices: expected dictionary should have at least 2 items",
    ("seeds: [3, 4]", "seeds: [3, 3]"): "seeds that differ",
    ("align: {steps: 2}", "align: {steps: 2, epochs: 1}"): "one of steps, epochs and seconds",
    ("align: {steps: 2}", "align: {seconds: 0}"): "greater than 0",
    ("align: {steps: 2}", "algn: {steps: 2}"): "field stages.algn",
    ("two: {about: as it is}", "two: {budget: {align: {}}}"): "one of steps, epochs and seconds",
    ("size: debug", "size: debug\nbefore: three"): "one of one, two as before, not 'three'",
    ("size: debug", "size: debug\ngroups: {a: [shapes]}"): "one of the groups a for ranked_by, not None",
    ("size: debug", "size: debug\ngroups: {a: [shapes]}\nranked_by: b"): "one of the groups a for ranked_by, not 'b'",
    ("size: debug", "size: debug\nranked_by: b"): "groups for ranked_by, not 'b'",
    ("size: debug", "size: debug\ngroups: {a: []}\nranked_by: a"): "at least 1 item",
    ("size: debug", "size: debug\nreference: three"): "one of one, two as reference, not 'three'",
    ("size: debug", "sise: debug"): "field sise: expected a known field, found 'sise'; did you mean size?",
    ("size: debug", "size: debug\npeers: {two: {model: 'scripted:oracle'}}"): "names of peers that no choice has, not 'two'",
    ("size: debug", "size: debug\npeers: {../p: {model: 'scripted:oracle'}}"): "choices and peers named by letters, digits",
    ("  two:", "  ../two:"): "choices and peers named by letters, digits and -._, not '../two'",
    ("base: llava-1.5", "base: lava"): "recipe lava: expected the name of a recipe, or a .yaml file, found neither",
    ("name: toy", "name: [toy"): "line",
}


@pytest.mark.parametrize(("change", "said"), FAULTS.items(), ids=[after for _, after in FAULTS])
def test_faults_are_named(file: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in TEXT
    file.write_text(TEXT.replace(*change))
    with pytest.raises(BadInput) as caught:
        load_study(str(file))
    assert said in str(caught.value)


def test_an_unknown_study_is_answered_with_the_near_ones() -> None:
    with pytest.raises(BadInput) as caught:
        load_study("projektor")
    assert "expected the name of a study, or a .yaml file, found neither; did you mean projector" in str(caught.value)
