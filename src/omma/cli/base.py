"""The command line itself, what its commands share, and what becomes of whatever goes wrong in them."""

from __future__ import annotations

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
