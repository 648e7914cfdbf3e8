"""Masked data modelling: what is hidden is what is guessed, as a mean over all of it, and nothing shows through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.recipe import load_recipe
from toy_training import assert_close, gradients, samples, step_of, toy_model

MASK, PICTURE, BOS, EOS = 1104, 3, 1, 2
PATCHES = 16
TOKENIZER = load_recipe("beit3", "debug").stages["pretrain"].objective.visual_tokenizer.to_dict()


@pytest.fixture
def model() -> Composition:
    torch.manual_seed(0)
    return compose(load_recipe("beit3", "debug").model)


def built(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    objective = OBJECTIVES.parse(
        {"type": "masked-data-modeling", "visual_tokenizer": TOKENIZER, **config}, where="objective"
    ).build(model=model)
    return objective.eval()


def mixed() -> list[Sample]:
    pairs, texts = samples(2, task="describe"), samples(4, task="text")[2:]
    pictures = samples(6, task="picture")[4:]
    return [*pairs, *texts, *pictures]


def test_shares_of_each_kind(model: Composition) -> None:
    """Pairs: half of the words, 40% of the patches. Texts: 15% of the words. Pictures: 40% of the patches."""
    collator = built(model).collator()
    for number, sample in enumerate(mixed()):
        found = collator.prepare(sample, number)
        whole = collator.renderer.render(sample)
        ids, labels = found.rendered.input_ids, found.rendered.labels
        masked = labels != IGNORE
        words = ~np.isin(whole.input_ids, [PICTURE, BOS, EOS])
        share = {0: 0.5, 1: 0.15, 2: 0.0}[number // 2]
        assert masked.sum() == round(share * words.sum())
        assert not (masked & ~words).any(), "special tokens are never masked"
        assert (ids[masked] == MASK).all() and np.array_equal(ids[~masked], whole.input_ids[~masked])
        assert np.array_equal(labels[masked], whole.input_ids[masked])
        assert found.patches.sum() == len(sample.images) * round(0.4 * PATCHES)
        assert found.patches.shape == (len(sample.images) * PATCHES,)


def test_another_position_is_another_mask_and_the_same_is_the_same(model: Composition) -> None:
    collator = built(model).collator()
    (sample,) = samples(1, task="describe")
    first, again, other = (collator.prepare(sample, position) for position in (0, 0, 1))
    assert np.array_equal(first.rendered.labels, again.rendered.labels) and np.array_equal(first.patches, again.patches)
    assert not np.array_equal(first.rendered.labels, other.rendered.labels)


def test_one_mean_over_words_and_patches(model: Composition) -> None:
    """Packed, it is what every sample gives by itself, written out."""
    objective = built(model, row_tokens=4096)
    collator = objective.collator()
    prepared = [collator.prepare(sample, number) for number, sample in enumerate(mixed())]
    step = collator.collate(prepared)
    batches = [{name: torch.as_tensor(value) if value.dtype.kind != "U" else value for name, value in batch.items()}
               for batch in step.micro_batches]  # fmt: skip
    with torch.no_grad():
        total = sum(float(loss) for batch in batches for loss in objective.losses(batch).values())
        weights = [objective.weights(batch) for batch in step.micro_batches]
        expected = sum(alone(objective, one) for one in prepared)
    assert total == pytest.approx(expected, rel=1e-4)
    count = sum(int((one.rendered.labels != IGNORE).sum() + one.patches.sum()) for one in prepared)
    assert sum(w["words"] for w in weights) == sum(w["patches"] for w in weights) == count


def alone(objective: Any, one: Any) -> float:
    """The summed losses of one sample, written out."""
    model = objective.model
    vlm, tokenizer = model.vlm, objective.visual_tokenizer
    ids, labels = (torch.from_numpy(a)[None] for a in (one.rendered.input_ids, one.rendered.labels))
    vectors, loss = None, 0.0
    if one.pictures:
        pixels = torch.from_numpy(one.pictures[0].data).view(1, 32, 32, 3).permute(0, 3, 1, 2) / 255
        features = model.encoder((pixels - 0.5) / 0.5)
        vectors = model.projector.embed(features, (4, 4), torch.from_numpy(one.patches)[None])[0]
    with model.routing(ids):
        hidden = vlm.language_model.model(
            inputs_embeds=vlm.embed(ids, vectors),
            attention_mask=torch.ones(1, 1, ids.shape[1], ids.shape[1], dtype=torch.bool),
        ).last_hidden_state
    if one.pictures:
        codes = tokenizer.codes((pixels - 0.5) / 0.5)[0]
        seen = hidden[0, 1:17][torch.from_numpy(one.patches)]
        loss += float(F.cross_entropy(objective.head(seen), codes[torch.from_numpy(one.patches)], reduction="sum"))
    masked = labels != IGNORE
    return loss + float(F.cross_entropy(vlm.language_model.lm_head(hidden[masked]), labels[masked], reduction="sum"))


def test_micro_batches_do_not_matter(model: Composition) -> None:
    found = []
    for tokens in (16, 4096):
        objective = built(model, micro_tokens=tokens, row_tokens=tokens)
        found.append(gradients(model, objective, step_of(objective, mixed())))
    (small, one), (large, other) = found
    assert small == pytest.approx(large, rel=1e-5)
    assert_close(one, other)


def test_what_is_masked_does_not_show(model: Composition) -> None:
    """Other pixels under masked patches, other words under masks: nothing that is predicted changes."""
    objective = built(model)
    collator = objective.collator()
    (sample,) = samples(1, task="describe")
    batch = {name: torch.as_tensor(value) if value.dtype.kind != "U" else value
             for name, value in collator.collate([collator.prepare(sample)]).micro_batches[0].items()}  # fmt: skip
    changed = dict(batch)
    pixels = batch["pixels"].view(4, 8, 4, 8, 3).clone()
    for patch in batch["masked_patches"].nonzero()[:, 0].tolist():
        pixels[patch // 4, :, patch % 4] = 255 - pixels[patch // 4, :, patch % 4]
    changed["pixels"] = pixels.flatten()
    with torch.no_grad():
        assert torch.equal(objective.hidden(batch), objective.hidden(changed))
        assert not torch.equal(batch["pixels"], changed["pixels"])
        visible = dict(batch, pixels=255 - batch["pixels"])
        assert not torch.equal(objective.hidden(batch), objective.hidden(visible))


def test_everything_but_the_tokenizer_learns(model: Composition) -> None:
    objective = built(model)
    _, found = gradients(model, objective, step_of(objective, mixed()))
    own = {name for name, gradient in found.items() if name.startswith("objective.") and gradient.any()}
    assert own == {"objective.head.weight", "objective.head.bias"}
    for part in ("projector.mask", "projector.first", "projector.positions", "language_model.", "expert.blocks", "expert.pair_blocks"):
        assert any(name.startswith(part) and gradient.any() for name, gradient in found.items()), part


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["model.encoder={type: patches, patch: 16}", "model.projector.input_side=2"],
            r"visual_tokenizer: expected one code for each of the 2 x 2 patches of the model, found 4 x 4 codes",
        ),
        (["model.projector={type: linear}"], r"expected patch-embedding over an encoder of type patches.*found linear over patches"),
        (["model.resolution={type: closest-aspect, size: 32, max_tiles: 4}"], r"hides a part of, found closest-aspect"),
    ],
)
def test_misfits(changes: Sequence[str], message: str) -> None:
    composition = compose(load_recipe("beit3", "debug", changes).model)
    with pytest.raises(BadInput, match=message):
        built(composition)


def test_language_models_from_left_to_right() -> None:
    with pytest.raises(BadInput, match=r"looks both ways.*found LlamaForCausalLM; .*model_type omma_beit3"):
        built(toy_model())


def test_a_sample_of_nothing(model: Composition) -> None:
    collator = built(model).collator()
    with pytest.raises(BadInput, match=r"sample nothing: expected words that can be masked within 1024 tokens, found none"):
        collator.prepare(Sample("nothing", (user(""), assistant(""))))
