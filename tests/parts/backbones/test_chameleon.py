"""Chameleon's language model without its image tokenizer: alone, packed, and word by word."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import ChameleonConfig, ChameleonForConditionalGeneration

from omma.model.document_attention import Documents, attending_documents
from omma.model.modeling import decoder_hidden, target_losses
from omma.parts.attention import AttentionPlan
from omma.parts.backbones import BACKBONES

SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip


def language_model(**changes: Any) -> Any:
    torch.manual_seed(0)
    data = {"model_type": "omma_chameleon", **SIZES, "unwritten": [4, 20], **changes}
    model = BACKBONES.parse({"type": "transformers", "architecture": data}, where="backbone").build().causal_lm().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def ids_of(*shape: int) -> torch.Tensor:
    return torch.randint(24, 50, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("swin", [False, True])
@torch.no_grad()
def test_hidden_states_are_those_of_transformers(swin: bool) -> None:
    ours = language_model(swin_norm=swin)
    names = {f"IMGIMG{chr(65 + code // 10)}{chr(65 + code % 10)}Z": 4 + code for code in range(20)}
    vq = {"base_channels": 32, "channel_multiplier": [1], "embed_dim": 4, "latent_channels": 4, "num_embeddings": 20}
    config = ChameleonConfig(**SIZES, swin_norm=swin, vq_config=vq, vocabulary_map=names | {"<image>": 30})
    theirs = ChameleonForConditionalGeneration(config).eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    ids = ids_of(2, 9)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    found, wanted = ours(input_ids=ids, attention_mask=mask).logits, theirs(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(found[mask.bool()], wanted[mask.bool()])


@torch.no_grad()
def test_word_by_word_is_all_at_once() -> None:
    model = language_model()
    ids = ids_of(1, 8)
    whole = model(input_ids=ids).logits
    cache, rows = None, []
    for place in range(8):
        step = model(input_ids=ids[:, place : place + 1], past_key_values=cache, use_cache=True)
        cache = step.past_key_values
        rows.append(step.logits)
    torch.testing.assert_close(torch.cat(rows, dim=1), whole, atol=1e-5, rtol=1e-5)


def test_packed_documents_are_rows_of_their_own() -> None:
    model = language_model(swin_norm=True)
    ids = ids_of(1, 9)
    plan = AttentionPlan.causal(torch.tensor([[0] * 4 + [1] * 5]))
    with attending_documents(model), torch.no_grad():
        inputs = {"inputs_embeds": model.get_input_embeddings()(ids), "position_ids": plan.positions()}
        packed = decoder_hidden(model, **inputs, documents=Documents.of(plan))
    with torch.no_grad():
        alone = [model.model(input_ids=one).last_hidden_state for one in (ids[:, :4], ids[:, 4:])]
    torch.testing.assert_close(packed, torch.cat(alone, dim=1), atol=1e-5, rtol=1e-5)


def test_what_is_not_written_is_not_learned_either() -> None:
    model = language_model()
    hidden, targets = torch.randn(6, 32), ids_of(6)
    loss = target_losses(model, hidden, targets, 1e-5)
    loss.backward()
    rows = model.lm_head.weight.grad.abs().sum(1)
    assert loss.isfinite() and not rows[4:24].any() and rows[24:].all() and rows[:4].all()
    written = torch.cat([model.lm_head.weight[:4], model.lm_head.weight[24:]])
    among = torch.where(targets >= 24, targets - 20, targets)
    logits = hidden @ written.T
    expected = torch.nn.functional.cross_entropy(logits, among, reduction="sum") + 1e-5 * logits.logsumexp(-1).square().sum()
    torch.testing.assert_close(loss, expected)
