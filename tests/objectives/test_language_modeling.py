"""Language modelling: the loss and its gradient do not depend on how samples are laid out, cut or cached."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from omma.data.feature_cache import FeatureCache
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.document_attention import Documents, attending_documents, attends_documents
from omma.model.modeling import decoder_hidden
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.objectives.base import MicroBatch, Objective
from omma.parts.attention import AttentionPlan
from toy_training import MODEL, assert_close, gradients, samples, step_of, toy_model


def objective_of(model: Composition, **config: Any) -> Objective:
    return OBJECTIVES.parse({"type": "language-modeling", **config}, where="objective").build(model=model)


def mixed() -> list[Sample]:
    """Pictures, several pictures, and no picture at all."""
    return [
        *samples(4, turns=2),
        *samples(2, world="panels", turns=1),
        *samples(2, world="arithmetic", task="words", turns=2),
    ]


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 50},
    "qwen2": {"use_sliding_window": True, "sliding_window": 50, "max_window_layers": 1},
    "qwen3": {"head_dim": 16},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_logits_are_those_of_each_sample_alone(family: str) -> None:
    """Against `transformers` itself: every sample by itself, with the model's own attention."""
    architecture = {**MODEL["backbone"]["architecture"], "model_type": family, **FAMILIES[family]}
    model = toy_model(backbone={**MODEL["backbone"], "architecture": architecture})
    assert model.language_model is not None
    batch = step_of(objective_of(model, row_tokens=2048), mixed()).micro_batches[0]
    tensors = {key: value if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in batch.items()}
    with torch.no_grad():
        with attending_documents(model.language_model):
            assert attends_documents(model.language_model)
            packed = logits_of(model, batch)
        embedded = model.embed(tensors)
        for number in range(len(mixed())):
            own = tensors["document"][0] == number
            alone = model.language_model(inputs_embeds=embedded[:, own]).logits
            torch.testing.assert_close(packed[:, own], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_packed_is_unpacked(share: float) -> None:
    model = toy_model()
    alone = objective_of(model, row_tokens=16, micro_tokens=16, prompt_share=share)
    packed = objective_of(model, row_tokens=2048, micro_tokens=8192, prompt_share=share)
    chosen = mixed()
    steps = [step_of(alone, chosen), step_of(packed, chosen)]
    assert len(steps[0].micro_batches) == len(chosen)
    assert len(steps[1].micro_batches) == 1
    assert steps[1].micro_batches[0]["document"].max() > 0
    (losses, found), (packed_losses, packed_found) = (
        gradients(model, one, step) for one, step in zip((alone, packed), steps, strict=True)
    )
    assert packed_losses == pytest.approx(losses, rel=1e-5)
    assert_close(found, packed_found)


def test_z_loss_written_out() -> None:
    """Of every word that is learned, beside its cross-entropy."""
    model = toy_model()
    plain, with_z = (objective_of(model, z_loss=z) for z in (0.0, 0.1))
    (batch,) = step_of(plain, samples(1)).micro_batches
    tensors = {key: array if array.dtype.kind == "U" else torch.from_numpy(array) for key, array in batch.items()}
    losses = [one.losses(tensors)["loss"].item() for one in (plain, with_z)]
    hidden = decoder_hidden(model.language_model, inputs_embeds=model.embed(tensors))[:, :-1]  # type: ignore[arg-type]
    learned = tensors["labels"][:, 1:] != -100
    sums = model.language_model.lm_head(hidden[learned]).exp().sum(-1).log()  # type: ignore[union-attr, operator]
    assert losses[1] == pytest.approx(losses[0] + 0.1 * float((sums**2).sum()), rel=1e-5)


def test_accumulated_is_one() -> None:
    model = toy_model()
    chosen = mixed()
    one, many = objective_of(model, row_tokens=128, micro_tokens=8192), objective_of(model, row_tokens=128, micro_tokens=128)
    whole, cut = step_of(one, chosen), step_of(many, chosen)
    assert len(whole.micro_batches) == 1 and len(cut.micro_batches) >= 3
    losses, found = gradients(model, one, whole)
    cut_losses, cut_found = gradients(model, many, cut)
    assert cut_losses == pytest.approx(losses, rel=1e-5)
    assert_close(found, cut_found)


def logits_of(model: Composition, batch: MicroBatch) -> torch.Tensor:
    tensors = {key: value if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in batch.items()}
    plan = AttentionPlan.causal(tensors["document"])
    inputs = {"inputs_embeds": model.embed(tensors), "position_ids": plan.positions()}
    assert model.language_model is not None
    if attends_documents(model.language_model):
        inputs["documents"] = Documents.of(plan)
    else:
        inputs["attention_mask"] = plan.dense()
    return model.language_model.get_output_embeddings()(decoder_hidden(model.language_model, **inputs))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["documents", "dense"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_editing_a_packed_sample_changes_no_other(dtype: torch.dtype, kind: str) -> None:
    model = toy_model().to(dtype)
    assert model.language_model is not None
    objective = objective_of(model, row_tokens=512)
    batch = step_of(objective, samples(5, turns=2)).micro_batches[0]
    assert batch["document"].max() == 4
    with attending_documents(model.language_model) if kind == "documents" else nullcontext():
        before = logits_of(model, batch)
    edited = {key: value.copy() for key, value in batch.items()}
    words = (batch["document"] == 2) & (batch["input_ids"] > 10)
    edited["input_ids"][words] = 10 + (edited["input_ids"][words] * 7) % 1000
    pictures = edited["pixels"].reshape(5, -1)  # one view each, all of one size
    pictures[2] = 255 - pictures[2]
    with attending_documents(model.language_model) if kind == "documents" else nullcontext():
        after = logits_of(model, edited)
    own = torch.from_numpy(batch["document"] == 2)
    assert torch.equal(before[~own], after[~own])
    assert not torch.equal(before[own], after[own])


def test_labels_stay_within_their_sample() -> None:
    batch = step_of(objective_of(toy_model(), row_tokens=512), samples(5, turns=1)).micro_batches[0]
    learned = batch["labels"] != IGNORE
    assert (batch["labels"][learned] == batch["input_ids"][learned]).all()
    first = np.diff(batch["document"], axis=1, prepend=-1) != 0
    assert not (learned & first).any(), "the first token of a sample is predicted by nothing of it"
    assert not (learned & (batch["document"] < 0)).any()


def test_cached_is_uncached(tmp_path: Path) -> None:
    model = toy_model()
    chosen = mixed()
    objective = objective_of(model)
    learn = "[!e]*"  # everything but the encoder
    losses, found = gradients(model, objective, step_of(objective, chosen), learn=learn)
    model.feature_cache = FeatureCache(tmp_path, model.fingerprint(), 10**8)
    gradients(model, objective, step_of(objective, chosen[:3]), learn=learn)
    partly = step_of(objective, chosen)
    assert {"pixels", "features"} <= partly.micro_batches[0].keys()
    whole_losses, whole_found = gradients(model, objective, partly, learn=learn)
    cached = step_of(objective, chosen)
    assert "pixels" not in cached.micro_batches[0]
    cached_losses, cached_found = gradients(model, objective, cached, learn=learn)
    # More than the 1e-5 that is asked for: features do not depend on what was encoded beside them, to the last bit.
    assert whole_losses == cached_losses == losses
    assert_close(found, whole_found, relative=0.0)
    assert_close(found, cached_found, relative=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_do_not_depend_on_their_company(dtype: torch.dtype) -> None:
    model = toy_model().to(dtype)
    assert model.encoder is not None
    model.encoder.requires_grad_(False)
    objective = objective_of(model, row_tokens=2048)
    batches = step_of(objective, samples(21, turns=1)).micro_batches
    views = torch.from_numpy(np.concatenate([b["pixels"] for b in batches])).view(21, -1)
    shape = tuple(batches[0]["view_shapes"][0].tolist())

    def encoded(some: torch.Tensor) -> torch.Tensor:
        return torch.stack(model._encode(some.flatten(), [[shape]] * len(some)))

    together = encoded(views)
    assert len(together) == 21
    for cuts in ([1, 20], [8, 8, 5], [3] * 7):
        assert torch.equal(torch.cat([encoded(part) for part in views.split(cuts)]), together)
    order = torch.randperm(21, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encoded(views[order]), together[order])


def test_words_alone_give_the_projector_nothing() -> None:
    model = toy_model()
    objective = objective_of(model, row_tokens=64, micro_tokens=64)
    words = samples(2, world="arithmetic", task="words", turns=1)
    losses, found = gradients(model, objective, step_of(objective, words), learn="projector.*")
    assert losses["loss"] > 0 and not found
    pictures = samples(2, turns=1)
    both = gradients(model, objective, step_of(objective, [*words, *pictures]), learn="projector.*")[1]
    assert both


def test_a_sample_that_teaches_nothing_is_bad() -> None:
    collator = objective_of(toy_model(), max_length=40).collator()
    with pytest.raises(BadInput, match=r"sample 1: expected something to learn within 40 tokens"):
        collator.prepare(Sample("1", (user("word " * 50), assistant("yes"))))


def test_speed_counts_no_padding() -> None:
    objective = objective_of(toy_model())
    step = step_of(objective, samples(3, turns=2))
    assert step.tokens == sum(int((batch["document"] >= 0).sum()) for batch in step.micro_batches)
    assert (step.samples, step.images) == (3, 3)
    assert replace(step, bad=[]).tokens < sum(batch["input_ids"].size for batch in step.micro_batches)
