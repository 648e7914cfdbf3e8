"""Unified-IO 2's Transformer: its published sizes and formulas, and that packing, caches and later words change nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import DynamicCache

from omma.errors import BadInput
from omma.parts.attention import PADDING, AttentionPlan
from omma.parts.backbones.sides import SLOT
from omma.parts.backbones.unified_io2 import UnifiedIo2Config, UnifiedIo2ForCausalLM, patterns_of
from omma.parts.experts.routing import routed

IMAGE, BEGIN, END, PAD = 3, 4, 2, 0
READ, DRAWN = 2, 7
"""Sides of pictures that are read and drawn."""
ONE = [10, 11, IMAGE, IMAGE, IMAGE, IMAGE, 12, BEGIN, 20, 21, END]
TWO = [13, 14, 15, BEGIN, 22, IMAGE, IMAGE, IMAGE, IMAGE, 23, 24, END, 16, 17, BEGIN, 25, 26, END]
THREE = [18, BEGIN, 27, *[SLOT] * DRAWN**2]


def toy(**fields: Any) -> UnifiedIo2ForCausalLM:
    """With weights large enough for everything to matter."""
    torch.manual_seed(0)
    config = UnifiedIo2Config(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_encoder_layers=2, num_hidden_layers=3, num_attention_heads=2,
        image_side=READ, drawn_side=DRAWN, answer_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD, **fields,
    )  # fmt: skip
    model = UnifiedIo2ForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, 0.5)
    return model.eval()


def embedded(model: UnifiedIo2ForCausalLM, ids: list[int], seed: int = 0) -> Tensor:
    """[L, H]: words from the table; of pictures and slots something of their own, whatever stands beside them."""
    noise = torch.randn(len(ids), 16, generator=torch.Generator().manual_seed(seed))
    tokens = torch.tensor(ids)
    words = model.model.embed_tokens(tokens.clamp(min=0))
    return torch.where(((tokens == IMAGE) | (tokens == SLOT))[:, None], noise, words)


@torch.no_grad()
def run(model: UnifiedIo2ForCausalLM, embeds: Tensor, ids: Tensor, document: Tensor, past: int = 0, **inputs: Any) -> Any:
    """The new tokens behind ``past`` ones."""
    with routed(model.sides(ids, document, image=IMAGE)):
        return model.model(inputs_embeds=embeds[:, past:], **inputs)


def alone(model: UnifiedIo2ForCausalLM, ids: list[int], embeds: Tensor | None = None) -> Tensor:
    """[L, H] of one document."""
    tokens = torch.tensor([ids])
    given = embedded(model, ids) if embeds is None else embeds
    return run(model, given[None], tokens, torch.zeros_like(tokens)).last_hidden_state[0]


@pytest.mark.parametrize(
    ("fields", "published"),
    [
        ({}, 776_866_816),
        ({"hidden_size": 2048, "intermediate_size": 5120}, 2_837_190_656),
        ({"hidden_size": 3072, "intermediate_size": 8192, "num_attention_heads": 24}, 6_520_700_928),
    ],
)
def test_published_sizes(fields: dict[str, int], published: int) -> None:
    """But for the tables of codes: the painter's of pictures, of sound none; the count leaves the vectors of modalities out."""
    with torch.device("meta"):
        model = UnifiedIo2ForCausalLM(UnifiedIo2Config(**fields))
    model.tie_weights()
    width = model.config.hidden_size
    found = sum(parameter.numel() for parameter in model.parameters())
    assert found - 4 * width + (16_512 + 8_320) * width == published


