"""Which features of a picture to keep, what they take over from those that are dropped, and the way back to all features (LaVIT,
arXiv 2309.04669, section 3.1).

While that is learned no feature goes away: the keep mask stands in the softmax of attention, so that shapes stay fixed and
gradients reach who chose (as in DynamicViT, 2106.02034, section 3.3). Afterwards only those that are kept are computed, packed to
the front. Both ways give the same vectors for the same mask.

Shapes: N pictures, T features, K kept ones at most, M queries, C channels, D numbers of a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-5
"""Of the norms."""


class Selector(nn.Module):
    """How likely each feature is to be kept. Half of the channels are its own, half the mean of all features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.LayerNorm(width, eps=EPS), nn.Linear(width, width), nn.GELU())
        self.judge = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Linear(width // 2, width // 4),
            nn.GELU(),
            nn.Linear(width // 4, 2),
            nn.LogSoftmax(dim=-1),
        )
        _init(self)

    def forward(self, features_NTC: Tensor) -> Tensor:
        """Logarithms of the probabilities to be kept and to be dropped, [N, T, 2].

        The mean is the mask-weighted one of pruning in several steps, of which this is the only one: all features are there.
        """
        own, shared = self.read(features_NTC).chunk(2, dim=2)
        return self.judge(torch.cat([own, shared.mean(1, keepdim=True).expand_as(own)], dim=2))  # type: ignore[no-any-return]


def kept(chances_NT2: Tensor, noise_NT2: Tensor | None = None) -> Tensor:
    """The keep mask [N, T]: 1 for features that are kept, 0 for others, of each picture at least one.

    In the backward pass it counts as the probability (straight-through Gumbel-softmax, arXiv 1611.01144).

    Args:
        chances_NT2: logarithms of the probabilities to be kept and to be dropped.
        noise_NT2: of the standard Gumbel distribution, to keep each feature as often as is likely; without, the likelier is done.
    """
    drawn = chances_NT2.float() if noise_NT2 is None else chances_NT2.float() + noise_NT2
    share = drawn.softmax(dim=2)[..., 0]
    chosen = (share > 0.5).scatter(1, share.argmax(1, keepdim=True), True)
    return chosen.float() + (share - share.detach())


def front(chosen_NT: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers [N, K] of what is chosen, in order, and which of them [N, K] are there: pictures with fewer are filled up."""
    counts = chosen_NT.sum(1)
    most = max(1, int(counts.max()))
    numbers = (~chosen_NT).int().argsort(dim=1, stable=True)[:, :most]
    return numbers, torch.arange(most, device=chosen_NT.device) < counts[:, None]


class Attention(nn.Module):
    """Multi-head attention among keys that are there to a degree: 1, 0, or a number that gradients go through."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, queries_NMC: Tensor, keys_NTC: Tensor, there: Tensor) -> Tensor:
        """What the queries find, [N, M, C]; where no key is there, what the last layer makes of nothing.

        Args:
            there: [N, M or 1, T].
        """
        query, key, value = (
            layer(of).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, of in ((self.query, queries_NMC), (self.key, keys_NTC), (self.value, keys_NTC))
        )
        logits, there = (query @ key.transpose(2, 3)).float() * query.shape[-1] ** -0.5, there[:, None]
        with torch.no_grad():
            largest = logits.masked_fill(there == 0, -torch.inf).amax(3, keepdim=True)
        # Of a key that is not there only the gradient of its being there depends on its logit: bounded, it cannot overflow.
        weights = (logits - largest.clamp(min=torch.finfo(logits.dtype).min)).clamp(max=0).exp() * there
        total = weights.sum(3, keepdim=True)
        weights = weights / total.where(total > 0, 1)
        return self.out((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Tokens look at each other, then at something else, and think about it."""

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.norm_self, self.norm_cross, self.norm_mlp = (nn.LayerNorm(width, eps=EPS) for _ in range(3))
        self.self_attention, self.cross_attention = Attention(width, heads), Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.GELU(), nn.Linear(mlp, width))

    def forward(self, tokens: Tensor, among: Tensor, others: Tensor, there: Tensor) -> Tensor:
        """Args:
        among: which tokens see which, [N or 1, M, M].
        there: which of the others they see, [N, 1, T].
        """
        normed = self.norm_self(tokens)
        tokens = tokens + self.self_attention(normed, normed, among)
        tokens = tokens + self.cross_attention(self.norm_cross(tokens), others, there)
        return tokens + self.mlp(self.norm_mlp(tokens))  # type: ignore[no-any-return]


class Merger(nn.Module):
    """Features that are kept see those before them that are kept, too, and take over what is in those that are dropped."""

    def __init__(self, width: int, *, layers: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.norm_features = nn.LayerNorm(width, eps=EPS)
        self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=EPS)
        _init(self)

    def forward(self, features_NTC: Tensor, kept_NT: Tensor) -> Tensor:
        """[N, T, C], in fixed shapes. What stands where a feature is dropped has no meaning, and nothing else depends on it."""
        return self._merged(features_NTC, kept_NT, features_NTC, 1 - kept_NT)

    def packed(self, features_NTC: Tensor, kept_NT: Tensor) -> tuple[Tensor, Tensor]:
        """The same for those alone that are kept, [N, K, C], and which of them [N, K] are there.

        Args:
            kept_NT: boolean.
        """
        tokens, there = _taken(features_NTC, kept_NT)
        dropped, left = _taken(features_NTC, ~kept_NT)
        return self._merged(tokens, there.float(), dropped, left.float()), there

    def _merged(self, tokens: Tensor, there: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        count = tokens.shape[1]
        earlier = torch.ones(count, count, dtype=there.dtype, device=there.device).tril(-1)
        # Every token sees itself, whatever becomes of it.
        among = there[:, None] * earlier + torch.eye(count, dtype=there.dtype, device=there.device)
        others = self.norm_features(others)
        for block in self.blocks:
            tokens = block(tokens, among, others, dropped[:, None])
        return self.norm(tokens)  # type: ignore[no-any-return]


class Rebuilder(nn.Module):
    """All features of a picture from the vectors of its codes: learned queries, one a feature, look for what belongs to it.

    A code knows which one it is of its picture, not where it comes from: whoever draws says codes alone.
    """

    def __init__(self, d_in: int, width: int, features: int, *, layers: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.embed = nn.Linear(d_in, width)
        self.places = nn.Parameter(torch.empty(features, width))
        self.queries = nn.Parameter(torch.empty(features, width))
        self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.leave = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        _init(self)
        for table in (self.places, self.queries):
            nn.init.trunc_normal_(table, std=0.02)

    def forward(self, vectors_NKD: Tensor, number_NK: Tensor, there_NK: Tensor) -> Tensor:
        """[N, T, C].

        Args:
            number_NK: which one each code is of its picture, from 0.
            there_NK: as `Attention` takes it.
        """
        codes = self.embed(vectors_NKD.to(self.embed.weight.dtype)) + self.places[number_NK]
        tokens = self.queries.expand(len(codes), -1, -1)
        everything = there_NK.new_ones(1, 1, tokens.shape[1])
        for block in self.blocks:
            tokens = block(tokens, everything, codes, there_NK[:, None])
        return self.leave(self.norm(tokens))  # type: ignore[no-any-return]


def _taken(features_NTC: Tensor, chosen_NT: Tensor) -> tuple[Tensor, Tensor]:
    numbers, there = front(chosen_NT)
    return features_NTC.gather(1, numbers[..., None].expand(-1, -1, features_NTC.shape[2])), there


def _init(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
