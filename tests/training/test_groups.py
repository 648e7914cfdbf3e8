"""Which parameters learn, and what is said about it."""

from __future__ import annotations

import pytest
from torch import nn

from omma.errors import BadInput
from omma.recipe import Rate
from omma.training.groups import learn_table, learning_groups


def module() -> nn.ModuleDict:
    return nn.ModuleDict({"encoder": nn.Linear(2, 3), "projector": nn.Linear(3, 4, bias=False)})



def test_the_first_match_decides() -> None:
    groups = learning_groups(
        module(), [Rate(pattern="*.bias", rate=3), Rate(pattern="encoder*", rate=2), Rate(pattern="*", rate=1)]
    )
    assert [(g.pattern, g.rate, g.names) for g in groups] == [
        ("*.bias", 3, ("encoder.bias",)),
        ("encoder*", 2, ("encoder.weight",)),
        ("*", 1, ("projector.weight",)),
    ]


def test_a_rate_of_zero_freezes() -> None:
    groups = learning_groups(module(), [Rate(pattern="encoder.*", rate=0), Rate(pattern="*", rate=1)])
    assert [g.names for g in groups] == [("projector.weight",)]


@pytest.mark.parametrize(
    ("patterns", "complaint"),
    [
        (["projektor.*"], r"learn\.0\.pattern: .* 'projektor\.\*', which matches none of 3; .* encoder, projector"),
        (["encoder.*", "encoder.bias"], r"learn\.1\.pattern: .* 'encoder.bias', whose parameters earlier patterns take"),
    ],
)
def test_a_pattern_that_decides_nothing_is_refused(patterns: list[str], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        learning_groups(module(), [Rate(pattern=p, rate=1) for p in patterns])


def tower(blocks: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "embeddings": nn.Linear(1, 1, bias=False),
            "layers": nn.ModuleList(nn.ModuleDict({"mlp": nn.Linear(1, 1)}) for _ in range(blocks)),
            "norm": nn.LayerNorm(1),
        }
    )


def test_rates_decay_over_the_blocks_of_a_transformer() -> None:
    whole = nn.ModuleDict({"encoder": tower(12), "projector": nn.Linear(3, 4)})
    groups = learning_groups(whole, [Rate(pattern="encoder.*", rate=2, decay=0.5), Rate(pattern="*", rate=1)])
    rates = {name: group.rate for group in groups for name in group.names}
    assert rates == {
        "encoder.embeddings.weight": 2 * 0.5**12,
        **{f"encoder.layers.{i}.mlp.{kind}": 2 * 0.5 ** (11 - i) for i in range(12) for kind in ("weight", "bias")},
        "encoder.norm.weight": 2,
        "encoder.norm.bias": 2,
        "projector.weight": 1,
        "projector.bias": 1,
    }


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("projector.*", r"learn\.0\.decay: .* 'projector\.\*', which matches those of none; leave decay out"),
        ("*", r"'\*', which matches those of left and right; give each a pattern of its own"),
    ],
)
def test_rates_that_decay_over_nothing_are_refused(pattern: str, complaint: str) -> None:
    whole = nn.ModuleDict({"left": tower(1), "right": tower(2), "projector": nn.Linear(3, 4)})
    with pytest.raises(BadInput, match=complaint):
        learning_groups(whole, [Rate(pattern=pattern, rate=1, decay=0.9)])


def test_something_must_learn() -> None:
    with pytest.raises(BadInput, match="at least one rate above 0"):
        learning_groups(module(), [Rate(pattern="*", rate=0)])


def test_table() -> None:
    groups = learning_groups(module(), [Rate(pattern="projector.*", rate=1e-3)])
    assert learn_table(module(), groups).split("\n") == [
        "  projector.*        0.001               12 parameters",
        "  encoder (rest)    frozen                9 parameters",
    ]