@torch.no_grad()
def test_plain_formulas() -> None:
    """Written out, one attention after another, of a picture and words that are read, and words and a picture that are said."""
    model = toy()
    said, answer = [10, 11, IMAGE, IMAGE, IMAGE, IMAGE, 12], [BEGIN, 20, *[SLOT] * DRAWN**2]
    given = embedded(model, said + answer)
    found = alone(model, said + answer, given)
    inner = model.model

    def norm(weight: Tensor, x: Tensor) -> Tensor:
        return weight * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()

    def rotation(numbers: list[tuple[float, ...]]) -> Tensor:
        """[L, 4] unit complex numbers for heads of 8 channels; a word has one number, a token of a picture two."""
        rows = []
        for place in numbers:
            speeds = 4 // len(place)
            rows.append([n / 10000 ** (i / speeds) for n in place for i in range(speeds)])
        angles = torch.tensor(rows)
        return torch.polar(torch.ones_like(angles), angles)

    def attention(module: Any, q: Tensor, k: Tensor, turns_q: Tensor, turns_k: Tensor, allowed: Tensor) -> Tensor:
        def heads(projection: nn.Module, x: Tensor) -> Tensor:
            return projection(x).view(len(x), 2, 8).transpose(0, 1)

        def turn(x: Tensor, by: Tensor) -> Tensor:
            pairs = torch.view_as_complex(x.reshape(2, -1, 4, 2).contiguous())
            return torch.view_as_real(pairs * by).flatten(2)

        query = turn(norm(module.q_norm.weight, heads(module.q_proj, q)), turns_q)
        key = turn(norm(module.k_norm.weight, heads(module.k_proj, k)), turns_k)
        logits = (query @ key.transpose(1, 2) / math.sqrt(8)).masked_fill(~allowed, -math.inf)
        return module.o_proj((logits.softmax(-1) @ heads(module.v_proj, k)).transpose(0, 1).flatten(1))

    def network(mlp: Any, x: Tensor) -> Tensor:
        return mlp.down_proj(torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x))

    kinds = torch.tensor([0, 0, 1, 1, 1, 1, 0])
    hidden = given[:7] + inner.encoder.modality.weight[kinds]
    stretch = DRAWN / READ
    turns = rotation([(0,), (1,), *[(r * stretch, c * stretch) for r in range(READ) for c in range(READ)], (2,)])
    everything = torch.ones(7, 7, dtype=torch.bool)
    for block in inner.encoder.layers:
        normed = norm(block.input_layernorm.weight, hidden)
        hidden = hidden + attention(block.self_attn, normed, normed, turns, turns, everything)
        hidden = hidden + network(block.mlp, norm(block.post_attention_layernorm.weight, hidden))
    encoded = norm(inner.encoder.norm.weight, hidden)

    codes = DRAWN**2
    hidden = given[7:] + inner.decoder.modality.weight[torch.tensor([0, 0, *[1] * codes])]
    own = rotation([(0,), (1,), *[(r, c) for r in range(DRAWN) for c in range(DRAWN)]])
    over = torch.ones(2 + codes, 7, dtype=torch.bool)
    for number, block in enumerate(inner.decoder.layers):
        allowed = torch.ones(2 + codes, 2 + codes, dtype=torch.bool).tril()
        for later in range(codes):
            for earlier in range(later + 1):
                (row, column), (row_, column_) = divmod(later, DRAWN), divmod(earlier, DRAWN)
                near = abs(row - row_) <= 5 and abs(column - column_) <= 5
                seen = (later - earlier <= DRAWN, column == column_, near)[number]
                allowed[2 + later, 2 + earlier] = seen
        normed = norm(block.input_layernorm.weight, hidden)
        hidden = hidden + attention(block.self_attn, normed, normed, own, own, allowed)
        normed = norm(block.cross_layernorm.weight, hidden)
        hidden = hidden + attention(block.cross_attn, normed, encoded, own, turns, over)
        hidden = hidden + network(block.mlp, norm(block.post_attention_layernorm.weight, hidden))
    expected = norm(inner.decoder.norm.weight, hidden) / math.sqrt(16)
    torch.testing.assert_close(found[7:], expected, rtol=1e-4, atol=1e-5)
    assert not found[:7].any(), "what is encoded predicts nothing"
    torch.testing.assert_close(model.lm_head(found), found @ inner.embed_tokens.weight.T)


def test_patterns_of_blocks() -> None:
    """Columns in the second block and every fourth one behind it, surroundings in the last one, rows in the others."""
    model = UnifiedIo2ForCausalLM(UnifiedIo2Config(vocab_size=8, hidden_size=8, intermediate_size=8, num_encoder_layers=1,
                                                   num_hidden_layers=8, num_attention_heads=2))  # fmt: skip
    assert [model.model._pattern(number) for number in range(8)] == [0, 1, 0, 0, 0, 1, 0, 2]
    place = torch.arange(1024)
    row, column, near = patterns_of(place[:, None], place[None], 32)
    causal = place[None] <= place[:, None]
    # A row and its own place; rows before it; eleven rows and columns around, up to itself.
    assert [int((pattern & causal)[1023 - 495].sum()) for pattern in (row, column, near)] == [33, 17, 5 * 11 + 6]


def test_packed_is_alone() -> None:
    """Documents of several segments and pictures in one row, with padding behind them: each as if it were by itself."""
    model = toy()
    documents = [ONE, TWO, THREE, ONE]
    ids = torch.tensor([[*(token for one in documents for token in one), *[PAD] * 5]])
    document = torch.tensor([[*[n for n, one in enumerate(documents) for _ in one], *[PADDING] * 5]])
    given = torch.cat([*(embedded(model, one) for one in documents), torch.zeros(5, 16)])[None]
    expected = torch.cat([alone(model, one) for one in documents])
    for mask in (None, AttentionPlan.causal(document).dense()):
        hidden = run(model, given, ids, document, attention_mask=mask).last_hidden_state[0]
        torch.testing.assert_close(hidden[:-5], expected, rtol=1e-4, atol=1e-5)
        assert not hidden[-5:].any()


