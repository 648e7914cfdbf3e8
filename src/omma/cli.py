"""The commands, thin: what they are called, what they take, and what their help says. `omma.commands` does the work.

Nothing heavy is imported before a command runs, so that ``omma --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from omma import __version__
from omma.errors import OmmaError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it (128 + SIGINT)."""


class Commands(TyperGroup):
    """The command group: whatever the user can cause ends in one sentence and an exit status, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OmmaError as error:
            _complain(str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt as interruption:
            _complain(str(interruption) or "stopped.")
            ctx.exit(INTERRUPTED)
        except OSError as error:
            from omma.storage import is_full_disk

            if is_full_disk(error):
                place = error.filename or "the disk"
                _complain(f"{place}: expected free space, found none; free some and run the same command again.")
            elif "huggingface.co" in str(error):  # so says transformers that a name leads to no model
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                _complain(
                    "weights or tokenizer: expected a directory or a name that the model hub gives, "
                    f"found that {reason[:1].lower()}{reason[1:]}; check the name and the connection."
                )
            else:
                raise
            ctx.exit(OmmaError.exit_code)


def _complain(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"omma: {sentence}", style="bold red", markup=False, highlight=False)


app = typer.Typer(
    name="omma",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Size = Annotated[str, typer.Option("--size", "-s", help="debug, small or paper.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Recipe fields to change, by dotted path.", metavar="FIELD=VALUE", show_default=False),
]
RecipeName = Annotated[
    str, typer.Argument(help="A recipe's name (see `omma recipes`) or a .yaml file.", metavar="RECIPE")
]
ModelName = Annotated[str, typer.Argument(help="A saved model, a finished run, or zoo:NAME.", metavar="MODEL")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"omma {__version__}")
        raise typer.Exit


@app.callback()
def omma(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Vision-language models from interchangeable parts."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory of the run.")] = Path("runs/demo"),
    recipe: Annotated[str, typer.Option("--recipe", help="What to train.")] = "llava-1.5",
    size: Size = "small",
) -> None:
    """Teach a small language model to see, measure it, and show how to chat with it.

    Trains both stages of LLaVA-1.5 at size small on generated pictures, asks it about pictures that it has never seen,
    and writes a report. Minutes on two CPU cores; run it again to go on where it was stopped.
    """
    from omma.commands.demo import run

    run(recipe, size, out)


@app.command()
def train(
    recipe: RecipeName,
    overrides: Overrides = None,
    size: Size = "small",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory of the run.", show_default="runs/RECIPE-SIZE")
    ] = None,
) -> None:
    """Train what a recipe describes, stage by stage.

    A directory that holds the same run already is resumed; Ctrl-C leaves it resumable.

    [bold]Examples[/bold]

        omma train llava-1.5

        omma train llava-1.5 --out runs/mine seed=1 stages.instruct.steps=500

        omma train my-recipe.yaml --size debug
    """
    from omma.commands.train import run

    run(recipe, size, out, overrides or [])


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A saved model, a finished run, zoo:NAME, openai:NAME, gemini:NAME, transformers:NAME, tesseract:LANGUAGE or "
            "scripted:NAME.",
            metavar="MODEL",
        ),
    ],
    overrides: Overrides = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Whose questions to ask.", show_default="the run's own, else llava-1.5"),
    ] = None,
    size: Size = "small",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where results go.", show_default="the run, else runs/evaluate-MODEL"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--with", help="A setting of the model, such as url=http://localhost:8000/v1.", metavar="KEY=VALUE"),
    ] = None,
    replies: Annotated[
        Path | None,
        typer.Option("--replies", help="Where replies of endpoints are kept.", show_default="~/.cache/omma/replies.sqlite"),
    ] = None,
) -> None:
    """Ask a model the held-out questions of a recipe; write results.json and report.html.

    Every question is asked with its picture, without any, and with somebody else's. Models behind an endpoint are asked no
    question twice, and one that fails is asked again by the next run.

    [bold]Examples[/bold]

        omma evaluate runs/demo

        omma evaluate zoo:llava-1.5-small --recipe nlvr --out runs/nlvr-zero-shot

        omma evaluate openai:gpt-4o --with concurrency=16 --with price_in=2.5 --with price_out=10

        omma evaluate runs/demo "evaluation.benchmarks=[{type: docvqa, file: val_v1.0_withQT.json, images: docvqa}]"
    """
    from omma.commands.evaluate import run

    run(model, recipe, size, out, overrides or [], settings or [], replies)


@app.command()
def chat(
    model: Annotated[
        str, typer.Argument(help="A saved model, a finished run, or zoo:NAME.", metavar="[MODEL]")
    ] = "zoo:llava-1.5-small",
    image: Annotated[
        Path | None, typer.Argument(help="A picture to begin with.", metavar="[IMAGE]", show_default=False)
    ] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer in tokens.")] = 128,
) -> None:
    """Chat with a model about pictures.

    In the chat: /image PATH shows another picture, /new begins anew, /quit ends. Questions can also be piped in, one a
    line.

    [bold]Examples[/bold]

        omma chat

        omma chat zoo:llava-1.5-small picture.png

        echo "How many circles are there?" | omma chat runs/demo picture.png
    """
    from omma.commands.chat import run

    run(model, image, max_new_tokens)


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
            help="A recipe's name (see `omma recipes`) or a .yaml file.", metavar="RECIPE", show_default=False
        ),
    ] = None,
    overrides: Overrides = None,
    size: Size = "small",
    image: Annotated[
        Path | None,
        typer.Option("--image", "-i", help="Draw how this picture is cut, as an HTML page.", metavar="PICTURE"),
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

    Nothing is trained and no weights are loaded, so the paper size can be looked at on any machine.

    [bold]Examples[/bold]

        omma show llava-1.5

        omma show llava-1.5 --size paper model.projector.depth=3

        omma show llava-1.5 --size paper --image picture.png

        omma show --all --image picture.png
    """
    from omma.commands import show, show_picture

    source = context.get_parameter_source("size")
    sized = source is not None and source.name != "DEFAULT"
    show_picture.check(recipe, image, out, everything=everything, sized=sized)
    if image is None:
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


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(help="A checkpoint in the layout of transformers.", metavar="DIR")],
    out: Annotated[Path, typer.Argument(help="A new directory.", metavar="OUT")],
) -> None:
    """Read a checkpoint of transformers (LLaVA, LLaVA-NeXT, InternVL, DeepSeek-VL, Fuyu, BLIP-2) into a model of omma's.

    [bold]Example[/bold]

        omma import llava-1.5-7b-hf models/llava
    """
    from omma.commands.interop import import_model

    import_model(directory, out)


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


def main() -> None:
    """The entry point of the command ``omma``."""
    app()
