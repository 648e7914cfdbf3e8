"""Commands that show what there is, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omma.cli.base import Overrides, Size, app


@app.command()
def recipes() -> None:
    """List the recipes that ship with omma."""
    from omma.commands.recipes import run

    run()


@app.command()
def show(
    context: typer.Context,
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe's name (see `omma recipes`), a .yaml file; or a run, a saved model or zoo:NAME, with --image.",
            metavar="RECIPE",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    size: Size = "small",
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", "-i", help="Draw how this picture is cut, or what is painted of it, as an HTML page.", metavar="PICTURE"
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", help="Of a run that draws: draw this, too, scale by scale or step by step.", metavar="TEXT"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every resolution strategy side by side, instead of a recipe; with --image.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the page goes.", metavar="FILE", show_default="RECIPE-PICTURE.html"),
    ] = None,
) -> None:
    """Show what a recipe builds: parts, parameters, tokens per picture, memory. Or how it cuts one picture.

    Nothing is trained and no weights of a recipe are loaded, so the paper size can be looked at on any machine. Of a run whose
    model paints it is what that makes of a picture.

    [bold]Examples[/bold]

        omma show llava-1.5

        omma show llava-1.5 --size paper model.projector.depth=3

        omma show llava-1.5 --size paper --image picture.png

        omma show --all --image picture.png

        omma show runs/var-small --image picture.png --prompt "a red star"
    """
    from omma.commands import show, show_picture

    source = context.get_parameter_source("size")
    sized = source is not None and source.name != "DEFAULT"
    changed = "--size" if sized else "FIELD=VALUE" if overrides else None
    show_picture.check(recipe, image, out, prompt, everything=everything, changed=changed)
    if recipe is not None and show_picture.is_saved(recipe):
        show_picture.run_saved(recipe, image, prompt, out)
    elif image is None:
        show.run(str(recipe), size, overrides or [])
    elif recipe is None:
        show_picture.run_all(image, out)
    else:
        show_picture.run(recipe, size, overrides or [], image, out)


@app.command()
def compare(
    study: Annotated[str, typer.Argument(help="A study's name or a .yaml file (docs/compare.md).", metavar="STUDY")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory of the study.", show_default="runs/compare-STUDY")
    ] = None,
) -> None:
    """Train the same recipe with one thing varied, several seeds each, and say which choices differ.

    Runs one training after another, or one per accelerator, and writes one page. The same command again goes on where it
    was stopped.

    [bold]Examples[/bold]

        omma compare projector

        omma compare my-study.yaml --out runs/mine
    """
    from omma.commands.compare import run

    run(study, out)


ResultPlaces = Annotated[
    list[str],
    typer.Argument(
        help="Directories that omma evaluate wrote, folders of such directories, or NAME=DIR to name one.", metavar="DIR..."
    ),
]


@app.command()
def versus(
    results: ResultPlaces,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the figures there, as JSON.", metavar="FILE", show_default=False)
    ] = None,
) -> None:
    """Compare two or more evaluated models on the questions that they share: which differ, and which rank each may have.

    Nothing is asked or trained (omma compare does that): it reads results.json and the records of single replies beside it.

    [bold]Examples[/bold]

        omma versus runs/one runs/two

        omma versus runs --out versus.json
    """
    from omma.commands.versus import run

    run(results, out)


@app.command()
def leaderboard(
    results: ResultPlaces,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory of the site.", metavar="SITE")] = Path("runs/leaderboard"),
    sources: Annotated[
        bool,
        typer.Option("--sources", help="Read the data sets that the results name, too, for the pictures of their questions."),
    ] = False,
) -> None:
    """Make a site of evaluated models: scores with their trust, pairs, plots, and every wrong answer with its picture.

    Files that link to each other and to nothing else: open index.html, or put the directory on any server.

    [bold]Examples[/bold]

        omma leaderboard runs --out site

        omma leaderboard before=runs/one after=runs/two --out site
    """
    from omma.commands.leaderboard import run

    run(results, out, sources=sources)
