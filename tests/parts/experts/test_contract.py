"""What every expert inside a language model has to keep to, in every family of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration
from omma.model.composition import Composition
from omma.model.interop.exporting import export_transformers
from omma.model.loading import load_model
from omma.model.saving import load_parts, read_tensors, save_composition
from omma.objectives import OBJECTIVES
from omma.recipe import Lora
from omma.training.loop import _activation_checkpointing
from omma.training.lora import add_adapters
from omma.training.run import build_model, train
from toy_training import INSTRUCT, MODEL, assert_close, gradients, samples, step_of, toy_model, toy_recipe

Make = Callable[..., Composition]
Prompts = Callable[..., dict[str, Tensor]]
EXPERTS = ("partial-lora", "ffn", "all")
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
CLOSE = {"rtol": 1e-4, "atol": 1e-4}  # logits of the toy models are around 10

both = pytest.mark.parametrize("expert", EXPERTS)
families = pytest.mark.parametrize("family", FAMILIES)


@torch.no_grad()
def logits(model: Composition | OmmaForConditionalGeneration, inputs: dict[str, Tensor]) -> Tensor:
    """Of the tokens that are there."""
    vlm = model.vlm if isinstance(model, Composition) else model
    return vlm(**inputs).logits[inputs["attention_mask"].bool()]


@both
@families
def test_it_begins_as_no_change(make: Make, prompts: Prompts, family: str, expert: str) -> None:
    plain, new = make(None, family), make(expert, family, learned=False)
    for rows in (("www", "wwwww"), ("wpw", "wwppww")):
        inputs = prompts(plain, *rows)
        found, expected = logits(new, inputs), logits(plain, inputs)
        if expert == "partial-lora":
            assert torch.equal(found, expected)
        else:  # image tokens go through matrix products of another shape
            assert (found - expected).abs().max() < 1e-6 * expected.abs().max()
    words = prompts(plain, "www", "wwwww")
    assert torch.equal(logits(new, words), logits(plain, words))


@both
@families
def test_words_alone_never_notice_it(make: Make, prompts: Prompts, family: str, expert: str) -> None:
    plain, learned = make(None, family), make(expert, family)
    words = prompts(plain, "www", "wwwwwwww")
    assert torch.equal(logits(learned, words), logits(plain, words))
    seen = prompts(plain, "wwwpww")
    before, after = logits(plain, seen), logits(learned, seen)
    torch.testing.assert_close(after[:3], before[:3], **CLOSE)
    assert ((after[3:] - before[3:]).abs().amax(1) > 1e-2).all(), "pictures, and words that look at them"


@both
@families
def test_a_batch_is_as_each_row_alone(make: Make, prompts: Prompts, family: str, expert: str) -> None:
    model = make(expert, family)
    rows = ("wpw", "wwww", "wwppw")
    alone = torch.cat([logits(model, prompts(model, row)) for row in rows])
    torch.testing.assert_close(logits(model, prompts(model, *rows)), alone, **CLOSE)


@both
@families
def test_generation_is_the_argmax_of_plain_passes(make: Make, prompts: Prompts, family: str, expert: str) -> None:
    model = make(expert, family)
    rows, new = ("wpw", "wwww", "wwppw"), 5
    options: dict[str, Any] = {"max_new_tokens": new, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    options |= {"return_dict_in_generate": True, "output_logits": True}
    found = []
    for row in rows:
        inputs = prompts(model, row)
        ids, steps = inputs["input_ids"], []
        for _ in range(new):
            with torch.no_grad():
                step = model.vlm(input_ids=ids, **{k: v for k, v in inputs.items() if k == "pixel_values"}).logits[
                    :, -1:
                ]
            steps.append(step[0])
            ids = torch.cat([ids, step.argmax(-1)], dim=1)
        found.append(torch.cat(steps))
    together = prompts(model, *rows)
    for cached in (True, False):
        generated = model.vlm.generate(**together, **options, use_cache=cached).logits
        torch.testing.assert_close(torch.stack(generated, dim=1), torch.stack(found), **CLOSE)


@both
def test_beams_see_the_pictures_of_their_row(make: Make, prompts: Prompts, expert: str) -> None:
    model = make(expert)
    options: dict[str, Any] = {"max_new_tokens": 4, "num_beams": 3, "do_sample": False, "eos_token_id": None}
    options |= {"pad_token_id": 0, "return_dict_in_generate": True, "output_scores": True}
    rows = ("wpw", "wwww", "wwppw")
    alone = [model.vlm.generate(**prompts(model, row), **options) for row in rows]
    together = model.vlm.generate(**prompts(model, *rows), **options)
    assert together.sequences[:, -4:].tolist() == [one.sequences[0, -4:].tolist() for one in alone]
    scores = torch.cat([one.sequences_scores for one in alone])
    torch.testing.assert_close(together.sequences_scores, scores, **CLOSE)


@both
@families
def test_packed_is_unpacked(make: Make, family: str, expert: str) -> None:
    model = make(expert, family)
    chosen = [*samples(3, turns=2), *samples(1, world="panels", turns=1), *samples(1, world="arithmetic", task="words")]
    results = []
    for tokens in (16, 4096):
        config = {"type": "language-modeling", "row_tokens": tokens, "micro_tokens": tokens}
        objective = OBJECTIVES.parse(config, where="objective").build(model=model)
        step = step_of(objective, chosen)
        assert len(step.micro_batches) == (len(chosen) if tokens == 16 else 1)
        results.append(gradients(model, objective, step))
    (losses, found), (packed_losses, packed) = results
    assert packed_losses == pytest.approx(losses, rel=1e-4)
    assert {name for name, _ in model.named_parameters() if name.startswith("expert.")} <= set(packed)
    assert_close(found, packed, relative=1e-4)


@both
def test_only_the_expert_learns_if_only_it_is_to(make: Make, expert: str) -> None:
    model = make(expert)
    objective = OBJECTIVES.parse({"type": "language-modeling"}, where="objective").build(model=model)
    _, found = gradients(model, objective, step_of(objective, samples(3)), learn="expert.*")
    assert set(found) == {f"expert.{name}" for name, _ in model.expert.named_parameters()}
    # What the last block makes of image tokens is read by nothing but its own attention.
    assert all(bool(gradient.any()) for name, gradient in found.items() if name.startswith("expert.blocks.0."))
    words = step_of(objective, samples(2, world="arithmetic", task="words"))
    assert gradients(model, objective, words, learn="expert.*")[1] == {}


@both
@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputed_passes_take_their_own_route(make: Make, prompts: Prompts, expert: str, reentrant: bool) -> None:
    """Two passes with pictures in other places and one of words, and only then the way back through all of them."""
    model = make(expert).train()

    def found() -> dict[str, Tensor]:
        model.vlm.zero_grad()
        batches = [prompts(model, *rows) for rows in (("wwpw",), ("pwww",), ("w" * 19,))]
        loss = sum(model.vlm(**batch).logits.square().mean() for batch in batches)
        # On accelerators the way back is a thread of its own.
        back = Thread(target=loss.backward)
        back.start()
        back.join()
        return {name: p.grad.clone() for name, p in model.vlm.named_parameters() if p.grad is not None}

    kept = found()
    assert any(name.startswith("expert.") for name in kept)
    _activation_checkpointing(model.language_model, "enable")({"use_reentrant": reentrant})
    runs = []
    handle = model.language_model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    recomputed = found()
    handle.remove()
    assert len(runs) == 6, "every pass twice"
    assert_close(kept, recomputed, relative=1e-6)


@both
def test_a_saved_model_has_it(make: Make, prompts: Prompts, expert: str, tmp_path: Path) -> None:
    model = make(expert)
    save_composition(model, tmp_path, dtype=torch.float32)
    plain = {f"language_model.{name}" for name in make(None).language_model.state_dict()} - {
        "language_model.lm_head.weight"
    }
    stored = read_tensors(tmp_path)
    assert {name for name in stored if name.startswith("language_model.")} == plain, "a plain model inside"
    assert (tmp_path / "expert.safetensors").is_file()
    inputs = prompts(model, "wpw", "wwppw")
    for again in (
        load_model(tmp_path)[0],
        OmmaForConditionalGeneration.from_pretrained(tmp_path).eval(),
        copy.deepcopy(model).vlm,
    ):
        assert torch.equal(logits(again, inputs), logits(model, inputs))


def test_a_copy_has_an_expert_of_its_own(make: Make, prompts: Prompts) -> None:
    for expert in EXPERTS:
        model = make(expert)
        inputs = prompts(model, "wpw")
        before = logits(model, inputs)
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.expert.parameters():
                parameter.mul_(2)
        assert torch.equal(logits(model, inputs), before)
        assert not torch.equal(logits(other, inputs), before)


@both
def test_it_can_be_added_to_a_trained_model(make: Make, prompts: Prompts, expert: str, tmp_path: Path) -> None:
    plain = make(None)
    save_composition(plain, tmp_path, dtype=torch.float32)
    new = toy_model(expert=dict(make(expert).vlm.config.expert)).eval()
    load_parts(new, tmp_path)
    inputs = prompts(plain, "wpw", "wwww")
    torch.testing.assert_close(logits(new, inputs), logits(plain, inputs), **CLOSE)


def test_a_run_with_it(tmp_path: Path) -> None:
    learn = [{"pattern": "expert.*", "rate": 1e-2}]
    recipe = toy_recipe(
        model={"expert": {"type": "partial-lora", "rank": 2}},
        stages={"tune": {**INSTRUCT, "learn": learn, "precision": "bf16", "gradient_checkpointing": True}},
    )
    train(recipe, tmp_path)
    torch.manual_seed(recipe.seed)
    before = build_model(recipe).vlm.state_dict()
    after = read_tensors(tmp_path / "stages" / "tune")
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.startswith("expert.") for name in changed)
    load_model(tmp_path / "model")


@both
def test_embeddings_alone_are_not_enough(make: Make, prompts: Prompts, expert: str) -> None:
    model = make(expert)
    inputs = prompts(model, "wpw")
    with torch.no_grad():
        embedded = model.vlm.embed(inputs["input_ids"], model.vlm.image_vectors(inputs["pixel_values"]))
        with pytest.raises(ValueError, match="this model has to know which tokens are pictures: give input_ids"):
            model.vlm(inputs_embeds=embedded)
        given = model.vlm(inputs_embeds=embedded, input_ids=inputs["input_ids"]).logits
        assert torch.equal(given, model.vlm(**inputs).logits)


@both
def test_lora_merges_into_what_it_adapted(make: Make, prompts: Prompts, expert: str) -> None:
    model = make(expert)
    settings = Lora(rank=2, alpha=4, targets=["q_proj", "down_proj"])
    if expert == "all":
        with pytest.raises(BadInput, match=r"lora.targets: .* found 'q_proj', which an expert has split"):
            add_adapters(model.language_model, settings)
        settings = Lora(rank=2, alpha=4, targets=["gate_proj", "down_proj"])
    inputs = prompts(model, "wpw", "wwwwww")
    before = logits(model, inputs)
    adapters = add_adapters(model.language_model, settings)
    assert torch.equal(logits(model, inputs), before)
    for name, parameter in model.language_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted = logits(model, inputs)
    assert not torch.equal(adapted, before)
    adapters.merge_and_unload()
    torch.testing.assert_close(logits(model, inputs), adapted, **CLOSE)


@both
def test_export_refuses_it(make: Make, expert: str, tmp_path: Path) -> None:
    model = make(expert)
    (tmp_path / "model").mkdir()
    save_composition(model, tmp_path / "model", dtype=torch.float32)
    with pytest.raises(
        BadInput, match=r"config.json, expert: expected a model without experts, .* found '(partial|modality)-"
    ):
        export_transformers(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


UNSUPPORTED = {
    "gpt2": {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 2048},
    "mixtral": {
        **MODEL["backbone"]["architecture"], "model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 1,
    },
}  # fmt: skip


@both
@pytest.mark.parametrize("family", UNSUPPORTED)
def test_other_language_models_are_refused(family: str, expert: str, make: Make) -> None:
    backbone = {**MODEL["backbone"], "architecture": UNSUPPORTED[family]}
    with pytest.raises(
        BadInput, match=r"^model\.expert.*: expected .*blocks .*, found .* in (GPT2LMHeadModel|MixtralForCausalLM); "
    ):
        toy_model(backbone=backbone, expert=dict(make(expert).vlm.config.expert))


def test_an_expert_for_the_other_side_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"model.expert: expected an expert for the backbone, found window-lora, which is for the "
    ):
        toy_model(expert={"type": "window-lora"})
    with pytest.raises(BadInput, match=r"found partial-lora, which is for the backbone; write it under model.expert"):
        toy_model(encoder={**MODEL["encoder"], "expert": {"type": "partial-lora"}})


def test_an_expert_needs_a_whole_model() -> None:
    alone = {"encoder": None, "projector": None, "resolution": None, "expert": {"type": "partial-lora"}}
    with pytest.raises(BadInput, match="both an encoder and a backbone where there is an expert"):
        toy_recipe(model=alone, stages={})
