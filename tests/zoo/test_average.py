"""Averages of models that were trained from one another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.zoo.average import average


def model(directory: Path, **tensors: torch.Tensor) -> Path:
    directory.mkdir()
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "config.json").write_text(directory.name)
    return directory


def test_the_mean_of_every_tensor_in_the_first_ones_precision(tmp_path: Path) -> None:
    numbers = [torch.randn(4, 3) for _ in range(3)]
    models = [model(tmp_path / str(i), weight=n.bfloat16(), bias=n[0]) for i, n in enumerate(numbers)]
    average(tmp_path / "out", models)
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(found["weight"], torch.stack([n.bfloat16().float() for n in numbers]).mean(0).bfloat16())
    assert torch.equal(found["bias"], torch.stack([n[0] for n in numbers]).mean(0))
    assert (tmp_path / "out" / "config.json").read_text() == "0"


def test_models_that_are_not_alike(tmp_path: Path) -> None:
    one = model(tmp_path / "one", weight=torch.zeros(2, 2))
    other = model(tmp_path / "other", weight=torch.zeros(2, 3))
    more = model(tmp_path / "more", weight=torch.zeros(2, 2), bias=torch.zeros(2))
    with pytest.raises(BadInput, match=r"other/model.safetensors: weight: expected \[2, 2\], as in .*, found \[2, 3\]"):
        average(tmp_path / "out", [one, other])
    with pytest.raises(BadInput, match=r"more/model.safetensors: bias: expected none, .* found \[2\]"):
        average(tmp_path / "out", [one, more])
    with pytest.raises(BadInput, match="two or more to average, found 1"):
        average(tmp_path / "out", [one])
    with pytest.raises(BadInput, match=r"expected weights \(\*.safetensors\), found none"):
        average(tmp_path / "out", [tmp_path, one])
    with pytest.raises(BadInput, match=r"none/model.safetensors: expected weights that can be read"):
        average(tmp_path / "out", [one, tmp_path / "none"])
    save_file({"weight": torch.zeros(2)}, other / "encoder.safetensors")
    with pytest.raises(BadInput, match=r"one/encoder.safetensors: expected weights that can be read"):
        average(tmp_path / "out", [one, other])
    assert not (tmp_path / "out").exists()
