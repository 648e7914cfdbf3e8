"""`generate`: the cache, batches, beams and several answers give what the plain way gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from omma.model import OmmaForConditionalGeneration, OmmaProcessor

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
NEW = 6
PROMPTS = ("<image> USER: what is this?", "no picture here, only words", "how many? <image><image><image>")
LOUD = torch.tensor([1e4])
SHOWN = ((0,), (), (1, 2, 3))


@pytest.fixture(scope="module", params=["llama", "mistral", "qwen2", "qwen3"])
def pair(request: pytest.FixtureRequest, toy_model: Make) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    model, processor = toy_model(text=request.param)
    for generator in (model, model.language_model):
        generator.generation_config.eos_token_id = None  # random weights: compare answers of one length
    return model, processor


def _generated(model: OmmaForConditionalGeneration, inputs: dict[str, Tensor], **options: object) -> list[list[int]]:
    torch.manual_seed(0)
    ids = model.generate(**inputs, max_new_tokens=NEW, **{"do_sample": False} | options)  # type: ignore[arg-type]
    return ids[:, inputs["input_ids"].shape[1] :].tolist()


def _inputs(processor: OmmaProcessor, pictures: list[Image.Image], rows: tuple[int, ...]) -> dict[str, Tensor]:
    shown = [pictures[i] for row in rows for i in SHOWN[row]]
    return dict(processor(images=shown or None, text=[PROMPTS[row] for row in rows], return_tensors="pt"))


def test_the_cache_changes_nothing(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    inputs = _inputs(processor, pictures, (2,))
    cached = _generated(model, inputs)
    assert cached == _generated(model, inputs, use_cache=False)
    ids = inputs["input_ids"]
    for _ in range(NEW):  # and both are the argmax of a plain forward pass, step by step
        with torch.no_grad():
            logits = model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits
        ids = torch.cat([ids, logits[:, -1:].argmax(-1)], dim=1)
    assert ids[:, -NEW:].tolist() == cached


def test_a_batch_answers_as_each_alone(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    alone = [_generated(model, _inputs(processor, pictures, (row,)))[0] for row in range(3)]
    assert _generated(model, _inputs(processor, pictures, (0, 1, 2))) == alone
    assert _generated(model, _inputs(processor, pictures, (2, 0))) == [alone[2], alone[0]]
    assert len({tuple(answer) for answer in alone}) == 3


def test_pictures_are_looked_at(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    inputs = _inputs(processor, pictures, (2,))
    with torch.no_grad():
        seen = model(**inputs).logits[:, -1]
        swapped = model(**inputs | {"pixel_values": inputs["pixel_values"].flip(0)}).logits[:, -1]
    assert (seen - swapped).abs().max() > 1e-3


def test_every_beam_sees_the_pictures_of_its_row(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    options = {"num_beams": 3, "num_return_sequences": 2, "return_dict_in_generate": True, "output_scores": True}

    def beams(generator: PreTrainedModel, inputs: dict[str, Tensor]) -> tuple[list[list[int]], Tensor]:
        found = generator.generate(**inputs, max_new_tokens=NEW, do_sample=False, **options)
        return found.sequences[:, -NEW:].tolist(), found.sequences_scores

    def embedded(row: int) -> dict[str, Tensor]:
        """A row alone, its pictures spliced in beforehand: there is nothing left to tear apart."""
        inputs = _inputs(processor, pictures, (row,))
        with torch.no_grad():
            vectors = model.image_vectors(inputs["pixel_values"]) if "pixel_values" in inputs else None
            return {
                "inputs_embeds": model.embed(inputs["input_ids"], vectors),
                "attention_mask": inputs["attention_mask"],
            }

    alone = [beams(model.language_model, embedded(row)) for row in range(3)]
    answers, scores = beams(model, _inputs(processor, pictures, (0, 1, 2)))
    assert answers == [answer for row, _ in alone for answer in row]
    # Scores show whose pictures a beam saw even where the words would be the same.
    torch.testing.assert_close(scores, torch.cat([row for _, row in alone]), atol=1e-5, rtol=0)


def test_several_answers_all_see_the_rows_own_pictures(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    greedy = _generated(model, _inputs(processor, pictures, (2, 0)))
    cold = _generated(
        model, _inputs(processor, pictures, (2, 0)), do_sample=True, temperature=1e-4, num_return_sequences=3
    )
    assert cold == [answer for answer in greedy for _ in range(3)]


def test_vectors_serve_as_well_as_pixels(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    model, processor = pair
    inputs = _inputs(processor, pictures, (2, 0))
    with torch.no_grad():
        vectors = model.image_vectors(inputs["pixel_values"])
    given = {name: tensor for name, tensor in inputs.items() if name != "pixel_values"} | {"image_vectors": vectors}
    assert _generated(model, given, num_beams=2) == _generated(model, inputs, num_beams=2)


def test_a_wrong_number_of_pictures_is_a_clear_error(toy_model: Make, pictures: list[Image.Image]) -> None:
    model, processor = toy_model()
    inputs = _inputs(processor, pictures, (0,))
    with pytest.raises(ValueError, match="the prompt holds 16 image tokens, but the pictures give 32 vectors"):
        model(**inputs | {"pixel_values": inputs["pixel_values"].repeat(2, 1, 1, 1)})


def test_a_picture_s_token_is_never_written(
    pair: tuple[OmmaForConditionalGeneration, OmmaProcessor], pictures: list[Image.Image]
) -> None:
    """However likely: what it stands for is not there. Other tokens may be forbidden besides."""
    model, processor = pair
    inputs, image = _inputs(processor, pictures, (0, 1)), model.config.image_token_id
    head = model.get_output_embeddings()
    loud = head.register_forward_hook(lambda module, args, logits: logits.index_add(-1, torch.tensor([image]), LOUD.expand_as(logits[..., :1])))
    try:
        written = _generated(model, inputs)
        assert all(image not in row for row in written)
        other = written[0][0]
        assert all(other not in row for row in _generated(model, inputs, suppress_tokens=[other]))
        configured = GenerationConfig(suppress_tokens=[other], max_new_tokens=NEW)
        again = model.generate(**inputs, generation_config=configured)[:, inputs["input_ids"].shape[1] :]
        assert not {image, other} & set(again.flatten().tolist())
    finally:
        loud.remove()
