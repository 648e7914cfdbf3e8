"""Two models that should be one: the same inputs from the same pictures and words, the same logits, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from omma.model import OmmaForConditionalGeneration
from omma.model.interop import export_transformers, import_transformers
from omma.model.interop.names import OMMA, shapes_of
from omma.model.interop.registry import ARCHITECTURES

Inputs = dict[str, Tensor]
AGREED = 1e-4
"""Largest difference of logits in fp32."""


def difference(
    theirs: Any,
    their_processor: Any,
    model_dir: Path,
    pictures: Sequence[Image.Image],
    prompts: Sequence[str],
    *,
    views: Callable[[Any], Tensor] = lambda inputs: inputs["pixel_values"],
    our_views: Callable[[Any], Tensor] = lambda inputs: inputs["pixel_values"],
    our_prompts: Sequence[str] | None = None,
    side: str = "left",
    **options: Any,
) -> float:
    """Largest difference of logits at real positions, each side with its own processor; a batch with padding.

    Args:
        views: the pixels of all views in the order of omma's, from what the other processor gives.
        our_views: the same from what omma's gives, where they are laid out differently.
        our_prompts: the prompts as omma's processor wants them, if they are different.
        options: for the other processor.
    """
    ours = AutoModelForImageTextToText.from_pretrained(model_dir).float().eval()
    our_processor = AutoProcessor.from_pretrained(model_dir)
    assert isinstance(ours, OmmaForConditionalGeneration)
    their_processor.tokenizer.padding_side = side
    written = list(our_prompts or prompts)
    inputs = our_processor(images=list(pictures), text=written, padding_side=side, return_tensors="pt")
    expected = their_processor(
        images=list(pictures), text=list(prompts), return_tensors="pt", padding=True, **options
    )
    assert inputs["input_ids"].tolist() == expected["input_ids"].tolist()
    assert inputs["attention_mask"].tolist() == expected["attention_mask"].tolist()
    assert not inputs["attention_mask"].all(), "a batch with padding"
    torch.testing.assert_close(our_views(inputs), views(expected), atol=1e-5, rtol=0)
    with torch.no_grad():
        found, wanted = ours(**inputs).logits, theirs(**expected).logits
    assert wanted.std() > 0.1
    real = inputs["attention_mask"].bool()
    width = min(found.shape[-1], wanted.shape[-1])
    return float((found[real][:, :width] - wanted[real][:, :width]).abs().max())


def same_answers(
    theirs: Any,
    their_processor: Any,
    model_dir: Path,
    pictures: Sequence[Image.Image],
    prompt: str,
    *,
    our_prompt: str | None = None,
    **options: Any,
) -> bool:
    """Whether both generate the same tokens after one prompt, greedily."""
    ours = AutoModelForImageTextToText.from_pretrained(model_dir).float().eval()
    our_processor = AutoProcessor.from_pretrained(model_dir)
    settings: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "suppress_tokens": None}
    inputs = our_processor(images=list(pictures), text=[our_prompt or prompt], return_tensors="pt")
    expected = their_processor(images=list(pictures), text=[prompt], return_tensors="pt", **options)
    found = ours.generate(**inputs, **settings)[0, -8:]
    wanted = theirs.generate(**expected, **settings)[0, -8:]
    return found.tolist() == wanted.tolist()


def there_and_back(model: OmmaForConditionalGeneration, directory: Path) -> Path:
    """Export and import what is saved in ``directory / "omma"``, and see that weights and resolution are the same again.

    Returns:
        where the model is that came back.
    """
    export_transformers(directory / "omma", directory / "out")
    import_transformers(directory / "out", directory / "again")
    again = OmmaForConditionalGeneration.from_pretrained(directory / "again")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert again.config.parts()["resolution"] == model.config.parts()["resolution"]
    return directory / "again"


def every_key_maps(settings: Any, model: OmmaForConditionalGeneration) -> None:
    """See that all weights of a model there have a place in one here, of the same shape, and the other way around.

    Both are on the meta device, so they may have any size.
    """
    kind = ARCHITECTURES[settings.model_type]
    names = kind.names(settings)
    theirs = shapes_of(lambda: kind.model_class(settings), where="there")
    ours = {OMMA.common(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {names.common(name): kind.shape_here(str(names.common(name)), shape) for name, shape in theirs.items()}
    assert len(found) == len(theirs)
    assert found == ours
    written = {names.written(name) for name in ours}
    assert len(written) == len(ours)
    assert {names.common(name) for name in written} == set(ours)
