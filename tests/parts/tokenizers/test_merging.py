"""Selector, merger and the way back: counts as published, masked as packed, what sees what, and gradients to who chooses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from omma.parts.tokenizers.merging import Attention, Merger, Rebuilder, Selector, front, kept

WIDTH, FEATURES = 16, 9
SHAPE = {"layers": 2, "heads": 2, "mlp": 24}


def made(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.4)
    return module


def features(count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, FEATURES, WIDTH, generator=torch.Generator().manual_seed(seed))


def masks() -> Tensor:
    """Some kept, one kept, all kept, all but one kept."""
    mask = torch.rand(4, FEATURES, generator=torch.Generator().manual_seed(1)) > 0.6
    mask[1], mask[2], mask[3] = False, True, True
    mask[1, 4], mask[3, 4] = True, False
    return mask


def test_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        shape = {"layers": 12, "heads": 16, "mlp": 6144}
        parts = (Selector(1408), Merger(1408, **shape), Rebuilder(32, 1408, 256, **shape))
    selector, merger, rebuilder = (sum(p.numel() for p in part.parameters()) for part in parts)
    assert (selector, merger) == (3_227_490, 398_267_392)
    # The merger's blocks and one norm, codes and places and queries on one side, two layers on the other.
    assert rebuilder == merger - 2 * 1408 + (32 + 1) * 1408 + 2 * 256 * 1408 + 2 * (1408 + 1) * 1408


@torch.no_grad()
def test_packed_is_masked() -> None:
    """The vectors of what is kept, and all features told again from them."""
    merger, rebuilder = made(Merger(WIDTH, **SHAPE)), made(Rebuilder(WIDTH, WIDTH, FEATURES, **SHAPE))
    mask = masks()
    whole = merger(features(), mask.float())
    packed, there = merger.packed(features(), mask)
    assert there.sum(1).tolist() == mask.sum(1).tolist() and packed.shape == (4, FEATURES, WIDTH)
    torch.testing.assert_close(packed[there], whole[mask], atol=1e-5, rtol=1e-5)
    numbers = (mask.cumsum(1) - 1).clamp(min=0)
    masked = rebuilder(whole, numbers, mask.float())
    again = rebuilder(packed, torch.arange(packed.shape[1]).expand(4, -1), there.float())
    torch.testing.assert_close(again, masked, atol=1e-5, rtol=1e-5)
    for number in range(4):
        alone, _ = merger.packed(features()[number : number + 1], mask[number : number + 1])
        torch.testing.assert_close(alone[0], whole[number][mask[number]], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("changed", "is_kept"), [(3, True), (6, False)])
def test_kept_ones_see_those_before_them_and_all_that_is_dropped(changed: int, is_kept: bool) -> None:
    merger, mask = made(Merger(WIDTH, **SHAPE)), torch.tensor([[1, 0, 1, 1, 1, 0, 0, 1, 0]], dtype=torch.bool)
    before, other = features(1), features(1).clone()
    other[0, changed] = features(1, seed=5)[0, changed]
    apart = (merger(other, mask.float()) - merger(before, mask.float())).abs().amax(2)[0][mask[0]]
    kept_before = int(mask[0, :changed].sum())
    assert apart[kept_before:].min() > 1e-4
    assert (apart[:kept_before].max() < 1e-6) if is_kept else (apart[:kept_before].min() > 1e-4)


def test_attention_is_the_plain_one_among_what_is_there() -> None:
    attention = made(Attention(WIDTH, 2))
    queries, keys = features(2), features(2, seed=3)
    there = masks()[:2]
    split = [layer(of).unflatten(2, (2, -1)).transpose(1, 2) for layer, of in (
        (attention.query, queries), (attention.key, keys), (attention.value, keys))]  # fmt: skip
    plain = nn.functional.scaled_dot_product_attention(*split, attn_mask=there[:, None, None])
    torch.testing.assert_close(attention(queries, keys, there[:, None].float()), attention.out(plain.transpose(1, 2).flatten(2)))
    nothing = attention(queries, keys, torch.zeros(2, 1, FEATURES))
    torch.testing.assert_close(nothing, attention.out.bias.expand_as(nothing))


def test_half_of_what_the_selector_looks_at_is_shared() -> None:
    selector = made(Selector(WIDTH))
    chances = selector(features())
    assert chances.shape == (4, FEATURES, 2)
    torch.testing.assert_close(chances.exp().sum(2), torch.ones(4, FEATURES))
    read = selector.read(features())
    written = torch.cat([read[:, :, : WIDTH // 2], read[:, :, WIDTH // 2 :].mean(1, keepdim=True).expand(-1, FEATURES, -1)], 2)
    torch.testing.assert_close(selector.judge(written), chances)
    # In another order the same features are as likely.
    order = torch.randperm(FEATURES)
    torch.testing.assert_close(selector(features()[:, order]), chances[:, order])


def test_features_are_kept_as_often_as_is_likely_and_never_none() -> None:
    chances = torch.tensor([0.8, 0.3, 0.05]).log()[None, :, None].expand(4000, 3, 2).clone()
    chances[..., 1] = (1 - chances[..., 0].exp()).log()
    noise = -torch.empty(4000, 3, 2).exponential_(generator=torch.Generator().manual_seed(0)).log()
    mask = kept(chances, noise)
    assert set(mask.unique().tolist()) == {0.0, 1.0} and mask.sum(1).min() >= 1
    # What none would be kept of keeps one: a share of 0.2 * 0.7 * 0.95.
    assert mask.mean(0).tolist() == pytest.approx([0.8, 0.3, 0.05], abs=0.14)
    assert mask[mask.sum(1) > 1].mean() > 0.66
    assert kept(chances).mean(0).tolist() == [1, 0, 0]
    unlikely = torch.tensor([[[-3.0, -0.1], [-1.0, -0.5]]])
    assert kept(unlikely).tolist() == [[0, 1]]


@pytest.mark.parametrize("far", [1.0, 300.0])
def test_gradients_reach_who_chooses(far: float) -> None:
    """Also where everything is kept, and logits are far apart."""
    selector, merger = made(Selector(WIDTH)), made(Merger(WIDTH, **SHAPE))
    rebuilder = made(Rebuilder(WIDTH, WIDTH, FEATURES, **SHAPE))
    merger.blocks[0].cross_attention.query.weight.data *= far
    chances = selector(features())
    # Of one picture everything is kept, of the others about half.
    shift = torch.cat([(chances[:3, :, 1] - chances[:3, :, 0]).median(1).values, torch.tensor([99.0])])
    mask = kept(torch.stack([chances[..., 0] + shift.detach()[:, None], chances[..., 1]], dim=2))
    assert mask[3].min() == 1 and mask[:3].mean() < 0.7
    found = rebuilder(merger(features(), mask), (mask > 0.5).cumsum(1).sub(1).clamp(min=0), mask)
    found.square().sum().backward()
    for part in (selector, merger, rebuilder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            # A bias of keys moves all logits of a query alike.
            assert parameter.grad.abs().max() > 0 or name.endswith("key.bias"), name


def test_what_is_chosen_comes_first_and_in_order() -> None:
    numbers, there = front(torch.tensor([[False, True, False, True], [False, False, False, True], [False] * 4]))
    assert there.tolist() == [[True, True], [True, False], [False, False]]
    assert numbers[0].tolist() == [1, 3] and numbers[1, 0] == 3
