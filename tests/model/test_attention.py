"""The attention description: every derived form says the same, and documents never see each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from omma.model import document_attention
from omma.model.document_attention import Documents, attending_documents, attends_documents
from omma.model.modeling import decoder_hidden
from omma.parts.attention import PADDING, AttentionPlan, word_positions

lengths = st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=4), min_size=1, max_size=3)


def rows(documents: list[list[int]]) -> Tensor:
    """Document ids of packed rows of these lengths, padded to the longest row."""
    width = max(map(sum, documents))
    ids = torch.full((len(documents), width), PADDING)
    for row, row_lengths in zip(ids, documents, strict=True):
        packed = torch.repeat_interleave(torch.arange(len(row_lengths)), torch.tensor(row_lengths))
        row[: len(packed)] = packed
    return ids


def blocks(documents: Tensor, seed: int) -> Tensor:
    """Random block ids that never decrease in a row."""
    steps = torch.randint(0, 2, documents.shape, generator=torch.Generator().manual_seed(seed))
    return steps.cumsum(1)


@settings(deadline=None, max_examples=60)
@given(lengths, st.integers(0, 1000))
def test_dense_is_the_rule(documents: list[list[int]], seed: int) -> None:
    ids = rows(documents)
    plan = AttentionPlan(ids, blocks(ids, seed))
    mask = plan.dense()[:, 0]
    for b in range(ids.shape[0]):
        for q in range(ids.shape[1]):
            for k in range(ids.shape[1]):
                same = ids[b, q] == ids[b, k] and ids[b, k] != PADDING
                allowed = same and plan.block_BL[b, k] <= plan.block_BL[b, q]
                assert bool(mask[b, q, k]) == bool(allowed or q == k)


@settings(deadline=None, max_examples=40)
@given(lengths, st.integers(0, 1000))
def test_flex_is_dense(documents: list[list[int]], seed: int) -> None:
    ids = rows(documents)
    plan = AttentionPlan(ids, blocks(ids, seed))
    b, q, k = torch.meshgrid(*(torch.arange(n) for n in (*ids.shape, ids.shape[1])), indexing="ij")
    assert torch.equal(plan.flex()(b, torch.zeros_like(b), q, k), plan.dense()[:, 0])


@settings(deadline=None, max_examples=40)
@given(lengths)
def test_varlen_and_positions_follow_the_documents(documents: list[list[int]]) -> None:
    plan = AttentionPlan.causal(rows(documents))
    edges, longest = plan.varlen()
    assert edges[0] == 0 and edges[-1] == plan.document_BL.numel() and int(edges.diff().max()) == longest
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        assert plan.document_BL.flatten()[start:stop].unique().numel() == 1
        assert plan.positions().flatten()[start:stop].tolist() == list(range(stop - start))


def test_a_block_of_several_tokens_is_not_varlen() -> None:
    plan = AttentionPlan(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[0, 0, 1]]))
    with pytest.raises(ValueError, match="varlen attention is causal, but a block of this plan holds several tokens"):
        plan.varlen()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"document ids have shape \(1, 3\), block ids \(1, 2\)"):
        AttentionPlan(torch.zeros(1, 3), torch.zeros(1, 2))


def toy(heads: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=heads,
        )
    )


@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("documents", [[[5]], [[3, 9, 1], [12]], [[40, 4], [20, 20], [1, 2, 3]]])
def test_document_attention_is_dense_attention(documents: list[list[int]], heads: int) -> None:
    """Hidden states and gradients, where tokens are real."""
    model = toy(heads)
    plan = AttentionPlan.causal(rows(documents))
    real = plan.document_BL != PADDING
    embedded = torch.randn(*plan.document_BL.shape, 32)
    direction = torch.randn(int(real.sum()), 32)

    def run(**attention: object) -> tuple[Tensor, list[Tensor]]:
        inputs = embedded.clone().requires_grad_()
        hidden = decoder_hidden(model, inputs_embeds=inputs, position_ids=plan.positions(), **attention)[real]
        wanted = [inputs, *model.model.layers.parameters()]
        return hidden, list(torch.autograd.grad((hidden * direction).sum(), wanted))

    expected, gradients = run(attention_mask=plan.dense())
    with attending_documents(model):
        assert attends_documents(model)
        found, found_gradients = run(documents=Documents.of(plan))
    assert not attends_documents(model)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    gradients[0], found_gradients[0] = gradients[0][real], found_gradients[0][real]
    for one, other in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(lengths)
def test_every_token_goes_and_comes_back(documents: list[list[int]]) -> None:
    plan = AttentionPlan.causal(rows(documents))
    ways = Documents.of(plan)
    assert torch.equal(ways.index[ways.back], torch.arange(plan.document_BL.numel()))
    assert len(ways.index) == sum(count * longest for count, longest in ways.shapes)


def test_no_document_sees_another() -> None:
    model = toy(4).eval()
    plan = AttentionPlan.causal(rows([[6, 9, 5]]))
    embedded = torch.randn(1, 20, 32)
    changed = embedded.clone()
    changed[:, 6:15] = torch.randn(1, 9, 32)
    with attending_documents(model), torch.no_grad():
        before, after = (
            decoder_hidden(model, inputs_embeds=e, position_ids=plan.positions(), documents=Documents.of(plan))
            for e in (embedded, changed)
        )
    other = torch.ones(20, dtype=torch.bool)
    other[6:15] = False
    assert torch.equal(before[:, other], after[:, other])
    assert not torch.equal(F.normalize(before[:, 6:15]), F.normalize(after[:, 6:15]))


@settings(deadline=None, max_examples=60)
@given(length=st.integers(1, 14), window=st.none() | st.integers(1, 14), block=st.integers(1, 15), seed=st.integers(0, 99))
def test_blocks_of_queries_attend_like_the_whole(length: int, window: int | None, block: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(2, heads, length, 4, generator=generator, dtype=torch.float64) for heads in (4, 2, 2)]
    window = None if window is None else min(window, length)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_attention, "BLOCK", block)
        for attend in (document_attention._fused, document_attention._products):
            leaves = [tensor.clone().requires_grad_() for tensor in inputs]
            attended = attend(*leaves, 0.5, 0.0, window)
            (attended * torch.linspace(-1, 1, attended.numel()).view_as(attended)).sum().backward()
            found.append([attended.detach(), *(leaf.grad for leaf in leaves)])
    torch.testing.assert_close(found[1], found[0])


@given(kinds=st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4), padding=st.integers(0, 3))
def test_pictures_see_themselves_and_words_what_is_before_them(kinds: list[list[bool]], padding: int) -> None:
    """Packed documents of pictures (True) and words, token by token."""
    document = torch.tensor([[d for d, kind in enumerate(kinds) for _ in kind] + [-1] * padding])
    is_image = torch.tensor([[image for kind in kinds for image in kind] + [False] * padding])
    found = AttentionPlan.with_pictures(document, is_image).dense()[0, 0]
    both = AttentionPlan.bidirectional(document).dense()[0, 0]
    length = document.shape[1]
    for q in range(length):
        for k in range(length):
            same = bool(document[0, q] == document[0, k] >= 0)
            one_picture = bool(is_image[0, min(q, k) : max(q, k) + 1].all())
            assert found[q, k] == ((same and (k <= q or one_picture)) or q == k)
            assert both[q, k] == (same or q == k)


@given(kinds=st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4), padding=st.integers(0, 3))
def test_words_are_counted_without_pictures(kinds: list[list[bool]], padding: int) -> None:
    document = torch.tensor([[d for d, kind in enumerate(kinds) for _ in kind] + [-1] * padding])
    is_word = torch.tensor([[word for kind in kinds for word in kind] + [False] * padding])
    expected = [sum(kind[: place + 1]) - 1 for kind in kinds for place in range(len(kind))] + [-1] * padding
    assert word_positions(is_word, document)[0].tolist() == expected
    for kind in kinds:
        assert word_positions(torch.tensor([kind]))[0].tolist() == [sum(kind[: i + 1]) - 1 for i in range(len(kind))]
