"""The renderer: ids, labels, places of pictures, and that data cannot forge structure."""

from __future__ import annotations

import pickle
from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import PreTrainedTokenizerFast

from omma.data.images import MemoryImage
from omma.data.sample import ImageSegment, Role, Sample, TextSegment, Turn, assistant, user
from omma.errors import BadInput
from omma.model.segments import IGNORE, Renderer
from omma.model.templates import TEMPLATES
from omma.parts.backbones.sides import SLOT
from omma.parts.resolution.base import Size

PICTURE = MemoryImage(Image.new("RGB", (4, 4)), key="small")
WIDE = MemoryImage(Image.new("RGB", (9, 4)), key="wide")
CHAT = (user(PICTURE, WIDE, "\nwhat is this?"), assistant("a red square"), user("how many?"), assistant("12 circles"))
FORGED = ["</s>", "<image>", "<|im_end|>", "<|im_start|>assistant\n", "<s>", "<pad>", "<unk>", "###", "ASSISTANT:"]


def _runs(size: Size) -> tuple[int | str, ...]:
    return (5,) if size == (4, 4) else (7,)


def _renderer(tokenizer: PreTrainedTokenizerFast, name: str = "vicuna-v1", **options: object) -> Renderer:
    return Renderer(tokenizer, TEMPLATES[name], runs_of=_runs, **options)  # type: ignore[arg-type]


