"""Drawing as an objective: what a sample becomes, losses written out, and that they do not depend on how samples are laid out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from omma.data.sample import ImageSegment, Role, Sample, TextSegment, Turn, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.objectives.base import MicroBatch
from omma.objectives.drawing import Drawing, PreparedCanvas
from omma.parts.attention import AttentionPlan
from omma.parts.painters.base import Dice
from omma.parts.pixels import normalize
from omma.training.run import train
from toy_drawing import DRAW, EMBEDDINGS, WAYS, drawing_model
from toy_training import assert_close, gradients, log_lines, samples, step_of, toy_model, toy_recipe, weights

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")


def objective_of(model: Composition, **config: Any) -> Drawing:
    objective: Drawing = OBJECTIVES.parse({"type": "drawing", **config}, where="objective").build(model=model)
    return objective


def interleaved() -> Sample:
    """Words, a picture, words, another picture, and a question about it."""
    first, second = (sample.images[0] for sample in samples(2, task="draw"))
    said = (TextSegment("here: "), ImageSegment(first), TextSegment("and "), ImageSegment(second))
    return Sample(
        "interleaved",
        (
            user("draw two pictures"), Turn(Role.ASSISTANT, said, learn=True),
            user("what is it?"), Turn(Role.ASSISTANT, (TextSegment("a star"),), learn=True),
        ),
    )  # fmt: skip


def mixed() -> list[Sample]:
    return [*samples(4, task="draw"), *samples(2, turns=2), interleaved()]


def tensors_of(batch: MicroBatch) -> dict[str, Any]:
    return {key: value if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in batch.items()}


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_written_out(way: str) -> None:
    """One picture: what was said, the announcing token, the slots, and the painter's loss on what the model makes of them."""
    model = drawing_model(way)
    objective = objective_of(model, unasked=0.0, closing=0.0)
    (sample,) = samples(1, task="draw")
    (batch,) = step_of(objective, [sample]).micro_batches
    losses = objective.losses(tensors_of(batch))
    vlm, painter, tokenizer = model.vlm, model.painter, model.image_tokenizer
    assert vlm is not None and painter is not None and tokenizer is not None
    ids = batch["input_ids"][0][batch["document"][0] == 0][: -painter.slots]
    assert model.tokenizer is not None
    assert model.tokenizer.decode(ids).rstrip() == f"USER: {sample.turns[0].text} ASSISTANT:"
    view = np.array(sample.images[0].load().resize((16, 16), 3))
    views = torch.from_numpy(batch["canvas_views"])
    with torch.no_grad():
        codes = painter.target(tokenizer, views, None)
        read = tokenizer.codes(normalize(views, *tokenizer.normalization))
    assert torch.equal(codes[:, : read.shape[1]].where(read >= 0, -1), read)
    assert np.abs(batch["canvas_views"][0].astype(int) - view).mean() < 3
    embed = vlm.get_input_embeddings()
    announced = torch.tensor([vlm.config.image_token_id])
    lesson = painter.lesson(codes, embed(announced), Dice(batch["canvas_seeds"].tolist()))
    embedded = torch.cat([embed(torch.from_numpy(ids))[None], lesson.slots], dim=1)
    blocks = torch.cat([torch.arange(len(ids)), len(ids) + painter.blocks()])[None]
    plan = AttentionPlan(torch.zeros_like(blocks), blocks)
    out = vlm.language_model(inputs_embeds=embedded, attention_mask=plan.dense(), output_hidden_states=True)
    expected = painter.losses(out.hidden_states[-1][:, len(ids) :], codes, lesson)
    torch.testing.assert_close(losses["drawing"], expected[0])
    said_so = torch.nn.functional.cross_entropy(out.logits[:, len(ids) - 1], announced)
    torch.testing.assert_close(losses["loss"], said_so)
    assert objective.weights(batch) == {"loss": 1.0, "drawing": 1.0}


@pytest.mark.parametrize("way", WAYS | EMBEDDINGS)
def test_packed_is_unpacked(way: str) -> None:
    model = drawing_model(way)
    alone = objective_of(model, row_tokens=16, micro_tokens=16, closing=1.0)
    packed = objective_of(model, row_tokens=4096, micro_tokens=16384, closing=1.0)
    steps = [step_of(one, mixed()) for one in (alone, packed)]
    assert len(steps[0].micro_batches) == 4 + 4 + 2 + 3, way
    assert len(steps[1].micro_batches) == 1
    assert steps[0].samples == steps[1].samples == 7
    learn = "[lp]*"  # the language model, the projector and the painter
    (losses, found), (packed_losses, packed_found) = (
        gradients(model, one, step, learn=learn) for one, step in zip((alone, packed), steps, strict=True)
    )
    assert packed_losses == pytest.approx(losses, rel=1e-5)
    assert_close(packed_found, found, relative=1e-4)
    painters = [name for name in found if name.startswith("painter.")]
    assert painters and all(found[name].abs().max() > 0 for name in painters)


