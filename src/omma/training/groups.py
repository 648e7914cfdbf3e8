"""What learns, and how fast: ordered (pattern, rate) pairs over parameter paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from omma.errors import BadInput
from omma.recipe import Rate

BLOCK = re.compile(r"\.(?:layers?|blocks?|h)\.(\d+)\.")
"""The number of a transformer's block in the path of a parameter."""


@dataclass(frozen=True)
class Group:
    """Parameters that learn at one rate."""

    pattern: str
    rate: float
    names: tuple[str, ...]


def learning_groups(module: nn.Module, rates: Iterable[Rate]) -> list[Group]:
    """Parameters by the first pattern that matches their path (shell wildcards; ``*`` crosses dots).

    A rate of 0 freezes what its pattern matches, whatever later patterns say.

    Raises:
        BadInput: if a pattern decides about no parameter: a typing error would otherwise freeze a part in silence; if one
            with ``decay`` matches anything but the blocks of one transformer; or if nothing learns at all.
    """
    names = [name for name, _ in module.named_parameters()]
    groups, taken = [], set[str]()
    for number, rate in enumerate(rates):
        matching = [name for name in names if fnmatchcase(name, rate.pattern)]
        left = tuple(name for name in matching if name not in taken)
        if not left:
            found = "whose parameters earlier patterns take" if matching else f"which matches none of {len(names)}"
            raise BadInput(
                f"recipe field learn.{number}.pattern",
                expected="a pattern that matches parameters",
                found=f"{rate.pattern!r}, {found}",
                remedy=f"parameter paths begin with {', '.join(sorted({name.split('.')[0] for name in names}))}",
            )
        groups += [Group(rate.pattern, rate.rate, left)] if rate.decay == 1 else _by_block(left, rate, number)
        taken.update(left)
    learning = [group for group in groups if group.rate > 0]
    if not learning:
        raise BadInput(
            "recipe field learn", expected="at least one rate above 0", found="none", remedy="let something learn"
        )
    return learning


def _by_block(names: Sequence[str], rate: Rate, number: int) -> list[Group]:
    """A group for what stands before a transformer's blocks, one for each block; what stands behind is in the last one's."""
    found = [BLOCK.search(name) for name in names]
    lists = {match.string[: match.start()] for match in found if match}
    if len(lists) != 1:
        raise BadInput(
            f"recipe field learn.{number}.decay",
            expected="a pattern that matches the blocks of one transformer, over which rates decay",
            found=f"{rate.pattern!r}, which matches those of {' and '.join(sorted(lists)) or 'none'}",
            remedy="give each a pattern of its own" if lists else "leave decay out",
        )
    last = max(int(match[1]) for match in found if match)
    members: dict[int, list[str]] = {}
    block = -1
    for name, match in zip(names, found, strict=True):
        block = int(match[1]) if match else block if block < 0 else last
        members.setdefault(block, []).append(name)
    return [
        Group(rate.pattern, rate.rate * rate.decay ** (last - block), tuple(together))
        for block, together in sorted(members.items())
    ]


def learn_table(module: nn.Module, groups: Sequence[Group]) -> str:
    """What learns, as lines of text: pattern, rate, parameters; and last, what is frozen."""
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    rows = [(group.pattern, f"{group.rate:g}", sum(sizes.pop(name) for name in group.names)) for group in groups]
    if sizes:
        rows.append((f"{', '.join(sorted({name.split('.')[0] for name in sizes}))} (rest)", "frozen", sum(sizes.values())))
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"  {pattern:<{width}}  {rate:>8}  {count:>15,} parameters" for pattern, rate, count in rows)