@pytest.mark.parametrize("ids", [ONE, TWO, THREE], ids=["one", "two", "three"])
@pytest.mark.parametrize("stride", [1, 4])
def test_cached_as_uncached(ids: list[int], stride: int) -> None:
    """Some tokens at a time, whatever side they are on: but a segment has to come whole, as it sees itself in both directions."""
    model = toy()
    tokens, given = torch.tensor([ids]), embedded(model, ids)[None]
    expected = alone(model, ids)
    cache, past, document = DynamicCache(), 0, torch.zeros_like(tokens)
    encoded = model.sides(tokens, document, image=IMAGE).encoded_BS[0].tolist()
    while past < len(ids):
        stop = min(past + stride, len(ids))
        while stop < len(ids) and encoded[stop - 1] and encoded[stop]:
            stop += 1
        whole = slice(0, stop)
        output = run(model, given[:, whole], tokens[:, whole], document[:, whole], past, past_key_values=cache, use_cache=True)
        torch.testing.assert_close(output.last_hidden_state[0], expected[past:stop], rtol=1e-4, atol=1e-5)
        assert cache.get_seq_length() == stop
        past = stop


def test_tokens_taken_back() -> None:
    """Slots that are not kept leave nothing behind."""
    model = toy()
    given, tokens = embedded(model, THREE)[None], torch.tensor([THREE])
    document, cache = torch.zeros_like(tokens), DynamicCache()
    run(model, given[:, :3], tokens[:, :3], document[:, :3], past_key_values=cache)
    for _ in range(2):
        again = run(model, given, tokens, document, 3, past_key_values=cache).last_hidden_state
        torch.testing.assert_close(again[0], alone(model, THREE)[3:], rtol=1e-4, atol=1e-5)
        cache.crop(-(DRAWN**2))
    # Taken back to before what was encoded, and read again.
    cache.crop(-2)
    cache.crop(-1)
    whole = run(model, given, tokens, document, past_key_values=cache).last_hidden_state
    torch.testing.assert_close(whole[0], alone(model, THREE), rtol=1e-4, atol=1e-5)
    # Taken back to before a picture, which is then not read.
    cache, other = DynamicCache(), [*TWO[:5], 23, 24]
    for ids, past in ((TWO[:10], 0), (other, 5)):
        given, tokens = embedded(model, ids)[None], torch.tensor([ids])
        found = run(model, given, tokens, torch.zeros_like(tokens), past, past_key_values=cache).last_hidden_state
        torch.testing.assert_close(found[0], alone(model, ids)[past:], rtol=1e-4, atol=1e-5)
        cache.crop(-5)


def test_batched_with_padding_is_alone() -> None:
    """Rows of several lengths, filled up on the left, read at once and then word by word; one has ended before the other."""
    model = toy()
    rows = [ONE, TWO[:5]]
    longest = max(map(len, rows))
    left = [longest - len(row) for row in rows]
    later = [[PAD, PAD, PAD], [28, 29, 30]]
    ids = torch.tensor([[PAD] * n + row + more for n, row, more in zip(left, rows, later, strict=True)])
    given = torch.stack(
        [torch.cat([torch.zeros(n, 16), embedded(model, row + more)]) for n, row, more in zip(left, rows, later, strict=True)]
    )
    document = torch.where(torch.arange(longest + 3) >= torch.tensor(left)[:, None], 0, PADDING)
    cache = DynamicCache()
    found = [run(model, given[:, :longest], ids[:, :longest], document[:, :longest], past_key_values=cache).last_hidden_state]
    for past in range(longest, longest + 3):
        seen = slice(0, past + 1)
        found.append(run(model, given[:, seen], ids[:, seen], document[:, seen], past, past_key_values=cache).last_hidden_state)
    hidden = torch.cat(found, dim=1)
    for number, row in enumerate(rows):
        expected = alone(model, row + later[number])
        torch.testing.assert_close(hidden[number, left[number] :], expected, rtol=1e-4, atol=1e-5)
    # What fills up a row that has ended does not go through the encoder.
    assert not model.sides(ids, document, image=IMAGE).encoded_BS[:, longest:].any()


WORDS = st.integers(min_value=10, max_value=31)
TURN = st.tuples(st.lists(WORDS, max_size=3), st.booleans(), st.lists(WORDS, max_size=3), st.booleans())