def test_what_samples_become() -> None:
    """A sequence for the words, if there are any, and one for every picture, with what was said before it."""
    model = drawing_model("raster")
    collator = objective_of(model, unasked=0.0, closing=0.0).collator()
    (words,) = collator.prepare(samples(1, turns=2)[0])
    assert not isinstance(words, PreparedCanvas)
    (canvas,) = collator.prepare(samples(1, task="draw")[0])
    assert isinstance(canvas, PreparedCanvas) and not canvas.pictures
    labels = canvas.rendered.labels
    token = collator.renderer.image_token_id
    assert labels[-64] == token and (np.delete(labels, -64) == IGNORE).all() and (canvas.rendered.input_ids != token).all()
    first, second, words = collator.prepare(interleaved())
    assert isinstance(first, PreparedCanvas) and isinstance(second, PreparedCanvas) and not isinstance(words, PreparedCanvas)
    # The second is drawn by who has read the first; words are learned by who has read both.
    assert [len(one.pictures) for one in (first, second, words)] == [0, 1, 2]
    decode = model.tokenizer.decode  # type: ignore[union-attr]
    assert decode(first.rendered.input_ids[:-64], skip_special_tokens=True).rstrip().endswith("here:")
    assert decode(second.rendered.input_ids[:-64], skip_special_tokens=True).rstrip().endswith("and")
    assert decode(words.rendered.labels[words.rendered.labels != IGNORE], skip_special_tokens=True).split() == [
        "here:", "and", "a", "star"
    ]  # fmt: skip


def test_how_often_nothing_is_said_and_ends_are_learned() -> None:
    collator = objective_of(drawing_model("raster"), unasked=0.25, closing=0.4).collator()
    (sample,) = samples(1, task="draw")
    every = [collator.prepare(sample, position) for position in range(600)]
    lengths = [len(one[0].rendered.input_ids) for one in every]
    assert sum(length == min(lengths) for length in lengths) / 600 == pytest.approx(0.25, abs=0.06)
    assert sum(len(one) == 2 for one in every) / 600 == pytest.approx(0.4, abs=0.06)
    assert len({one[0].seed for one in every}) == 600  # type: ignore[attr-defined]
    again = collator.prepare(sample, 17)[0]
    assert isinstance(again, PreparedCanvas) and again.seed == every[17][0].seed  # type: ignore[attr-defined]


def test_codes_are_exact_whatever_is_computed_in() -> None:
    """A tokenizer that stays as it is keeps float32 where everything else is rounded."""
    model = drawing_model("next-scale")
    assert model.image_tokenizer is not None and model.language_model is not None
    from omma.recipe import Optimizer, Rate
    from omma.training.groups import learning_groups
    from omma.training.optimizer import MasterOptimizer

    for learn, expected in (("painter.*", torch.float32), ("image_tokenizer.*", torch.bfloat16)):
        trained = torch.nn.ModuleDict({"image_tokenizer": model.image_tokenizer, "painter": model.painter})
        optimizer = MasterOptimizer(trained, learning_groups(trained, [Rate(pattern=learn, rate=1.0)]), Optimizer(), torch.bfloat16)
        assert {parameter.dtype for parameter in model.image_tokenizer.parameters()} == {expected}
        optimizer.finish()


@pytest.mark.parametrize("way", WAYS | EMBEDDINGS)
def test_resumed_is_uninterrupted_and_what_was_saved_draws(way: str, tmp_path: Path) -> None:
    recipe = toy_recipe(model=(WAYS | EMBEDDINGS)[way], stages={"draw": DRAW})
    whole = train(recipe, tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", report=stop)
    train(recipe, tmp_path / "parts")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert log_lines(tmp_path / "whole") == log_lines(tmp_path / "parts")
    before = toy_model(**(WAYS | EMBEDDINGS)[way]).image_tokenizer
    assert before is not None and whole.image_tokenizer is not None
    for name, tensor in before.state_dict().items():
        assert torch.equal(whole.image_tokenizer.state_dict()[name], tensor), name


def test_a_model_that_only_reads_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model\.painter: expected a painter, for the objective drawing, found none"):
        objective_of(toy_model())


def test_a_prompt_without_room_for_the_picture_is_named() -> None:
    collator = objective_of(drawing_model("raster"), unasked=0.0, max_length=70).collator()
    (sample,) = samples(1, task="draw")
    with pytest.raises(BadInput, match=r"sample shapes/train/0#draw, picture to be drawn: expected at most 70 tokens up to its end"):
        collator.prepare(sample)
