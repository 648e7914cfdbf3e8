"""What can be wrong with a checkpoint of any architecture, and the sentence that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.model.interop import import_transformers


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def tensors(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the weights of a checkpoint in place."""
    found = load_file(directory / "model.safetensors")
    change(found)
    save_file(found, directory / "model.safetensors", metadata={"format": "pt"})


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def outside(directory: Path) -> None:
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def _matrix(found: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(found) if found[name].ndim == 2)


def _without_processor(directory: Path) -> None:
    for name in ("processor_config.json", "preprocessor_config.json"):
        (directory / name).unlink(missing_ok=True)


def _text(**changes: Any) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "config.json", lambda c: c["text_config"].update(changes))


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another language model": (_text(model_type="gpt2"), r"text_config.model_type: expected one of .*, found 'gpt2'"),
    "layers without end": (_text(num_hidden_layers=10**9, layer_types=None), r"expected as many layers as \d+ stored tensors can make"),
    "another width": (_text(vocab_size=7), r"expected the shape .* that config.json gives it"),
    "quantized": (
        lambda d: edit(d / "config.json", lambda c: c.update(quantization_config={"bits": 4})),
        r"found quantized ones",
    ),
    "a truncated shard": (lambda d: truncate(d / "model.safetensors"), r"expected a whole safetensors file"),
    "pickled": (
        lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"),
        r"found pytorch_model.bin, a pickle",
    ),
    "a shard elsewhere": (outside, r"found '../elsewhere.safetensors'; do not trust"),
    "a weight missing": (lambda d: tensors(d, lambda t: t.pop(_matrix(t))), r"expected all weights .*, found without"),
    "a weight too many": (
        lambda d: tensors(d, lambda t: t.update(extra=torch.zeros(1))),
        r"only weights that config.json describes, found more: extra",
    ),
    "a weight of whole numbers": (
        lambda d: tensors(d, lambda t: t.update({_matrix(t): t[_matrix(t)].to(torch.int8)})),
        r"expected one of the dtypes F32, F16, BF16, found I8",
    ),
    "a weight of another shape": (
        lambda d: tensors(d, lambda t: t.update({_matrix(t): t[_matrix(t)][:, :3].contiguous()})),
        r"expected the shape .* that config.json gives it, found \[\d+, 3\]",
    ),
    "no tokenizer": (lambda d: (d / "tokenizer.json").unlink(), r"tokenizer.json: .* no such file"),
    "no processor": (_without_processor, r"preprocessor_config.json: .* no such file"),
}


def check_refused(directory: Path, out: Path, name: str) -> None:
    """See that a checkpoint with that damage is refused in one sentence, and that nothing is left behind."""
    damage, message = DAMAGES[name]
    damage(directory)
    before = sorted(out.parent.iterdir())
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, out)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert sorted(out.parent.iterdir()) == before
