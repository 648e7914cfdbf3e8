"""Commands that make models, and that ask them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omma.cli.base import ModelName, Overrides, RecipeName, Size, app


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
def draw(
    model: ModelName,
    prompt: Annotated[str, typer.Argument(help="What to draw, in words; or the number of a class.", metavar="PROMPT")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="PNG file to write.", metavar="FILE", show_default="PROMPT.png")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", "-i", help="A picture that is shown with the prompt.", metavar="PICTURE")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many pictures; several become one grid.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first picture; each other one has the next.")] = 0,
    steps: Annotated[
        bool, typer.Option("--steps", help="Write how the pictures came about, too: as they stand after every scale or step.")
    ] = False,
    guidance: Annotated[float, typer.Option("--guidance", help="How strongly the prompt is followed.")] = 2.0,
    temperature: Annotated[float, typer.Option("--temperature", help="Below 1, likely codes come more often still.")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", help="Draw among so many of the likeliest codes; 0 for all.")] = 0,
    top_p: Annotated[float, typer.Option("--top-p", help="Draw among the likeliest codes of that probability together.")] = 1.0,
) -> None:
    """Draw a picture of what is asked for.

    [bold]Examples[/bold]

        omma draw runs/var-small "a red star to the left of two blue circles"

        omma draw runs/var-small "four green rings" --count 9 --guidance 4 --out rings.png

        omma draw runs/var-small "a blue star" --steps
    """
    from omma.commands.draw import run

    settings = {"guidance": guidance, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    run(model, prompt, out, image or [], count, seed, settings, steps=steps)
