"""The commands, thin: what they are called, what they take, and what their help says. `omma.commands` does the work.

Nothing heavy is imported before a command runs, so that ``omma --help`` answers at once. It lists commands in the order in which
they are defined.
"""

from omma.cli.base import app

from omma.cli import models as models  # isort: skip
from omma.cli import looking as looking  # isort: skip
from omma.cli import interop as interop  # isort: skip

__all__ = ["app", "main"]


def main() -> None:
    """The entry point of the command ``omma``."""
    app()
