"""Answers: the same in a batch, alone and streamed, with one pass of the encoder per picture."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from omma.data.playground import WORLDS
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.evaluation import playground_items, prompts
from omma.model import answering
from omma.model.answering import ModelAnswerer, _cleaned
from omma.model.processing import processor_of
from omma.model.shared_prefix import SharedPrefix
from toy_training import toy_model


def _answerer(**model: object) -> ModelAnswerer:
    built = toy_model(**model)
    assert built.vlm is not None
    # Weights as far apart as those of a trained model, so that answers differ between questions.
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in built.vlm.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return ModelAnswerer(built.vlm, processor_of(built.vlm.config, built.tokenizer), max_new_tokens=6)


@pytest.fixture(scope="module")
def answerer() -> ModelAnswerer:
    return _answerer()


@pytest.fixture(scope="module")
def questions() -> list[Sample]:
    """Of different lengths, with one picture, three and none."""
    found: list[Sample] = []
    for name in ("shapes", "panels"):
        items = playground_items(WORLDS.get(name, where="world").Config().build(), "fresh", 2, questions_per_scene=3)
        found += [*prompts(items, "sighted").values(), *prompts(items, "blind").values()]
    return found


def test_a_batch_answers_as_each_alone(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    together = answerer.answer(questions)
    assert together == [answerer.answer([question])[0] for question in questions]
    assert len(set(together)) > 4, "answers that differ, or nothing was compared"


def test_the_size_of_batches_does_not_matter(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    small = ModelAnswerer(answerer.model, answerer.processor, max_new_tokens=6, batch=5)
    assert small.answer(questions) == answerer.answer(questions)


def test_long_prompts_of_several_lengths_are_not_padded_together(
    answerer: ModelAnswerer, questions: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no mask is larger than allowed, and replies are the same."""
    expected = [output.text for output in answerer.answer(questions)]
    lengths = sorted(len(answerer._prompt(question.turns).ids) for question in questions)
    assert len(set(lengths)) > 4 and len(set(lengths)) < len(lengths), "some of one length, some not"
    masks: list[torch.Tensor] = []

    def note(model: torch.nn.Module, args: Any, inputs: Any) -> None:
        if inputs["input_ids"].shape[1] > 1:
            masks.append(inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])))

    monkeypatch.setattr(answering.SharedPrefix, "of", lambda *a: None)
    allowed = 3 * lengths[len(lengths) // 2] ** 2
    monkeypatch.setattr(answering, "MASK_NUMBERS", allowed)
    with answerer.model.register_forward_pre_hook(note, with_kwargs=True):
        assert [output.text for output in answerer.answer(questions)] == expected
    padded = [mask for mask in masks if not mask.all()]
    assert padded and all(len(mask) * mask.shape[1] ** 2 <= allowed for mask in padded)
    assert max(len(mask) for mask in masks if mask.all()) > 1, "those of one length stay together"


def test_how_likely_the_reply_was(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    """As `transformers` computes it, for each question alone, though they were asked together."""
    for question, output in zip(questions, answerer.answer(questions), strict=True):
        inputs = answerer._inputs([answerer._prompt(question.turns)])
        model, length = answerer.model, inputs["input_ids"].shape[1]
        found: Any = model.generate(
            **inputs, max_new_tokens=6, do_sample=False, return_dict_in_generate=True, output_scores=True, pad_token_id=0
        )
        expected = model.compute_transition_scores(found.sequences[:, length:], found.scores, normalize_logits=True)
        assert output.log_probabilities == pytest.approx(expected[0, : output.tokens].tolist(), abs=1e-4)
        assert output.prompt_tokens == length
        assert output.finish == ("stop" if output.tokens is not None and output.tokens < 6 else "length")


def test_a_reply_that_ends_by_itself_is_told_from_one_that_is_cut_off(questions: list[Sample]) -> None:
    answerer = _answerer()
    (first,) = answerer.answer(questions[:1])
    assert (first.finish, first.tokens) == ("length", 6)
    (inputs,) = [answerer._inputs([answerer._prompt(questions[0].turns)])]
    third = int(answerer.model.generate(**inputs, max_new_tokens=6, do_sample=False, pad_token_id=0)[0, -4])
    answerer._stop_ids = [third]
    (ended,) = answerer.answer(questions[:1])
    assert ended.finish == "stop"
    assert ended.tokens is not None and ended.tokens <= 3
    assert ended.log_probabilities is not None and len(ended.log_probabilities) == ended.tokens


def test_what_questions_share_is_read_once(
    answerer: ModelAnswerer, questions: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes no difference. Six questions about two pictures."""
    asked = [question for question in questions if len(question.images) == 1]
    assert len(asked) == 6 and len({question.images[0].key for question in asked}) == 2
    read: list[int] = []
    forward = type(answerer.model.language_model).forward
    monkeypatch.setattr(
        type(answerer.model.language_model),
        "forward",
        lambda self, *a, **k: read.append(k["inputs_embeds"].shape[0] * k["inputs_embeds"].shape[1]) or forward(self, *a, **k),
    )
    together = answerer.answer(asked)
    shared = sum(read)
    read.clear()
    monkeypatch.setattr(answering.SharedPrefix, "of", lambda *a: None)
    apart = answerer.answer(asked)
    assert [one.text for one in together] == [one.text for one in apart]
    for one, other in zip(together, apart, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)
        assert one.prompt_tokens == other.prompt_tokens
    beginning = int(np.flatnonzero(answerer._prompt(asked[0].turns).ids == answerer.model.config.image_token_id)[-1]) + 1
    assert sum(read) - shared == 4 * beginning


def test_beginnings_of_other_pictures_or_lengths_are_not_shared(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    prompts = [answerer._prompt(question.turns) for question in questions]

    def of(chosen: list[Any]) -> Any:
        keys = [tuple(image.key for image in prompt.images) for prompt in chosen]
        return SharedPrefix.of(answerer.model, [prompt.ids for prompt in chosen], keys)

    one, three, none = ([prompt for prompt in prompts if len(prompt.images) == number] for number in (1, 3, 0))
    assert of(none) is None and of(prompts) is None and of([*one, *three]) is None
    assert of([one[0], one[3]]) is None, "no picture twice"
    shared = of([one[3], one[0], one[4]])
    assert (shared.first, shared.which) == ([0, 1], [0, 1, 0])
    assert of(three) is not None


def test_no_questions_no_answers(answerer: ModelAnswerer) -> None:
    assert answerer.answer([]) == []


def test_a_stream_says_the_same(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    for question in questions[::5]:
        assert "".join(answerer.stream(question.turns)).strip() == answerer.answer([question])[0].text


def test_training_s_prompt_is_the_one_that_is_asked(answerer: ModelAnswerer, questions: list[Sample]) -> None:
    rendered = answerer.processor.renderer.render(questions[0], for_generation=True)
    assert (answerer._prompt(questions[0].turns).ids == rendered.input_ids).all()


def test_a_picture_is_encoded_once(questions: list[Sample]) -> None:
    answerer = _answerer()
    passes = []
    answerer.model.encoder.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    first = answerer.answer(questions)
    pictures = {image.key for question in questions for image in question.images}
    assert len(passes) == len(pictures) == 2 + 2 * 3
    assert answerer.answer(questions) == first
    list(answerer.stream(questions[0].turns))
    assert len(passes) == len(pictures)


def test_vectors_in_memory_are_bounded(questions: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = _answerer()
    expected = answerer.answer(questions)
    one = next(iter(answerer._vectors.values())).nbytes
    monkeypatch.setattr(answering, "VECTOR_BYTES", 3 * one)
    bounded = _answerer()
    assert bounded.answer(questions) == expected
    assert len(bounded._vectors) == 3
    assert bounded._vector_bytes == 3 * one


def test_closing_a_stream_stops_the_model() -> None:
    answerer = _answerer()
    answerer.max_new_tokens, answerer._stop_ids = 1500, []
    steps = []
    answerer.model.language_model.register_forward_hook(lambda *passed: steps.append(1))
    before = threading.active_count()
    stream = answerer.stream((user("Tell me everything"),))
    next(stream)
    stream.close()
    assert threading.active_count() == before
    assert 1 <= len(steps) < 1500


def test_an_error_while_streaming_arrives_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = _answerer()

    def fail(**settings: object) -> None:
        raise RuntimeError("the machine is on fire")

    monkeypatch.setattr(answerer.model, "generate", fail)
    with pytest.raises(RuntimeError, match="on fire"):
        list(answerer.stream((user("Hello"),)))


def test_a_text_that_ends_answers_ends_them() -> None:
    answerer = _answerer(template="vicuna-v0")
    assert answerer._stop_text == "###"
    replies = answerer.answer([Sample(str(i), (user(f"Question {i}"),)) for i in range(8)])
    assert not any("#" in (reply.text or "") for reply in replies)


@pytest.mark.parametrize(
    ("pieces", "stop", "said"),
    [
        (["  ", " a", "b "], "", "ab "),
        (["red#", "#", "# Human"], "###", "red"),
        (["a#b", "##c"], "###", "a#b##c"),
        (["###"], "###", ""),
        ([], "###", ""),
    ],
)
def test_what_surrounds_an_answer_is_left_out(pieces: list[str], stop: str, said: str) -> None:
    assert "".join(_cleaned(pieces, stop)) == said


def test_a_prompt_without_room_for_an_answer_is_refused(answerer: ModelAnswerer) -> None:
    with pytest.raises(BadInput, match="begin a new one"):
        answerer.answer([Sample("long", (user("word " * 3000),))])


def test_a_chat_template_of_its_own_is_followed() -> None:
    built = toy_model()
    template = "{% for m in messages %}[{{ m.role }}]{% for c in m.content %}{{ c.text if c.type == 'text' else '<image>' }}{% endfor %}{% endfor %}[answer]"
    processor = processor_of(built.vlm.config, built.tokenizer, chat_template=template)
    answerer = ModelAnswerer(built.vlm, processor)
    picture = WORLDS.get("shapes", where="world").Config().build().scene("fresh", 0).images[0]
    turns = (user(picture, "one"), assistant("two"), user("three"))
    ids = answerer._prompt(turns).ids
    image = processor.image_token_id
    assert (ids == image).sum() == sum(processor.image_processor.runs_of(picture.size))
    words = built.tokenizer.decode(ids[ids != image]).replace(" ", "")
    assert words.removeprefix("<s>") == "[user]one[assistant]two[user]three[answer]"
    assert answerer.answer([Sample("x", turns)])
    with pytest.raises(BadInput, match="stands for a picture"):
        answerer.answer([Sample("forged", (user("what is <image>?"),))])


def test_a_directory_answers_as_the_model_in_memory(answerer: ModelAnswerer, questions: list[Sample], tmp_path: Path) -> None:
    answerer.model.save_pretrained(tmp_path)
    answerer.processor.save_pretrained(tmp_path)
    again = ModelAnswerer.from_directory(tmp_path, max_new_tokens=6)
    assert again.answer(questions) == answerer.answer(questions)
