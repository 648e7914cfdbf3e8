"""BLIP-2's first stage: similarities and matching of transformers, generation by hand, who is drawn as a wrong partner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import BertConfig, BertModel, Blip2Config, Blip2ForImageTextRetrieval

from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.objectives import OBJECTIVES, itc_itm_itg
from omma.objectives.text_of_queries import may_see
from omma.recipe import ModelRecipe
from toy_training import MODEL, gradients, samples, step_of, toy_model

VISION = {
    "model_type": "blip_2_vision_model", "image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
FORMER = {
    "model_type": "blip_2_qformer", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
    "num_attention_heads": 2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 40,
}  # fmt: skip
PARTS: dict[str, Any] = {
    "resolution": {"type": "stretch-square", "size": 32},
    "encoder": {"type": "transformers", "architecture": VISION, "cls": "keep", "tap": "final"},
    "projector": {"type": "q-former", "queries": 3, "architecture": FORMER},
}


def queries(**changes: Any) -> Composition:
    return toy_model(**(PARTS | changes))


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    made = OBJECTIVES.parse({"type": "itc-itm-itg", "projection": 16} | config, where="objective").build(model=model)
    # Far enough from zero that every weight shows.
    with torch.no_grad():
        for parameter in [*made.parameters(), *model.projector.parameters()]:
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return made.eval()


def batch_of(objective: Any, chosen: list[Sample]) -> dict[str, torch.Tensor]:
    (batch,) = step_of(objective, chosen).micro_batches
    return {key: torch.from_numpy(value) for key, value in batch.items()}


def captioned(count: int = 5) -> list[Sample]:
    return samples(count, task="describe")


def retrieval(model: Composition, objective: Any) -> Blip2ForImageTextRetrieval:
    """The class of transformers with the same weights."""
    text = objective.text
    former = FORMER | {"vocab_size": text.decode_id + 1, "use_qformer_text_input": True, "encoder_hidden_size": 32}
    peer = Blip2ForImageTextRetrieval(
        Blip2Config(vision_config=VISION, qformer_config=former, num_query_tokens=3, image_text_hidden_size=16)
    ).eval()
    peer.config.image_token_index = None
    assert model.projector is not None and model.encoder is not None
    with torch.no_grad():
        peer.vision_model.load_state_dict(model.encoder.model.state_dict())
        peer.query_tokens.copy_(model.projector.queries)
        peer.embeddings.load_state_dict(text.embeddings.state_dict())
        peer.qformer.load_state_dict(model.projector.model.state_dict(), strict=False)
        for layer, inner, outer in zip(peer.qformer.encoder.layer, text.inner, text.outer, strict=True):
            layer.intermediate.load_state_dict(inner.state_dict())
            layer.output.load_state_dict(outer.state_dict())
        peer.vision_projection.load_state_dict(objective.query_projection.state_dict())
        peer.text_projection.load_state_dict(objective.text_projection.state_dict())
        peer.itm_head.load_state_dict(objective.matching.state_dict())
    return peer


@torch.no_grad()
def test_similarities_and_matching_are_those_of_transformers() -> None:
    model = queries()
    objective = objective_of(model)
    batch = batch_of(objective, captioned())
    ids = batch["text.ids"]
    assert len({int(n) for n in (ids != 0).sum(1)}) > 1, "texts of several lengths, so that some are padded"
    assert model.encoder is not None
    pixels = itc_itm_itg.normalize(batch["views"], *model.encoder.normalizations[0])
    peer = retrieval(model, objective)
    given = {"pixel_values": pixels, "input_ids": ids, "attention_mask": (ids != 0).long()}
    told = ids.clone()
    told[:, 0] = objective.text.decode_id
    features = objective._features(batch["views"])
    expanded = objective.former.queries.expand(len(ids), -1, -1)
    found = objective.text.read(
        objective.former.model, told, may_see(ids != 0, 3, "generation"), queries=expanded, features=features
    )
    alone = objective.text.read(objective.former.model, ids, may_see(ids != 0, 0, "contrastive"))
    likeness = objective.likeness(found[:, :3], alone[:, 0])
    expected = peer(**given)
    torch.testing.assert_close(likeness, expected.logits_per_image, atol=1e-5, rtol=0)
    # A picture's vectors are the same whether it is seen alone or beside a text that only listens.
    torch.testing.assert_close(
        F.normalize(objective.query_projection(found[:, :3]), dim=-1), expected.image_embeds, atol=1e-5, rtol=0
    )
    matched = peer(**given, use_image_text_matching_head=True).logits_per_image
    torch.testing.assert_close(objective.match(features, ids), matched, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_contrastive_loss_by_hand() -> None:
    objective = objective_of(queries(), label_smoothing=0.1)
    likeness = torch.randn(4, 4)
    same = torch.eye(4, dtype=torch.bool)
    logits = likeness / 0.07
    targets = 0.9 * torch.eye(4) + 0.1 / 4
    expected = -(targets * logits.log_softmax(1)).sum() / 2 - (targets * logits.log_softmax(0)).sum() / 2
    torch.testing.assert_close(objective._contrastive(logits, same), expected)


@torch.no_grad()
def test_generation_one_word_at_a_time() -> None:
    """Each next word from the queries and the words before it alone, without a mask."""
    model = queries()
    objective = objective_of(model)
    batch = batch_of(objective, captioned(3))
    found = objective.losses(batch)["itg"]
    features = objective._features(batch["views"])
    total = torch.tensor(0.0)
    for row, ids in enumerate(batch["text.ids"]):
        real = ids[ids != 0]
        for end in range(1, len(real)):
            begun = real[None, :end].clone()
            begun[0, 0] = objective.text.decode_id
            sight = may_see(torch.ones(1, end, dtype=torch.bool), 3, "generation")
            states = objective.text.read(
                objective.former.model, begun, sight, queries=objective.former.queries, features=features[row : row + 1]
            )
            total -= objective.text.words(states[0, -1:]).log_softmax(-1)[0, real[end]]
    torch.testing.assert_close(found, total, rtol=1e-4, atol=1e-4)
    assert objective.weights({k: v.numpy() for k, v in batch.items()})["itg"] == sum(
        int((ids != 0).sum()) - 1 for ids in batch["text.ids"]
    )


def test_who_may_see_whom() -> None:
    real = torch.tensor([[True, True, False]])
    both = may_see(real, 2, "generation")[0, 0].int().tolist()
    assert both == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]
    assert may_see(real, 2, "matching")[0, 0].int().tolist() == [[1, 1, 1, 1, 0]] * 5
    assert may_see(real, 0, "contrastive")[0, 0].int().tolist() == [[1, 1, 0]] * 3


def test_wrong_partners_are_drawn_by_likeness_and_never_have_the_same_text() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([[9.0, 5.0, 1.0, 9.0]]).repeat(2000, 1)
    same = torch.tensor([[True, False, False, True]]).repeat(2000, 1)
    counts = torch.bincount(itc_itm_itg._drawn(logits, same), minlength=4)
    assert counts[0] == counts[3] == 0
    # By softmax(5, 1) with a little of both: 98 and 2 in 100.
    assert 1900 < counts[1] < 1990 and counts[2] > 10


@torch.no_grad()
def test_matching_sees_one_right_and_two_wrong_pairs_for_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of(queries())
    one, two, three, four, *_ = captioned()
    chosen = [one, two, three, Sample("again", (user(four.images[0]), assistant(one.turns[-1].text)), meta=one.meta)]
    batch = batch_of(objective, chosen)
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []
    match = type(objective).match

    def noted(self: Any, features: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        asked.append((features, ids))
        return match(self, features, ids)

    monkeypatch.setattr(type(objective), "match", noted)
    objective.losses(batch)
    ((features, ids),) = asked
    assert len(ids) == 12 == objective.weights({k: v.numpy() for k, v in batch.items()})["itm"]
    every = objective._features(batch["views"])
    for n, (seen, said) in enumerate(zip(features, ids, strict=True)):
        picture = next(i for i, own in enumerate(every) if torch.equal(own, seen))
        texts = [i for i, own in enumerate(batch["text.ids"]) if torch.equal(own, said)]
        assert (picture in texts) == (n < 4), "the fourth says what the first says: neither is wrong for the other"


def test_queries_and_text_learn_and_what_only_the_language_model_reads_does_not() -> None:
    model = queries()
    objective = objective_of(model).train()
    losses, found = gradients(model, objective, step_of(objective, captioned()))
    assert set(losses) == {"itc", "itm", "itg"} and all(value > 0 for value in losses.values())
    learned = {name for name, gradient in found.items() if gradient.abs().max() > 0}
    unread = {f"projector.linear.{name}" for name in ("weight", "bias")}
    unread |= {name for name in found if name.startswith("language_model")}
    # What [PAD] says, no text asks.
    assert {name for name in found if name.startswith(("objective", "projector"))} - unread == {
        name for name in learned if name.startswith(("objective", "projector"))
    }
    assert not learned & unread


def test_panels_take_no_part() -> None:
    model = queries()
    objective = objective_of(model)
    one = captioned(1)
    several = samples(2, world="panels", task="describe")
    alone, _ = gradients(model, objective, step_of(objective, one))
    mixed, _ = gradients(model, objective, step_of(objective, [*several, *one]))
    assert mixed == pytest.approx(alone, rel=1e-5)
    assert gradients(model, objective, step_of(objective, several))[0] == {}


def test_equal_texts_alone_leave_nothing_to_tell_apart() -> None:
    model = queries()
    objective = objective_of(model)
    chosen = [Sample(str(i), (user(one.images[0]), assistant("the same"))) for i, one in enumerate(captioned(3))]
    losses, _ = gradients(model, objective, step_of(objective, chosen))
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())


def test_it_begins_with_bert(tmp_path: Path) -> None:
    torch.manual_seed(3)
    tokens = objective_of(queries()).text.decode_id
    shape = {name: FORMER[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    bert = BertModel(BertConfig(vocab_size=tokens, max_position_embeddings=40, **shape), add_pooling_layer=False)
    bert.save_pretrained(tmp_path / "bert")
    given = {name: dict(MODEL | PARTS)[name] for name in MODEL}
    given["projector"] = PARTS["projector"] | {"weights": str(tmp_path / "bert")}
    model = compose(ModelRecipe(**given))
    made: Any = OBJECTIVES.parse({"type": "itc-itm-itg", "weights": str(tmp_path / "bert")}, where="").build(model=model)
    layer, block = bert.encoder.layer[1], model.projector.model.encoder.layer[1]
    assert torch.equal(block.attention.attention.query.weight, layer.attention.self.query.weight)
    assert torch.equal(block.intermediate_query.dense.weight, layer.intermediate.dense.weight)
    assert torch.equal(made.text.inner[1].dense.weight, layer.intermediate.dense.weight)
    assert torch.equal(made.text.embeddings.word_embeddings.weight[:tokens], bert.embeddings.word_embeddings.weight)
    given["projector"] = given["projector"] | {"architecture": FORMER | {"num_hidden_layers": 2}}
    with pytest.raises(BadInput, match=r"projector\.weights: expected a BERT with .*num_hidden_layers 2, found .*num_hidden_layers 3"):
        compose(ModelRecipe(**given))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"projector": {"type": "mlp"}}, r"model\.projector: expected a q-former.* found mlp"),
        ({"resolution": {"type": "closest-aspect", "size": 32}}, r"model\.resolution: expected .* whole picture.* closest-aspect"),
    ],
)
def test_what_it_cannot_train_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        OBJECTIVES.parse({"type": "itc-itm-itg"}, where="objective").build(model=queries(**changes))
