"""Names of weights in LLaVA checkpoints and in omma's, brought together by a name that both agree on.

LLaVA's changed over the years: with and without ``model.`` in front, with the language model's head inside or
outside, with and without ``vision_model.`` in the tower. All are read; the layout of the hub's first ports is
written, which every version reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from omma.errors import BadInput
from omma.model.interop.weights import Stored, Weights, reason

_LLAVA = (
    (re.compile(r"^(?:model\.)?vision_tower\.(?:vision_model\.)?(.+)$"), r"vision.\1"),
    (re.compile(r"^(?:model\.)?multi_modal_projector\.linear_([12])\.(weight|bias)$"), r"projector.\1.\2"),
    (re.compile(r"^(?:language_model\.)?lm_head\.(.+)$"), r"head.\1"),
    (re.compile(r"^model\.language_model\.(.+)$"), r"text.\1"),
    (re.compile(r"^language_model\.model\.(.+)$"), r"text.\1"),
)
_OMMA = (
    (re.compile(r"^encoder\.model\.(?:vision_model\.)?(.+)$"), r"vision.\1"),
    (re.compile(r"^projector\.layers\.0\.(weight|bias)$"), r"projector.1.\1"),
    (re.compile(r"^projector\.layers\.2\.(weight|bias)$"), r"projector.2.\1"),
    (re.compile(r"^language_model\.lm_head\.(.+)$"), r"head.\1"),
    (re.compile(r"^language_model\.model\.(.+)$"), r"text.\1"),
)
_WRITTEN = (
    ("vision.", "vision_tower.vision_model."),
    ("projector.", "multi_modal_projector.linear_"),
    ("head.", "language_model.lm_head."),
    ("text.", "language_model.model."),
)
_DERIVED = re.compile(r"(position_ids|rotary_emb\.inv_freq)$")
"""Buffers that old versions stored and models compute for themselves."""


def shared_name(name: str) -> str | None:
    """The common name of a LLaVA or omma weight; None for what is neither."""
    for pattern, replacement in (*_OMMA, *_LLAVA):
        if pattern.match(name):
            return pattern.sub(replacement, name)
    return None


def llava_name(shared: str, *, nested_tower: bool = True) -> str:
    """A common name as LLaVA's ports on the hub write it.

    Args:
        nested_tower: whether the vision tower's own class holds another model, as those of CLIP and SigLIP did.
    """
    if not nested_tower and shared.startswith("vision."):
        return "vision_tower." + shared.removeprefix("vision.")
    for prefix, written in _WRITTEN:
        if shared.startswith(prefix):
            return written + shared.removeprefix(prefix)
    raise ValueError(f"{shared!r} is not a common name")


def shapes_of(make: Callable[[], nn.Module], *, where: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's weights, without room for them.

    Raises:
        BadInput: if the configuration contradicts itself, so that no model can be made.
    """
    try:
        with torch.device("meta"):
            model = make()
    except BadInput:
        raise
    except Exception as error:  # contradictions show in as many ways as there are models
        raise BadInput(
            where,
            expected="a configuration that makes a model",
            found=f"one that does not ({reason(error)})",
            remedy="copy the checkpoint again",
        ) from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def matched(weights: Weights, expected: Mapping[str, tuple[int, ...]], *, tied: bool) -> dict[str, str]:
    """Stored names to common names, complete and of the right shapes.

    Args:
        expected: shapes by common name.
        tied: whether the output head is the token embedding, so that it need not be stored.

    Raises:
        BadInput: naming what is missing, left over or of another shape.
    """
    wanted = {name: shape for name, shape in expected.items() if not (tied and name.startswith("head."))}
    found: dict[str, str] = {}
    unknown: list[str] = []
    for name, stored in weights.tensors.items():
        shared = shared_name(name)
        if shared in wanted:
            _check_shape(name, stored, wanted[shared])
            found[shared] = name
        elif not _DERIVED.search(name) and not (tied and shared is not None and shared.startswith("head.")):
            unknown.append(name)
    missing = [llava_name(name) for name in wanted if name not in found]
    if missing:
        raise _incomplete(weights, "all weights that config.json describes", "without", missing)
    if unknown:
        raise _incomplete(weights, "only weights that config.json describes", "more:", unknown)
    return {name: shared for shared, name in found.items()}


def _check_shape(name: str, stored: Stored, shape: tuple[int, ...]) -> None:
    if stored.shape != shape:
        raise BadInput(
            f"{stored.shard}, tensor {name}",
            expected=f"the shape {list(shape)} that config.json gives it",
            found=str(list(stored.shape)),
            remedy="use the config.json that belongs to these weights",
        )


def _incomplete(weights: Weights, expected: str, word: str, names: Iterable[str]) -> BadInput:
    listed = sorted(names)
    shown = ", ".join(listed[:3]) + (f" and {len(listed) - 3} others" if len(listed) > 3 else "")
    return BadInput(
        str(weights.directory), expected=expected, found=f"{word} {shown}", remedy="copy the whole checkpoint again"
    )
