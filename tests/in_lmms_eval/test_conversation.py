"""What lmms-eval asks, as turns; lmms-eval itself is not needed."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from omma.data.sample import Role
from omma.errors import BadInput
from omma.lmms_eval.conversation import LONGEST_ANSWER, USUAL_BATCH, Generation, batch_of, conversation


def said(role: str, *pieces: Any) -> dict[str, Any]:
    contents = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "url": p} for p in pieces]
    return {"role": role, "content": contents}


def test_turns_with_text_and_pictures() -> None:
    picture = Image.new("RGB", (20, 10), "red")
    sample = conversation(
        [said("system", "Be brief."), said("user", picture, picture, "What is it?"), said("assistant", "a dog"), said("user", "Sure?")],
        "mme/test/3",
    )  # fmt: skip
    assert [turn.role for turn in sample.turns] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER]
    assert [turn.text for turn in sample.turns] == ["Be brief.", "\nWhat is it?", "a dog", "Sure?"]
    assert not any(turn.learn for turn in sample.turns)
    assert [image.size for image in sample.images] == [(20, 10)] * 2


def test_a_picture_is_known_by_its_pixels() -> None:
    """Features are kept by key: the same picture opened again is not encoded again, and another one is."""
    pictures = [Image.new("RGB", (8, 8), color) for color in ("red", "red", "blue")]
    pictures += [Image.new("L", (8, 8), 0), Image.new("L", (16, 4), 0)]
    sample = conversation([said("user", *pictures, "?")], "q")
    keys = [image.key for image in sample.images]
    assert keys[0] == keys[1] and len(set(keys)) == 4


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, Generation(LONGEST_ANSWER)),
        ({"max_new_tokens": 16, "temperature": 0, "top_p": 1.0, "num_beams": 1, "do_sample": False}, Generation(16)),
        ({"max_new_tokens": 4096, "until": ["\n\n", "ASSISTANT:"]}, Generation(1024, ("\n\n", "ASSISTANT:"))),
        ({"until": "\n"}, Generation(LONGEST_ANSWER, ("\n",))),
    ],
)
def test_settings_of_generation(settings: dict[str, Any], wanted: Generation) -> None:
    assert Generation.of(settings, 1024) == wanted


def test_an_answer_ends_at_the_first_text_that_ends_it() -> None:
    assert Generation(9, ("\n\n", "STOP")).ended(" a\nb STOP c\n\nd") == "a\nb"
    assert Generation(9).ended(" all of it ") == "all of it"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"temperature": 0.7}, "temperature 0.7"),
        ({"do_sample": True}, "do_sample True"),
        ({"do_sample": True, "temperature": None}, "do_sample True, temperature None"),
        ({"temperature": 0, "num_beams": 3}, "temperature 0, num_beams 3"),
    ],
)
def test_answers_drawn_by_chance_are_refused(settings: dict[str, Any], found: str) -> None:
    with pytest.raises(BadInput) as caught:
        Generation.of(settings)
    assert str(caught.value) == (
        f"generation_kwargs of the task: expected greedy decoding, found {found}; give --gen_kwargs temperature=0,do_sample=False,num_beams=1."
    )


def test_films_and_unfinished_conversations_are_refused() -> None:
    with pytest.raises(BadInput, match="question film: expected text and pictures, found video; leave out tasks with it"):
        conversation([{"role": "user", "content": [{"type": "video", "url": "a.mp4"}]}], "film")
    with pytest.raises(BadInput, match="question q: expected a conversation that the user ends, found assistant; leave it out"):
        conversation([said("user", "Hm?"), said("assistant", "Hm.")], "q")


def test_prompts_at_a_time() -> None:
    assert [batch_of(size) for size in (8, "16", "auto", "auto:4")] == [8, 16, USUAL_BATCH, USUAL_BATCH]
    for size in (0, "-1", "many", "2.5"):
        with pytest.raises(BadInput, match=rf"batch_size: expected a number from 1 up, or auto, found {size!r}"):
            batch_of(size)
