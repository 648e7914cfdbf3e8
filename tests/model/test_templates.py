"""Chat formats: what they write, and that our text and the Jinja template's are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import PreTrainedTokenizerFast

from omma.data.images import MemoryImage
from omma.data.sample import (
    Box,
    BoxSegment,
    ImageSegment,
    Role,
    Sample,
    Segment,
    TextSegment,
    Turn,
    assistant,
    user,
)
from omma.errors import BadInput
from omma.model.template import Piece
from omma.model.templates import TEMPLATES, template_named

PICTURE = MemoryImage(Image.new("RGB", (4, 4)), key="test")
CHAT = (user(PICTURE, "\nq1"), assistant("a1"), user("q2"), assistant("a2"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vicuna-v1", "S USER: <image>\nq1 ASSISTANT: a1</s>USER: q2 ASSISTANT: a2</s>"),
        ("vicuna-v0", "S###Human: <image>\nq1###Assistant: a1###Human: q2###Assistant: a2###"),
        (
            "chatml",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<image>\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\na2<|im_end|>\n",
        ),
        ("plain", "<image>a1\na2\n"),
        ("plain-img", "<image>a1</s>a2</s>"),
        ("plain-blip-2", "<image>a1\na2\n"),
        (
            "chatml-img",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<image>\nq1<|im_end|>\n<|im_start|>assistant\n"
            "a1<|im_end|>\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\na2<|im_end|>\n",
        ),
        (
            "xcomposer2",
            "[UNUSED_TOKEN_146]system\nS[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\n<image>\nq1[UNUSED_TOKEN_145]\n"
            "[UNUSED_TOKEN_146]assistant\na1[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\nq2[UNUSED_TOKEN_145]\n"
            "[UNUSED_TOKEN_146]assistant\na2[UNUSED_TOKEN_145]\n",
        ),
        ("deepseek-vl", "S\n\nUser: <image>\nq1\n\nAssistant: a1</s>User: q2\n\nAssistant: a2</s>"),
        ("mplug-owl", "S\nHuman: <image>\nq1\nAI: a1</s>\nHuman: q2\nAI: a2</s>\n"),
        ("monkey", "S\n<image>\nq1 Answer: a1</s>q2 Answer: a2</s>"),
        ("blip-2", "S<image>\nq1 a1\nq2 a2\n"),
        ("fuyu", "S<image>\nq1<0x04>a1</s>q2<0x04>a2</s>"),
        ("janus", "S\n\n<|User|>: <image>\nq1\n\n<|Assistant|>: a1</s><|User|>: q2\n\n<|Assistant|>: a2</s>"),
    ],
)
def test_complete_conversations(name: str, expected: str) -> None:
    assert TEMPLATES[name].text(CHAT, eos="</s>", system="S") == expected


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        ("vicuna-v1", " a1</s> a2</s>"),
        ("vicuna-v0", " a1### a2###"),
        ("chatml", "a1<|im_end|>a2<|im_end|>"),
        ("plain", "a1\na2\n"),
        ("plain-img", "a1</s>a2</s>"),
        ("plain-blip-2", "a1\na2\n"),
        ("monkey", " a1</s> a2</s>"),
        ("blip-2", " a1\n a2\n"),
        ("deepseek-vl", " a1</s> a2</s>"),
        ("fuyu", "a1</s>a2</s>"),
    ],
)
def test_answers_and_what_ends_them_are_learned(name: str, learned: str) -> None:
    pieces = TEMPLATES[name].pieces(CHAT, eos="</s>")
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece) and piece.learn) == learned


def test_a_turn_that_is_not_to_be_learned_is_not() -> None:
    turns = (user("q"), assistant("a", learn=False))
    assert not any(p.learn for p in TEMPLATES["vicuna-v1"].pieces(turns, eos="</s>") if isinstance(p, Piece))


def test_system_text() -> None:
    template = TEMPLATES["vicuna-v1"]
    assert template.text((user("q"),), eos="</s>", system="") == "USER: q "
    assert template.text((user("q"),), eos="</s>").startswith("A chat between a curious user and ")
    own = (Turn(Role.SYSTEM, (TextSegment("own"),)), user("q"))
    assert template.text(own, eos="</s>", system="S") == "own USER: q "


def test_a_picture_stands_on_a_line_of_its_own() -> None:
    text = TEMPLATES["vicuna-v1"].text((user(PICTURE, PICTURE, "q"), user("q", PICTURE)), eos="</s>", system="")
    assert text == "USER: <image>\n<image>\nq USER: q<image> "


def test_boxes_are_refused_in_one_sentence() -> None:
    turn = Turn(Role.USER, (BoxSegment((Box(0, 0, 1, 1),)),))
    with pytest.raises(BadInput, match="user turn: expected text and pictures, found BoxSegment"):
        TEMPLATES["vicuna-v1"].text(Sample("a", (turn,)).turns, eos="</s>")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"did you mean vicuna-v1 or vicuna-v0\?.*chatml, "):
        template_named("vicuna")


SEGMENTS = st.one_of(
    st.text(alphabet=st.sampled_from("ab \n<>{}%'\"\\é😀"), max_size=6).map(TextSegment), st.just(ImageSegment(PICTURE))
)
CONTENTS: st.SearchStrategy[tuple[Segment, ...]] = st.lists(SEGMENTS, max_size=4).map(tuple)
TURNS = st.lists(st.builds(Turn, st.sampled_from(list(Role)), CONTENTS), max_size=4).map(tuple)


def _messages(turns: tuple[Turn, ...], *, strings: bool) -> list[dict[str, object]]:
    def content(turn: Turn) -> object:
        if strings and all(isinstance(segment, TextSegment) for segment in turn.content):
            return turn.text
        return [
            {"type": "text", "text": s.text} if isinstance(s, TextSegment) else {"type": "image"} for s in turn.content
        ]

    return [{"role": str(turn.role), "content": content(turn)} for turn in turns]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@settings(max_examples=60, deadline=None)
@given(turns=TURNS, system=st.one_of(st.none(), st.text(max_size=8)), prompt=st.booleans(), strings=st.booleans())
def test_jinja_gives_the_same_text(
    byte_level: PreTrainedTokenizerFast,
    name: str,
    turns: tuple[Turn, ...],
    system: str | None,
    prompt: bool,
    strings: bool,
) -> None:
    template = TEMPLATES[name]
    rendered = byte_level.apply_chat_template(
        _messages(turns, strings=strings) or [{"role": "user", "content": ""}],
        chat_template=template.jinja(system=system),
        add_generation_prompt=prompt,
        tokenize=False,
    )
    expected = template.text(turns or (user(""),), eos="</s>", system=system, generation_prompt=prompt)
    assert rendered == expected