@settings(max_examples=30, deadline=None)
@given(st.lists(TURN, min_size=1, max_size=3), st.data())
def test_later_tokens_change_nothing(turns: list[Any], data: st.DataObject) -> None:
    """Neither what is said afterwards nor what is asked afterwards; of a later prompt an answer sees nothing."""
    model, picture = toy(), [IMAGE] * READ**2
    ids: list[int] = []
    for asked, shown, answer, drawn in turns:
        ids += [*asked, *picture * shown, BEGIN, *answer, *picture * drawn, *[9] * drawn, END]
    cut = data.draw(st.integers(min_value=1, max_value=len(ids)))
    before = ids[:cut]
    given = embedded(model, ids)
    if model.sides(torch.tensor([before]), torch.zeros(1, cut, dtype=torch.int64), image=IMAGE).encoded_BS[0, -1]:
        # Of a prompt that goes on the rest is seen, but by nobody before it.
        begun = next((n for n in range(cut, 0, -1) if not _encoded(model, ids)[n - 1]), 0)
        before = ids[:begun]
    whole = alone(model, ids, given)
    if before:
        torch.testing.assert_close(whole[: len(before)], alone(model, before, given[: len(before)]), rtol=1e-4, atol=1e-5)
    # And everything before it matters to an answer.
    last = len(ids) - 1
    for place in range(last):
        changed = given.clone()
        changed[place] += 1.0
        other = alone(model, ids, changed)
        assert not torch.allclose(other[last], whole[last], atol=1e-7), place


def _encoded(model: UnifiedIo2ForCausalLM, ids: list[int]) -> list[bool]:
    tokens = torch.tensor([ids])
    found: list[bool] = model.sides(tokens, torch.zeros_like(tokens), image=IMAGE).encoded_BS[0].tolist()
    return found


def test_sides_written_out() -> None:
    model = toy()
    ids = torch.tensor([[PAD, *TWO, *THREE[:5]]])
    document = torch.tensor([[PADDING, *[0] * len(TWO), *[1] * 5]])
    sides = model.sides(ids, document, image=IMAGE)
    assert "".join("de"[int(e)] if e or d else "-" for e, d in zip(sides.encoded_BS[0], sides.decoded_BS[0], strict=True)) == (
        "-" "eee" "dd" "eeee" "ddd" "ee" "dddd" "e" "dddd"
    )  # fmt: skip
    #                                     words  <answer> picture     words     words <answer>...   e  <answer> slots
    assert sides.place_BS[0, 1:].tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3, 2, 3, 4, 3, 4, 5, 6, 7, 8, 0, 0, 1, 0, 1]
    assert sides.segment_BS[0].tolist() == [0, *[1] * 5, *[2] * 7, *[3] * 6, *[4] * 5]


def test_nothing_asked() -> None:
    """An answer to nothing at all, which looks at nothing, and one beside it."""
    model = toy()
    found = alone(model, [BEGIN, 20, 21])
    assert found.isfinite().all() and found.any(dim=1).all()
    ids, document = torch.tensor([[BEGIN, 20, 21, *ONE]]), torch.tensor([[0, 0, 0, *[1] * len(ONE)]])
    given = torch.cat([embedded(model, [BEGIN, 20, 21]), embedded(model, ONE)])[None]
    both = run(model, given, ids, document).last_hidden_state[0]
    torch.testing.assert_close(both, torch.cat([found, alone(model, ONE)]), rtol=1e-4, atol=1e-5)
    # From a cache, and then something is asked.
    cache, ids = DynamicCache(), torch.tensor([[BEGIN, 20, 21, END, 16, 17, BEGIN, 25]])
    given, document = embedded(model, ids[0].tolist())[None], torch.zeros_like(ids)
    steps = []
    for past, stop in ((0, 1), (1, 2), (2, 4), (4, 8)):
        seen = slice(0, stop)
        steps.append(run(model, given[:, seen], ids[:, seen], document[:, seen], past, past_key_values=cache).last_hidden_state)
    torch.testing.assert_close(torch.cat(steps, dim=1)[0], alone(model, ids[0].tolist()), rtol=1e-4, atol=1e-5)


def test_what_it_has_to_know() -> None:
    model = toy()
    with pytest.raises(ValueError, match="call it inside of routed, with the Sides of its tokens"):
        model(inputs_embeds=torch.zeros(1, 2, 16))
    tokens = torch.tensor([ONE])
    with pytest.raises(ValueError, match="the route is of 11 tokens, but 0 are known and 12 are new"):
        run(model, torch.zeros(1, 12, 16), tokens, torch.zeros_like(tokens))
    with pytest.raises(BadInput, match="a multiple of 4, for rows and columns, found width 12 over 2 heads"):
        UnifiedIo2ForCausalLM(UnifiedIo2Config(vocab_size=8, hidden_size=12, num_attention_heads=2))
