"""Names of weights in published layouts and in omma's, brought together by a name that both agree on.

Layouts changed over the years: with and without ``model.`` in front, with the language model's head inside or outside,
with and without ``vision_model.`` in a tower. All are read; the one that the hub's first ports have is written, which every
version reads.

A common name is ``vision.`` for the tower, ``text.`` for the language model, ``head.`` for its output head, and otherwise
omma's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from omma.errors import BadInput
from omma.model.interop.weights import Stored, Weights, reason

_DERIVED = re.compile(r"(position_ids|rotary_emb\.inv_freq)$")
"""Buffers that old versions stored and models compute for themselves."""


class Names:
    """How a layout calls weights, as prefixes.

    Args:
        pairs: (prefix there, common prefix). Of those with one common prefix the first is written, all are read.

    Attributes:
        pairs: as given.
    """

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs
        self._written: dict[str, str] = {}
        for there, common in pairs:
            self._written.setdefault(common, there)
        # A longer prefix is a narrower one: it is tried first.
        self._read = sorted(pairs, key=lambda pair: -len(pair[0]))

    def common(self, name: str) -> str | None:
        """The common name of a weight of this layout; None for what is none."""
        for there, common in self._read:
            if name.startswith(there):
                return common + name.removeprefix(there)
        return None

    def written(self, common: str) -> str:
        """A common name as this layout writes it."""
        for prefix in sorted(self._written, key=len, reverse=True):
            if common.startswith(prefix):
                return self._written[prefix] + common.removeprefix(prefix)
        raise ValueError(f"{common!r} has no place in this layout")


OMMA = Names(
    ("encoder.model.", "vision."),
    ("encoder.model.vision_model.", "vision."),
    ("encoder.", "encoder."),
    ("encoder.encoders.1.model.vision_model.", "encoder.encoders.1.model."),
    ("projector.", "projector."),
    ("language_model.model.", "text."),
    ("language_model.lm_head.", "head."),
    ("image_tokenizer.", "image_tokenizer."),
    ("painter.", "painter."),
)
"""A model of omma's."""


def anywhere(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    """The pairs, each also with ``model.`` in front of the name there."""
    return [*pairs, *((f"model.{there}", common) for there, common in pairs)]


def tower(prefix: str, *, nested: bool, common: str = "vision.") -> list[tuple[str, str]]:
    """The pairs of a vision tower.

    Args:
        nested: whether the tower's own class holds another model, as those of CLIP and SigLIP did.
    """
    pairs = [(f"{prefix}vision_model.", common), (prefix, common)]
    return pairs if nested else pairs[::-1]


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


def matched(
    weights: Weights, expected: Mapping[str, tuple[int, ...]], names: Names, *, tied: bool
) -> dict[str, str]:
    """Stored names to common names, complete and of the right shapes.

    Args:
        expected: shapes by common name.
        names: what the stored weights are called.
        tied: whether the output head is the token embedding, so that it need not be stored.

    Raises:
        BadInput: naming what is missing, left over or of another shape.
    """
    wanted = {name: shape for name, shape in expected.items() if not (tied and name.startswith("head."))}
    found: dict[str, str] = {}
    unknown: list[str] = []
    for name, stored in weights.tensors.items():
        common = names.common(name)
        if common in found:
            raise BadInput(
                f"{stored.shard}, tensor {name}",
                expected="every weight once",
                found=f"{found[common]} as well",
                remedy="copy the checkpoint again, into an empty directory",
            )
        if common in wanted:
            _check_shape(name, stored, wanted[common])
            found[common] = name
        elif not _DERIVED.search(name) and not (tied and common is not None and common.startswith("head.")):
            unknown.append(name)
    missing = [names.written(name) for name in wanted if name not in found]
    if missing:
        raise _incomplete(weights, "all weights that config.json describes", "without", missing)
    if unknown:
        raise _incomplete(weights, "only weights that config.json describes", "more:", unknown)
    return {name: common for common, name in found.items()}


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
