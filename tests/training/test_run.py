"""Runs: what belongs together, what may change, and where the model begins."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from omma.data.feature_cache import FeatureCache
from omma.errors import BadInput
from omma.model.loading import load_model
from omma.model.saving import read_tensors
from omma.training import loop, run
from omma.training.loop import Diverged, Progress
from omma.training.run import environment, open_run, read_record, train
from toy_training import ALIGN, INSTRUCT, MODEL, log_lines, toy_recipe, weights


def stop(progress: Progress) -> None:
    raise KeyboardInterrupt


def begun(directory: Path, **fields: Any) -> None:
    """A run that was interrupted after its first step."""
    with pytest.raises(KeyboardInterrupt):
        train(toy_recipe(stages={"align": ALIGN}, **fields), directory, report=stop)


def test_what_a_run_leaves(tmp_path: Path) -> None:
    said: list[str] = []
    seen: list[Progress] = []
    model = train(toy_recipe(), tmp_path, report=seen.append, announce=said.append, command=["omma", "train", "toy"])
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == [
        "log.jsonl", "model", "recipe.yaml", "run.json", "stages", "tensorboard",
    ]
    assert open_run(tmp_path) == toy_recipe()
    record = read_record(tmp_path)
    assert record["status"] == "finished" and record["command"] == ["omma", "train", "toy"]
    assert record["environment"] == environment()
    assert {name: (took["steps"], took["samples"]) for name, took in record["stages"].items()} == {
        "align": (4, 16), "instruct": (4, 16),
    }
    assert [text.partition("\n")[0] for text in said] == ["Stage align learns:", "Stage instruct learns:"]
    assert [(p.stage, p.step, p.steps) for p in seen] == [(s, i, 4) for s in ("align", "instruct") for i in (1, 2, 3, 4)]
    assert seen[-1].seconds_left == 0 and all(p.tokens_per_second > 0 and p.images_per_second > 0 for p in seen)
    loaded, _ = load_model(tmp_path / "model")
    assert model.vlm is not None and model.template == "vicuna-v1"
    for name, tensor in model.vlm.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    events = {path.parent.name for path in (tmp_path / "tensorboard").rglob("events*")}
    assert events == {"align", "instruct"}


def test_frozen_parts_are_untouched_even_in_bf16(tmp_path: Path) -> None:
    recipe = toy_recipe(stages={"align": {**ALIGN, "precision": "bf16"}})
    torch.manual_seed(recipe.seed)
    before = run.build_model(recipe).vlm
    train(recipe, tmp_path)
    assert before is not None
    after = read_tensors(tmp_path / "stages" / "align")
    changed = {name.partition(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before.state_dict()[name])}
    assert changed == {"projector"}
    assert {tensor.dtype for tensor in read_tensors(tmp_path / "model").values()} == {torch.bfloat16}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_encoder_with_batch_norms_lives_through_a_run(tmp_path: Path, precision: str) -> None:
    """It learns, its statistics with it, then it is frozen and cached, then saved and read again."""
    architecture = {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic",
    }  # fmt: skip
    stages = {
        "align": {**ALIGN, "learn": [{"pattern": "*", "rate": 1e-2}], "precision": precision},
        "instruct": {**INSTRUCT, "precision": precision},
    }
    encoder = {"type": "transformers", "architecture": architecture, "cls": "none", "tap": -1}
    trained = train(toy_recipe(model={"encoder": encoder}, stages=stages), tmp_path)
    learned = read_tensors(tmp_path / "stages" / "align")
    first = "encoder.model.embedder.embedder.normalization."
    assert learned[first + "running_mean"].abs().max() > 0 and learned[first + "num_batches_tracked"] > 0
    found = read_tensors(tmp_path / "stages" / "instruct")
    assert all(torch.equal(tensor, found[name]) for name, tensor in learned.items() if name.startswith("encoder."))
    again, _ = load_model(tmp_path / "model")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features = trained.encoder(pixels)
        # What is stored has the precision of the last stage.
        torch.testing.assert_close(again.encoder(pixels), features, rtol=0, atol=0 if precision == "fp32" else 0.1)


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(BadInput, match=r"a run of another recipe \(there 'seed: 0', here 'seed: 1'\)"):
        train(toy_recipe(stages={"align": ALIGN}, seed=1), tmp_path)


def test_what_changes_no_number_may_change(tmp_path: Path) -> None:
    begun(tmp_path / "run")
    changed = toy_recipe(
        stages={"align": {**ALIGN, "bad_samples": 0.5, "checkpoint_every": 3}},
        workers=1, feature_cache_gb=0.5, about="something", evaluation={"batch": 3},
    )
    train(changed, tmp_path / "run")
    assert open_run(tmp_path / "run") == changed
    train(toy_recipe(stages={"align": ALIGN}), tmp_path / "whole")
    assert log_lines(tmp_path / "run") == log_lines(tmp_path / "whole")


def test_no_run() -> None:
    with pytest.raises(BadInput, match=r"no recipe.yaml in it"):
        open_run(Path("nowhere"))


def _hold(directory: str, held: Any, release: Any) -> None:
    with run._alone(Path(directory)):
        held.set()
        release.wait(60)


def test_two_processes_cannot_train_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = multiprocessing.get_context("fork")
    held, release = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(str(tmp_path), held, release))
    other.start()
    assert held.wait(60)
    monkeypatch.setattr(run, "PATIENCE", 0.0)
    with pytest.raises(BadInput, match="another process at work in it"):
        train(toy_recipe(stages={"align": ALIGN}), tmp_path)
    release.set()
    other.join()
    begun(tmp_path)


def test_a_model_may_begin_where_another_ended(tmp_path: Path) -> None:
    train(toy_recipe(stages={"align": ALIGN}), tmp_path / "first")
    tune = {"tune": {**INSTRUCT, "steps": 1}}
    again = toy_recipe(model={"from_checkpoint": str(tmp_path / "first")}, stages=tune)
    model = run.build_model(again)
    assert model.vlm is not None
    before = read_tensors(tmp_path / "first" / "model")
    assert all(torch.equal(before[name], model.vlm.state_dict()[name]) for name in before)
    cut = {"type": "anyres", "size": 32, "canvases": [[32, 64]]}
    marked = toy_recipe(model={"from_checkpoint": str(tmp_path / "first"), "resolution": cut}, stages=tune)
    projector = run.build_model(marked).projector
    assert projector is not None and projector.marks is not None, "vectors that the first had not begin anew"
    assert projector.marks.shape == (1, 32) and projector.marks.std() > 0
    train(again, tmp_path / "second")
    assert weights(tmp_path / "second")["encoder.safetensors"] == weights(tmp_path / "first")["encoder.safetensors"]
    assert weights(tmp_path / "second")["projector.safetensors"] != weights(tmp_path / "first")["projector.safetensors"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"num_hidden_layers": 3}, r"expected language_model.model.layers.2.* found no such tensor"),
        ({"num_hidden_layers": 1}, r"expected the tensors of these parts alone, found language_model.model.layers.1"),
        ({"intermediate_size": 64}, r"down_proj.weight of shape \(32, 64\), found shape \(32, 48\)"),
    ],
)
def test_a_checkpoint_of_other_parts_is_refused(tmp_path: Path, change: dict[str, int], complaint: str) -> None:
    train(toy_recipe(stages={}), tmp_path)
    backbone = MODEL["backbone"]
    other = {**backbone, "architecture": {**backbone["architecture"], **change}}
    with pytest.raises(BadInput, match=complaint):
        run.build_model(toy_recipe(model={"backbone": other, "from_checkpoint": str(tmp_path)}, stages={}))


def test_a_damaged_stage_is_named(tmp_path: Path) -> None:
    train(toy_recipe(stages={"align": ALIGN}), tmp_path)
    file = tmp_path / "stages" / "align" / "projector.safetensors"
    os.truncate(file, 100)
    with pytest.raises(BadInput, match=r"projector.safetensors: expected a whole safetensors file"):
        train(toy_recipe(stages={"align": ALIGN}), tmp_path)


class Spied(FeatureCache):
    """Keeps note of every cache that a run makes."""

    made: list[tuple[Path, str]] = []

    def __init__(self, root: Path, fingerprint: str, limit_bytes: int) -> None:
        super().__init__(root, fingerprint, limit_bytes)
        self.made.append((root, fingerprint))


@pytest.mark.parametrize(
    ("patterns", "stages_with_cache"),
    [(["projector.*"], 2), (["*"], 0), (["[ep]*"], 0), (["encoder.*", "*"], 0)],
)
def test_only_a_frozen_encoder_is_cached_and_stages_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patterns: list[str], stages_with_cache: int
) -> None:
    monkeypatch.setattr(run, "FeatureCache", Spied)
    monkeypatch.setattr(Spied, "made", [])
    learn = [{"pattern": pattern, "rate": 1e-3} for pattern in patterns]
    stage = {**ALIGN, "learn": learn, "steps": 1, "precision": "bf16"}
    train(toy_recipe(stages={"one": stage, "two": stage}), tmp_path)
    assert len(Spied.made) == stages_with_cache
    assert len(set(Spied.made)) == min(1, stages_with_cache), "the second stage finds what the first one stored"
    assert not (tmp_path / "features").exists()


def test_a_cache_changes_no_number(tmp_path: Path) -> None:
    # Twelve samples, sixteen draws: the fourth step sees pictures again.
    train(toy_recipe(stages={"align": ALIGN}), tmp_path / "cached")
    train(toy_recipe(stages={"align": ALIGN}, feature_cache_gb=0), tmp_path / "uncached")
    assert log_lines(tmp_path / "cached") == log_lines(tmp_path / "uncached")


@pytest.mark.parametrize("stage", [ALIGN, INSTRUCT, {**INSTRUCT, "precision": "bf16"}], ids=["frozen", "fp32", "bf16"])
def test_gradient_checkpointing_changes_no_number(tmp_path: Path, stage: dict[str, Any]) -> None:
    for kept in (False, True):
        recipe = toy_recipe(stages={"only": {**stage, "gradient_checkpointing": not kept}})
        train(recipe, tmp_path / str(kept))
    assert log_lines(tmp_path / "True") == log_lines(tmp_path / "False")


def test_divergence_stops_before_anything_is_spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient_norm = loop.MasterOptimizer.gradient_norm
    norms: list[float] = []

    def infinite_at_third(self: loop.MasterOptimizer) -> torch.Tensor:
        norms.append(0.0)
        return torch.tensor(math.inf) if len(norms) == 3 else gradient_norm(self)

    monkeypatch.setattr(loop.MasterOptimizer, "gradient_norm", infinite_at_third)
    with pytest.raises(Diverged, match=r"stage align, step 2: expected finite gradients"):
        train(toy_recipe(stages={"align": ALIGN}), tmp_path)
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [0, 1]


def test_what_went_wrong_first_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record = run.write_record

    def full(directory: Path, record: dict[str, Any]) -> None:
        if record["status"] == "stopped":
            raise BadInput("run.json", expected="room", found="none", remedy="make some")
        write_record(directory, record)

    monkeypatch.setattr(run, "write_record", full)
    begun(tmp_path)


def test_epochs_of_endless_data(tmp_path: Path) -> None:
    endless = {**ALIGN, "data": [{"source": {"type": "playground", "world": "shapes"}}], "steps": None, "epochs": 1}
    with pytest.raises(loop.OmmaError, match="expected data that end"):
        train(toy_recipe(stages={"align": endless}), tmp_path)
    train(toy_recipe(stages={"align": {**ALIGN, "steps": None, "epochs": 0.7}}), tmp_path / "other")
    assert len(log_lines(tmp_path / "other")) == round(12 * 0.7 / 4)


def test_another_seed_learns_from_other_scenes_even_with_the_same_weights(tmp_path: Path) -> None:
    """One source and a model that is given: without scenes of their own, runs of two seeds would be one."""
    train(toy_recipe(stages={"align": ALIGN}), tmp_path / "given")
    endless = {**INSTRUCT, "data": [{"source": {"type": "playground", "world": "shapes", "turns": 2}}]}
    lines = []
    for name, seed in (("one", 0), ("again", 0), ("two", 1)):
        recipe = toy_recipe(
            model={"from_checkpoint": str(tmp_path / "given" / "model")}, stages={"instruct": endless}, seed=seed
        )
        train(recipe, tmp_path / name)
        lines.append([line["loss"] for line in log_lines(tmp_path / name)])
    assert lines[0] == lines[1]
    assert all(a != b for a, b in zip(lines[0], lines[2], strict=True))
