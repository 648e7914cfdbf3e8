"""What the tests of pages share: parts without weights for every strategy, and a reader of pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import torch
from torch import nn

from omma.parts.backbones import BACKBONES
from omma.parts.encoders import ENCODERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import Resolution
from parts.resolution.planning import planner
from parts.resolution.test_strategies import STRATEGIES

Tag = tuple[str, dict[str, str | None]]

PATCHES = {"native": 3, "keep-ratio": 4, "pixel-budget": 4}
"""Sides of patches that suit a strategy's views; 2 for the others."""

PLACED: dict[str, Any] = {"type": "linear"}
WITHOUT_PLACES: dict[str, Any] = {"type": "perceiver", "latents": 5, "depth": 1, "heads": 2, "head_width": 4}

LLAMA = {
    "model_type": "llama",
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def parts_for(strategy: str, projector: dict[str, Any] = PLACED) -> tuple[Resolution, dict[str, nn.Module]]:
    """A strategy as its own tests configure it, and parts on the meta device that go with it."""
    resolution = planner(strategy, **STRATEGIES[strategy])
    encoder: dict[str, Any] = {"type": "patches", "patch": PATCHES.get(strategy, 2)}
    if resolution.branches > 1:
        encoder = {"type": "side-by-side", "encoders": [encoder] * resolution.branches, "join": "sequence"}
    with torch.device("meta"):
        built = ENCODERS.parse(encoder, where="encoder").build()
        model = BACKBONES.parse({"type": "transformers", "architecture": LLAMA}, where="backbone").build().causal_lm()
        linking = PROJECTORS.parse(projector, where="projector").build(
            d_in=built.width, d_out=16, marks=resolution.marks
        )
    return resolution, {"encoder": built, "projector": linking, "language_model": model}


class Page(HTMLParser):
    """Every tag with its attributes and the tags it lies in, and the text; every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[Tag] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if name in (attributes.get("class") or "").split()]

    def rectangles(self, name: str) -> list[tuple[float, float, float, float]]:
        """(left, top, right, bottom) of all rectangles of a class."""
        found = []
        for one in self.of_class(name):
            x, y, width, height = (float(one[key] or "") for key in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
        return found

    @property
    def tokens(self) -> int:
        """Of all drawn pieces of sequences together."""
        return sum(int(attributes["data-tokens"] or "") for _, attributes in self.tags if "data-tokens" in attributes)

    def check_self_contained(self) -> None:
        """Nothing is asked of anybody, and what is referred to is there, once."""
        names = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(set(names)) == len(names)
        for tag, attributes in self.tags:
            assert tag not in {"iframe", "object", "embed", "base", "form", "script"}
            for name in ("src", "href", "action", "srcset", "xlink:href"):
                target = attributes.get(name) or "data:"
                assert target.startswith("data:") or target.removeprefix("#") in names, (tag, name, target[:80])
            filling = attributes.get("fill") or ""
            assert not filling.startswith("url") or filling[5:-1] in names
        assert not re.search(r"https?:|@import|url\((?!#)", self.html)
        policy = next(a["content"] for t, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy and policy.startswith("default-src 'none'")
