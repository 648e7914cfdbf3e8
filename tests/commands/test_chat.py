"""`omma chat` from a pipe: one question a line, pictures by path, several turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from omma.commands.chat import Conversation
from omma.data.sample import ImageSegment, Role, Sample, Turn
from omma.errors import BadInput
from omma.model.answering import ModelAnswerer


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (40, 30), "blue").save(path)
    return path


def test_one_answer_per_line(command, finished_run: Path, picture: Path) -> None:
    questions = f"How many?\n\nAnd now?\n/image {picture}\nWhat is it?\n/new\nHello\n/quit\nNever asked\n"
    result = command("chat", finished_run, picture, "--max-new-tokens", "4", input=questions)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.count("\n") == 4, result.stdout


def test_answers_are_those_of_the_same_conversation(command, finished_run: Path, picture: Path) -> None:
    def answers(text: str) -> list[str]:
        return command("chat", finished_run, picture, "--max-new-tokens", "6", input=text).stdout.splitlines()

    first = answers("How many?\n")
    assert len(first) == 1
    assert answers("How many?\n/new\nHow many?\n") == [*first, *first], "/new shows the first picture again"


def test_what_was_said_and_shown_is_asked_again(command, finished_run: Path, picture: Path, monkeypatch) -> None:
    asked: list[list[str]] = []

    def stream(self: ModelAnswerer, turns: Sequence[Turn]) -> Iterator[str]:
        asked.append([f"{len(Sample('', (turn,)).images)} {turn.text.strip()}" for turn in turns])
        yield from ("an ", "answer")

    monkeypatch.setattr(ModelAnswerer, "stream", stream)
    result = command("chat", finished_run, picture, input=f"One?\nTwo?\n/image {picture}\nThree?\n/new\nFour?\n")
    assert result.stdout == "an answer\n" * 4
    assert asked == [
        ["1 One?"],
        ["1 One?", "0 an answer", "0 Two?"],
        ["1 One?", "0 an answer", "0 Two?", "0 an answer", "1 Three?"],
        ["1 Four?"],
    ]


def test_a_model_directory_is_as_good_as_its_run(command, finished_run: Path) -> None:
    asked = [command("chat", place, input="Hello\n").stdout for place in (finished_run, finished_run / "model")]
    assert asked[0] == asked[1] != ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [("/image nowhere.png\n", "nowhere.png"), ("/picture x.png\n", "/image PATH"), ("/image\n", "/image PATH")],
)
def test_a_wrong_command_in_a_pipe_ends_the_chat(command, finished_run: Path, one_sentence, lines: str, said: str) -> None:
    assert said in one_sentence(command("chat", finished_run, input=lines))


def test_a_first_picture_that_cannot_be_read(command, finished_run: Path, tmp_path: Path, one_sentence) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    assert "0 bytes" in one_sentence(command("chat", finished_run, tmp_path / "empty.png", input="Hi\n"))
    assert "no such file" in one_sentence(command("chat", finished_run, tmp_path / "gone.png", input="Hi\n"))


def test_a_conversation_longer_than_the_model_reads(command, finished_run: Path, one_sentence) -> None:
    sentence = one_sentence(command("chat", finished_run, input="word " * 3000 + "\n"))
    assert "at most" in sentence
    assert "tokens" in sentence


def test_pictures_come_first_and_once(picture: Path) -> None:
    conversation = Conversation()
    conversation.show(str(picture))
    conversation.show(str(picture))
    asked = conversation.ask("Same?")
    assert [type(segment) is ImageSegment for segment in asked[-1].content] == [True, True, False]
    assert asked[-1].text == "\nSame?"
    conversation.answered(asked, "yes")
    again = conversation.ask("Sure?")
    assert [turn.role for turn in again] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert again[-1].text == "Sure?"
    assert not any(isinstance(segment, ImageSegment) for segment in again[-1].content)


def test_an_unreadable_picture_leaves_the_conversation_as_it_was(tmp_path: Path) -> None:
    conversation = Conversation()
    with pytest.raises(BadInput):
        conversation.show(str(tmp_path / "gone.png"))
    assert conversation.waiting == []
