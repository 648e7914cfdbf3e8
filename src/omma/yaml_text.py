"""YAML as people write it: numbers as in YAML 1.2, and what is wrong with a file in one sentence."""

from __future__ import annotations

import re
from typing import Any

import yaml

from omma.errors import BadInput


class _Loader(yaml.SafeLoader):
    """As `yaml.SafeLoader`, and 1e-6 is a number, as in YAML 1.2 and JSON: to YAML 1.1 it is a word, for want of a point."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+\Z"), list("-+0123456789")
)


def yaml_value(text: str | bytes) -> Any:
    """What YAML says. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def yaml_mapping(text: str | bytes, *, where: str, documented: str) -> dict[str, Any]:
    """What a YAML file says, which is to be a mapping.

    Raises:
        BadInput: naming the line that is no YAML, or what it is instead of a mapping.
    """
    try:
        data = yaml_value(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "something else"
        raise BadInput(f"{where}{line}", expected="YAML", found=problem, remedy="correct that line") from None
    if not isinstance(data, dict):
        raise BadInput(where, expected="a mapping", found=type(data).__name__, remedy=f"see {documented}")
    return data
