"""`omma chat`: several turns about pictures, on a terminal or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from omma.data.images import FileImage
from omma.data.sample import ImageSegment, Role, Segment, TextSegment, Turn, assistant
from omma.errors import BadInput, OmmaError
from omma.model.answering import ModelAnswerer
from omma.model.loading import model_directory

HELP = "/image PATH shows a picture, /new begins anew, /quit ends"


@dataclass
class Conversation:
    """What was said so far, and the pictures that the next question shows."""

    turns: list[Turn] = field(default_factory=list)
    waiting: list[FileImage] = field(default_factory=list)

    def show(self, path: str) -> FileImage:
        """Take a picture along with the next question. Raises BadInput at once if it cannot be read."""
        image = FileImage(Path(path).expanduser())
        image.load()
        self.waiting.append(image)
        return image

    def ask(self, question: str) -> list[Turn]:
        """The conversation with the question, pictures first, on lines of their own."""
        content: list[Segment] = [ImageSegment(image) for image in self.waiting]
        content.append(TextSegment(f"\n{question}" if self.waiting else question))
        return [*self.turns, Turn(Role.USER, tuple(content))]

    def answered(self, turns: list[Turn], reply: str) -> None:
        """Keep a question and its answer."""
        self.turns = [*turns, assistant(reply, learn=False)]
        self.waiting = []


def run(model: str, picture: Path | None, max_new_tokens: int) -> None:
    """Chat until the input ends. Raises BadInput for a model or first picture that cannot be read."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(soft_wrap=True, highlight=False)
    conversation = Conversation()
    if picture is not None:
        conversation.show(str(picture))
    answerer = ModelAnswerer.from_directory(model_directory(model), max_new_tokens=max_new_tokens)
    if interactive:
        console.print(f"{model} is ready. Ask something; {HELP}.", markup=False)
        if picture is None:
            console.print("It has no picture yet: /image PATH shows it one.", markup=False)
    for line in _lines(interactive):
        if line.startswith("/"):
            if not _command(line, conversation, picture, console, interactive):
                return
        else:
            _reply(line, conversation, answerer, console, interactive)


def _lines(interactive: bool) -> Iterator[str]:
    """What the user types, line by line, empty lines left out."""
    while True:
        try:
            line = input("> ") if interactive else sys.stdin.readline()
        except EOFError:
            return
        except UnicodeDecodeError:
            raise BadInput(
                "standard input", expected="UTF-8 text", found="other bytes", remedy="convert it first"
            ) from None
        if not interactive and not line:
            return
        if line.strip():
            yield line.strip()


def _command(
    line: str, conversation: Conversation, picture: Path | None, console: Console, interactive: bool
) -> bool:
    """Do what a line with a slash says; False if the chat ends."""
    name, _, argument = line.partition(" ")
    try:
        if name == "/quit":
            return False
        if name == "/new":
            conversation.turns, conversation.waiting = [], []
            if picture is not None:
                conversation.show(str(picture))
        elif name == "/image" and argument.strip():
            image = conversation.show(argument.strip())
            if interactive:
                console.print(f"The next question shows {image.path.name}, {image.size[0]} x {image.size[1]} pixels.")
        else:
            raise BadInput(name, expected="a command of the chat", found=repr(line), remedy=HELP)
    except OmmaError as error:
        _failed(error, console, interactive)
    return True


def _reply(
    question: str, conversation: Conversation, answerer: ModelAnswerer, console: Console, interactive: bool
) -> None:
    turns = conversation.ask(question)
    reply = ""
    stream = answerer.stream(turns)
    try:
        for piece in stream:
            reply += piece
            console.out(piece, end="", highlight=False)
            console.file.flush()
    except OmmaError as error:
        _failed(error, console, interactive)
        return
    except KeyboardInterrupt:
        # On a terminal Ctrl-C stops the answer, not the chat; at the prompt it ends the chat.
        stream.close()
        if not interactive:
            raise
    console.out("")
    conversation.answered(turns, reply)


def _failed(error: OmmaError, console: Console, interactive: bool) -> None:
    """On a terminal one mistake does not end the chat; in a pipe nobody is there to correct it."""
    if not interactive:
        raise error
    console.print(str(error), style="red", markup=False)
