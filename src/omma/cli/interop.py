"""Commands that read and write the layouts of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omma.cli.base import ModelName, app


@app.command("import")
def import_(
    directory: Annotated[
        Path, typer.Argument(help="A checkpoint in the layout of transformers, or VAR's (docs/drawing.md).", metavar="DIR")
    ],
    out: Annotated[Path, typer.Argument(help="A new directory.", metavar="OUT")],
    part: Annotated[
        str | None, typer.Option("--part", help="Read this part alone; image_tokenizer is the only one.", show_default=False)
    ] = None,
) -> None:
    """Read a checkpoint of transformers (LLaVA, LLaVA-NeXT, InternVL, DeepSeek-VL, Fuyu, BLIP-2, Janus) into a model of omma's.

    Image tokenizers are read alone, or with --part out of a model: Janus', Chameleon's, Emu3's, and the VQModel of diffusers.

    [bold]Example[/bold]

        omma import llava-1.5-7b-hf models/llava
    """
    from omma.commands.interop import import_model

    import_model(directory, out, part)


@app.command()
def export(
    model: ModelName,
    out: Annotated[Path, typer.Argument(help="A new directory.", metavar="OUT")],
    to: Annotated[str, typer.Option("--to", help="Layout to write; transformers is the only one.")] = "transformers",
) -> None:
    """Write a model as a checkpoint that plain transformers loads, with omma not installed.

    [bold]Example[/bold]

        omma export runs/demo exported --to transformers
    """
    from omma.commands.interop import export_model

    export_model(model, out, to)
