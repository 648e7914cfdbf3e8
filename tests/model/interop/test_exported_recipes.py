"""Recipes whose architecture `transformers` has, at size debug: exported, and imported again, they say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, InternVLProcessor, PreTrainedTokenizerFast

from model.interop.agreement import AGREED, difference
from omma.model.composition import compose
from omma.model.interop import export_transformers, import_transformers
from omma.model.saving import save_composition
from omma.recipe import load_recipe

ANYWHERE = ("{} what is this?", "no picture", "{} how many\nare there, and {} here?")
"""Prompts for processors that find pictures where the words put them."""
IN_FRONT = ("what is this?", "how many\nare there?")
"""Prompts for processors that put a picture in front of the words by themselves."""


@dataclass(frozen=True)
class Exported:
    """What a recipe becomes.

    Attributes:
        prompts: for the processor of `transformers`.
        ours: a prompt as omma's processor wants it, where the other one adds to it.
        side: where padding stands.
        options: for the processor of `transformers`.
    """

    name: str
    prompts: Sequence[str] = ANYWHERE
    ours: str = "{prompt}"
    side: str = "left"
    options: tuple[tuple[str, Any], ...] = ()


RECIPES = {
    "llava": Exported("LlavaForConditionalGeneration"),
    "llava-1.5": Exported("LlavaForConditionalGeneration"),
    "llava-next": Exported("LlavaNextForConditionalGeneration"),
    "internvl-1.5": Exported("InternVLForConditionalGeneration"),
    "deepseek-vl-1.3b": Exported("DeepseekVLForConditionalGeneration"),
    "deepseek-vl-7b": Exported("DeepseekVLHybridForConditionalGeneration"),
    "fuyu": Exported(
        "FuyuForCausalLM", IN_FRONT, "{picture}{prompt}<0x04>", options=(("return_legacy_image_output", False),)
    ),
    "blip2": Exported("Blip2ForConditionalGeneration", IN_FRONT, "{picture}{prompt}", side="right"),
}


def _no_views(inputs: Any) -> Tensor:
    """Pixels are laid out differently; that they are the same, logits tell."""
    return torch.empty(0)


@pytest.mark.usefixtures("fuyu_patches")
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_goes_to_transformers_and_back(
    name: str,
    tmp_path: Path,
    pictures: list[Image.Image],
    spread_weights: Callable[[torch.nn.Module], None],
    speaking: PreTrainedTokenizerFast,
    internvl_processor: Callable[[Path], InternVLProcessor],
) -> None:
    changes = []
    if name == "fuyu":  # its processor counts on a tokenizer of sentencepiece's kind
        speaking.save_pretrained(tmp_path / "tokenizer")
        (tmp_path / "tokenizer" / "config.json").write_text("{}")
        changes = [f"model.backbone.tokenizer={tmp_path / 'tokenizer'}"]
    recipe = load_recipe(name, "debug", changes)
    model = compose(recipe.model, load_weights=False)
    assert model.vlm is not None
    spread_weights(model.vlm)
    (tmp_path / "omma").mkdir()
    save_composition(model, tmp_path / "omma", dtype=torch.float32)
    expected = RECIPES[name]
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == expected.name
    import_transformers(tmp_path / "out", tmp_path / "again")
    theirs = getattr(transformers, expected.name).from_pretrained(tmp_path / "out").eval()
    picture = recipe.model.image_token
    prompts = [prompt.format(picture, picture) for prompt in expected.prompts]
    ours = [expected.ours.format(picture=picture, prompt=prompt) for prompt in prompts]
    shown = pictures[1 : 1 + sum(prompt.count(picture) for prompt in ours)]
    for directory in ("omma", "again"):
        processor = (internvl_processor if name == "internvl-1.5" else AutoProcessor.from_pretrained)(tmp_path / "out")
        found = difference(
            theirs, processor, tmp_path / directory, shown, prompts, our_prompts=ours, side=expected.side,
            views=_no_views, our_views=_no_views, **dict(expected.options),
        )  # fmt: skip
        assert found <= AGREED