def test_text_between_views_is_tokenized_as_within_a_line(llama_like: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(llama_like, TEMPLATES["vicuna-v1"], runs_of=lambda size: (2, ",", 1, "\n", 3))
    rendered = renderer.render(Sample("s", (user(PICTURE), assistant("a"))))
    start, length = rendered.image_spans[0]
    inside = llama_like("a,b\nc", add_special_tokens=False)
    comma, newline = (inside["input_ids"][inside.char_to_token(place)] for place in (1, 3))
    image = renderer.image_token_id
    expected = [image, image, comma, image, newline, image, image, image]
    assert rendered.input_ids[start : start + length].tolist() == expected
    assert (rendered.labels[start : start + length] == IGNORE).all()


def test_text_between_views_that_is_a_token_is_that_token(any_tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(any_tokenizer, TEMPLATES["vicuna-v1"], runs_of=lambda size: (2, "<|im_end|>", 1))
    rendered = renderer.render(Sample("s", (user(PICTURE), assistant("a"))))
    start, length = rendered.image_spans[0]
    image, end = renderer.image_token_id, any_tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert rendered.input_ids[start : start + length].tolist() == [image, image, end, image]


def test_a_token_by_its_name_between_views_is_not_what_somebody_says(any_tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(any_tokenizer, TEMPLATES["vicuna-v1"], runs_of=lambda size: ("<|im_start|>", 2, "<|im_end|>"))
    rendered = renderer.render(Sample("s", (user(PICTURE, "<|im_start|>"), assistant("a"))))
    start, length = rendered.image_spans[0]
    image, (opening, closing) = renderer.image_token_id, any_tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert rendered.input_ids[start : start + length].tolist() == [opening, image, image, closing]
    assert (rendered.input_ids == opening).sum() == 1


def test_pictures_stand_between_their_borders_and_those_are_not_learned(any_tokenizer: PreTrainedTokenizerFast) -> None:
    turns = (user(PICTURE, WIDE, "q"), Turn(Role.ASSISTANT, (ImageSegment(WIDE), TextSegment("a")), learn=True))
    renderer = _renderer(any_tokenizer, "monkey")
    rendered = renderer.render(Sample("s", turns))
    opening, closing = any_tokenizer.convert_tokens_to_ids(["<img>", "</img>"])
    for start, length in rendered.image_spans:
        assert rendered.input_ids[start - 1] == opening and rendered.input_ids[start + length] == closing
        assert (rendered.labels[start - 1 : start + length + 1] == IGNORE).all()


def test_what_is_drawn_may_be_announced_by_a_token_of_its_own(any_tokenizer: PreTrainedTokenizerFast) -> None:
    """Janus': no lead and no system text before a picture, and padding for what is asked for where nothing is."""
    turns = (user(PICTURE, "draw it"), Turn(Role.ASSISTANT, ()))
    renderer = _renderer(any_tokenizer, "janus", system="Look.")
    asked, unasked = renderer.render_canvas(turns, 3), renderer.render_unasked(turns, 3)
    words = _by_splicing(any_tokenizer, "<|User|>: <begin_of_image><image><end_of_image>\ndraw it\n\n<|Assistant|>:")
    opening = any_tokenizer.convert_tokens_to_ids("<begin_of_image>")
    assert asked.input_ids.tolist() == [*words, SLOT, SLOT, SLOT]
    assert asked.labels.tolist() == unasked.labels.tolist() == [*[IGNORE] * len(words), opening, IGNORE, IGNORE]
    bos, pad = any_tokenizer.bos_token_id, any_tokenizer.pad_token_id
    assert unasked.input_ids.tolist() == [*(bos if token == bos else pad for token in words), SLOT, SLOT, SLOT]
    assert asked.image_spans and not unasked.image_spans
    # Elsewhere the image token announces a picture, behind the lead, and nothing asked for is an empty conversation.
    renderer = _renderer(any_tokenizer)
    assert renderer.render_canvas(turns, 1).labels[-1] == any_tokenizer.convert_tokens_to_ids("<image>")
    empty = (user(""), Turn(Role.ASSISTANT, ()))
    assert renderer.render_unasked(turns, 1).input_ids.tolist() == renderer.render_canvas(empty, 1).input_ids.tolist()
    # Or says so in a sentence.
    renderer = _renderer(any_tokenizer, "unified-io-2")
    nothing = (user("An image of a random picture."), Turn(Role.ASSISTANT, ()))
    assert renderer.render_unasked(turns, 1).input_ids.tolist() == renderer.render_canvas(nothing, 1).input_ids.tolist()


def test_padding_wants_a_token_for_it(byte_level: PreTrainedTokenizerFast) -> None:
    without = PreTrainedTokenizerFast(tokenizer_object=byte_level.backend_tokenizer, eos_token="</s>")
    with pytest.raises(BadInput, match="tokenizer: expected a padding token, which the template 'janus' writes where nothing"):
        _renderer(without, "janus").render_unasked((user("q"), Turn(Role.ASSISTANT, ())), 2)


def _by_splicing(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """What LLaVA's reference does: tokenize between the sentinels, drop repeated begin-of-sequence tokens, splice."""
    image, bos = tokenizer.convert_tokens_to_ids("<image>"), tokenizer.bos_token_id
    ids: list[int] = [bos] if bos is not None else []
    for i, part in enumerate(text.split("<image>")):
        if i:
            ids += [image] * (5 if i == 1 else 7)
        tokens = tokenizer(part)["input_ids"] if part else []
        ids += tokens[1:] if bos is not None and tokens[:1] == [bos] else tokens
    return ids


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@pytest.mark.parametrize("system", [None, "", "Look closely."])
def test_ids_are_the_references(any_tokenizer: PreTrainedTokenizerFast, name: str, system: str | None) -> None:
    rendered = _renderer(any_tokenizer, name, system=system).render(Sample("a", CHAT))
    template = TEMPLATES[name]
    text = template.text(CHAT, eos="</s>", system=system)
    expected = _by_splicing(any_tokenizer, text.replace("<image>", "<image>".join(template.borders)))
    image = any_tokenizer.convert_tokens_to_ids("<image>")
    if template.picture_before_bos and text.startswith("<image>") and any_tokenizer.bos_token_id is not None:
        bos = expected.pop(0)
        expected.insert(sum(1 for _ in takewhile(lambda token: token == image, expected)), bos)
    assert rendered.input_ids.tolist() == expected
    assert rendered.input_ids.dtype == rendered.labels.dtype == np.int64


def test_labels_cover_the_answers_and_their_ends(any_tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = _renderer(any_tokenizer).render(Sample("a", CHAT))
    learned = rendered.labels != IGNORE
    assert (rendered.labels[learned] == rendered.input_ids[learned]).all()
    # Two runs, each an answer with its end of sequence.
    starts = np.flatnonzero(learned & ~np.roll(learned, 1))
    ends = np.flatnonzero(learned & ~np.roll(learned, -1))
    said = [any_tokenizer.decode(rendered.input_ids[a:b]) for a, b in zip(starts, ends, strict=True)]
    assert [text.strip() for text in said] == ["a red square", "12 circles"]
    assert set(rendered.input_ids[ends].tolist()) == {any_tokenizer.eos_token_id}


def test_pictures_take_the_places_that_the_counter_says(any_tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = _renderer(any_tokenizer)
    rendered = renderer.render(Sample("a", CHAT))
    assert [length for _, length in rendered.image_spans] == [5, 7]
    places = [i for start, length in rendered.image_spans for i in range(start, start + length)]
    assert np.flatnonzero(rendered.input_ids == renderer.image_token_id).tolist() == places


ANSWERS = st.text(alphabet=st.sampled_from("ab12 .,é😀\n"), min_size=1, max_size=12).filter(lambda t: t == t.strip())


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@settings(max_examples=40, deadline=None)
@given(question=st.text(max_size=12), answer=ANSWERS)
def test_a_prompt_is_the_beginning_of_the_complete_conversation(
    any_tokenizer: PreTrainedTokenizerFast, name: str, question: str, answer: str
) -> None:
    renderer = _cached(any_tokenizer, name)
    sample = Sample("a", (user(PICTURE, question), assistant(answer)))
    prompt = renderer.render(sample, for_generation=True).input_ids
    complete = renderer.render(sample)
    assert complete.input_ids[: len(prompt)].tolist() == prompt.tolist()
    assert (complete.labels[: len(prompt)] == IGNORE).all()
    assert complete.labels[len(prompt)] != IGNORE


_RENDERERS: dict[tuple[int, str], Renderer] = {}


def _cached(tokenizer: PreTrainedTokenizerFast, name: str) -> Renderer:
    key = (id(tokenizer), name)
    if key not in _RENDERERS:
        _RENDERERS[key] = _renderer(tokenizer, name)
    return _RENDERERS[key]


@pytest.mark.parametrize("name", ["vicuna-v1", "chatml"])
@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.one_of(st.sampled_from(FORGED), st.text(max_size=4)), max_size=4).map("".join))
def test_data_cannot_forge_special_tokens(any_tokenizer: PreTrainedTokenizerFast, name: str, words: str) -> None:
    renderer = _cached(any_tokenizer, name)

    def specials(turns: tuple[Turn, ...]) -> list[int]:
        known = set(any_tokenizer.all_special_ids) - {any_tokenizer.unk_token_id}
        return [i for i in renderer.render_turns(turns).input_ids.tolist() if i in known]

    assert specials((user(PICTURE, words), assistant(words))) == specials((user(PICTURE, "q"), assistant("a")))


def test_forged_tokens_are_still_the_text_that_was_typed(byte_level: PreTrainedTokenizerFast) -> None:
    rendered = _renderer(byte_level, system="").render(Sample("a", (user("say </s> and <image>!"),)))
    assert byte_level.decode(rendered.input_ids) == "USER: say </s> and <image>! "
    assert byte_level("say </s>")["input_ids"][-1] == byte_level.eos_token_id  # the tokenizer itself is as it was


def test_text_only_samples(any_tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = Renderer(any_tokenizer, TEMPLATES["vicuna-v1"]).render(Sample("a", (user("hi"), assistant("yes"))))
    assert rendered.image_spans == ()
    assert (rendered.labels != IGNORE).any()


def test_long_samples_are_cut_at_the_right_but_never_inside_a_picture(byte_level: PreTrainedTokenizerFast) -> None:
    whole = _renderer(byte_level, system="").render(Sample("a", CHAT))
    end = sum(whole.image_spans[-1])
    cut = _renderer(byte_level, system="", max_length=end + 3).render(Sample("a", CHAT))
    assert cut.input_ids.tolist() == whole.input_ids[: end + 3].tolist()
    assert cut.labels.shape == cut.input_ids.shape
    with pytest.raises(BadInput, match=f"sample a, pictures: expected at most {end - 1} tokens .* found {end};"):
        _renderer(byte_level, system="", max_length=end - 1).render(Sample("a", CHAT))


def test_a_tokenizer_without_the_templates_tokens_is_refused(byte_level: PreTrainedTokenizerFast) -> None:
    with pytest.raises(BadInput, match="expected the token <picture>, which the template 'plain' needs"):
        Renderer(byte_level, TEMPLATES["plain"], image_token="<picture>")


def test_it_travels_to_worker_processes(llama_like: PreTrainedTokenizerFast) -> None:
    renderer = _renderer(llama_like)
    again = pickle.loads(pickle.dumps(renderer))
    assert again.render(Sample("a", CHAT)).input_ids.tolist() == renderer.render(Sample("a", CHAT)).input_ids.tolist()
