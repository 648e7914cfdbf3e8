"""`omma import` and `omma export`: checkpoints of other programs, in and out."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from omma.errors import BadInput, nearest
from omma.model.interop import export_transformers, import_transformers
from omma.model.interop.importing_tokenizers import import_image_tokenizer, is_image_tokenizer
from omma.model.interop.var import import_var, is_var
from omma.model.loading import check_model, model_directory

LAYOUTS = {"transformers": export_transformers}
PARTS = ("image_tokenizer",)
"""What can be read out of a checkpoint without the rest of it."""


def import_model(directory: Path, out: Path, part: str | None) -> None:
    """Read a published checkpoint, or one part of it. Raises BadInput for what is not one."""
    console = Console(soft_wrap=True)
    if part is not None and part not in PARTS:
        raise BadInput("--part", expected="a part that can be read in alone", found=repr(part), remedy=nearest(part, PARTS))
    if is_var(directory):
        import_var(directory, out)
        console.print(f"The model is in {out}. Draw a class with it: omma draw {out} 207", highlight=False, markup=False)
        return
    if part is not None or is_image_tokenizer(directory):
        import_image_tokenizer(directory, out)
        told = f"In a recipe with the same network and codes: model.image_tokenizer.weights={out}"
        console.print(f"The image tokenizer is in {out}. {told}", highlight=False, markup=False)
        return
    import_transformers(directory, out)
    console.print(f"The model is in {out}. Chat with it: omma chat {out}", highlight=False, markup=False)


def export_model(model: str, out: Path, to: str) -> None:
    """Write a model in another program's layout. Raises BadInput for a layout or model that does not fit."""
    if to not in LAYOUTS:
        raise BadInput("--to", expected="a known layout", found=repr(to), remedy=nearest(to, LAYOUTS))
    directory = model_directory(model)
    check_model(directory)
    loaded_by = LAYOUTS[to](directory, out)
    console = Console(soft_wrap=True)
    console.print(
        f"The checkpoint is in {out}. Load it: {loaded_by}.from_pretrained({str(out)!r})",
        highlight=False,
        markup=False,
    )
