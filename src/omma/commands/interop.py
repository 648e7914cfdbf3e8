"""`omma import` and `omma export`: checkpoints of other programs, in and out."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from omma.errors import BadInput, nearest
from omma.model.interop import export_transformers, import_transformers
from omma.model.interop.var import import_var, is_var
from omma.model.loading import check_model, model_directory

LAYOUTS = {"transformers": export_transformers}


def import_model(directory: Path, out: Path) -> None:
    """Read a published checkpoint. Raises BadInput for what is not one."""
    console = Console(soft_wrap=True)
    if is_var(directory):
        import_var(directory, out)
        console.print(f"The model is in {out}. Draw a class with it: omma draw {out} 207", highlight=False, markup=False)
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
