"""Sources whose pictures are cut in a way of their own: they are seen so, and the model stays what it says it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from omma.data.sample import user
from omma.errors import BadInput
from omma.model import OmmaConfig
from omma.model.answering import ModelAnswerer
from omma.model.saving import read_tensors
from omma.training.loop import build_mixture
from omma.training.own_resolution import collator_of
from omma.training.run import train
from toy_training import ALIGN, INSTRUCT, SHAPES, log_lines, samples, toy_model, toy_recipe, weights

SMALL = {"type": "pad-square", "size": 16}
OWN = {"type": "pad-square", "size": 32}


def data(*resolutions: dict[str, Any] | None) -> list[dict[str, Any]]:
    source = {**SHAPES, "task": "caption", "count": 12}
    return [{"source": source, **({"resolution": each} if each else {})} for each in resolutions]


def test_a_stage_of_fewer_pixels_is_a_run_of_fewer_pixels(tmp_path: Path) -> None:
    align = {**ALIGN, "learn": [{"pattern": "*", "rate": 1e-3}]}
    train(toy_recipe(stages={"align": {**align, "data": data(SMALL)}, "instruct": INSTRUCT}), tmp_path / "one")
    train(toy_recipe(model={"resolution": SMALL}, stages={"align": {**align, "data": data(None)}}), tmp_path / "other")
    found, expected = (read_tensors(tmp_path / run / "stages" / "align") for run in ("one", "other"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for place in ("stages/align", "model"):
        config = OmmaConfig.from_pretrained(tmp_path / "one" / place)
        assert config.resolution == {"type": "pad-square", "size": 32}, "the one way that it is used in"
    prompt = samples(1)[0]
    asked = type(prompt)("asked", (user(prompt.images[0], "what is it?"),))
    assert ModelAnswerer.from_directory(tmp_path / "one" / "model", max_new_tokens=2).answer([asked])


def test_sources_of_one_step_are_cut_each_in_its_own_way() -> None:
    model = toy_model()
    stage = toy_recipe(stages={"only": {**ALIGN, "batch": 16, "data": data(SMALL, None)}}).stages["only"]
    mixture = build_mixture(stage, 0)
    collator = collator_of(stage, stage.objective.build(model=model), model, mixture)
    prepared = {p: collator.prepare(mixture.sample(p), p) for p in range(16)}
    for position, one in prepared.items():
        rows = 2 if mixture.locate(position)[0] == 0 else 4
        assert [picture.shapes[:, :2].tolist() for picture in one.pictures] == [[[8 * rows, 8 * rows]]]
        assert [length for _, length in one.rendered.image_spans] == [rows * rows]
    assert {mixture.locate(p)[0] for p in prepared} == {0, 1}
    assert model.resolution is not None and model.resolution.plan(64, 64).views[0].size == (32, 32), "as it was"
    for batch in collator.collate(list(prepared.values())).micro_batches:
        tensors = {name: torch.from_numpy(array) if array.dtype.kind != "U" else array for name, array in batch.items()}
        vectors = model.image_vectors(tensors)
        assert vectors is not None
        assert len(vectors) == int((tensors["input_ids"] == model.vlm.config.image_token_id).sum())  # type: ignore[union-attr]


def test_the_model_s_own_way_changes_nothing(tmp_path: Path) -> None:
    for name, way in (("without", None), ("with", OWN)):
        train(toy_recipe(stages={"align": {**ALIGN, "data": data(way)}, "instruct": INSTRUCT}), tmp_path / name)
    assert log_lines(tmp_path / "with") == log_lines(tmp_path / "without")
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


ANYRES = {"type": "anyres", "size": 32, "canvases": [[32, 64], [64, 32]]}
BRANCHES = {"type": "two-branches", "sizes": [32, 32]}


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            {"align": {**ALIGN, "data": data(ANYRES, None)}},
            r"stages.align.data.0.resolution: expected a strategy with the marks of the model's own \(none\), found anyres, with newline",
        ),
        (
            {"align": {**ALIGN, "data": data(None, BRANCHES)}},
            r"stages.align.data.1.resolution: expected views for as many encoders as there are, 1, found two-branches",
        ),
        (
            {"align": {**ALIGN, "data": data(None, {"type": "pad-square", "size": 5})}},
            r"stages.align.data.1.resolution: expected views of at least one patch",
        ),
        (
            {"align": {**ALIGN, "objective": {"type": "contrastive"}, "data": data(None, SMALL)}},
            r"stages.align.data.1.resolution: expected language modelling of pictures, .*, found the objective contrastive; ",
        ),
        (
            {"align": ALIGN, "instruct": {**INSTRUCT, "data": data(SMALL, SMALL)}},
            r"stages.instruct.data: expected a source whose pictures are cut as the model says, in the last stage, found none",
        ),
    ],
    ids=["marks", "branches", "patches", "objective", "last"],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(tmp_path: Path, stages: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        train(toy_recipe(stages=stages), tmp_path)
    assert not (tmp_path / "log.jsonl").exists()
