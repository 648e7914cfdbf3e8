"""Rows of a vocabulary there that are tables of codes here.

Where codes of pictures are tokens of the vocabulary, one table has words and codes. Here codes have tables of their own, in the
encoder that reads them or the painter that draws them.

Shapes: V rows of the table there, K of codes, C width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from omma.errors import BadInput

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that are a weight of their own here.

    Attributes:
        whole: common name of the table that they are of there.
        ids: int64 [K], which, in the order of the codes.
        kept: whether the table here has them as well.
    """

    whole: str
    ids: Tensor
    kept: bool

    def left(self, table_VC: Tensor) -> Tensor:
        """The table without them; with them if they are kept."""
        return table_VC if self.kept else table_VC[_others(self.ids, len(table_VC))]

    def put_back(self, table: Tensor, codes_KC: Tensor) -> Tensor:
        """The inverse of `left`, with these rows."""
        if self.kept:
            return table.index_copy(0, self.ids, codes_KC.to(table.dtype))
        whole = table.new_empty(len(table) + len(self.ids), *table.shape[1:])
        whole[_others(self.ids, len(whole))] = table
        return whole.index_copy_(0, self.ids, codes_KC.to(table.dtype))

    def shape_left(self, shape: Shape) -> Shape:
        """Of the table here, from its shape there."""
        return shape if self.kept else (shape[0] - len(self.ids), *shape[1:])

    def shape_whole(self, shape: Shape) -> Shape:
        """The inverse of `shape_left`."""
        return shape if self.kept else (shape[0] + len(self.ids), *shape[1:])


def _others(ids_K: Tensor, count: int) -> Tensor:
    return torch.ones(count, dtype=torch.bool).index_fill(0, ids_K, False)


def code_ids(vocabulary: Mapping[str, object], name: re.Pattern[str], letters: Mapping[int, int], *, where: str) -> Tensor:
    """The ids [K] of the tokens of codes 0 to K - 1, which follow each other in some order.

    Args:
        vocabulary: ids by token.
        name: of such a token; its group is the code's number.
        letters: what its digits are written as.

    Raises:
        BadInput: for a vocabulary without, or one in which a code has several tokens or none, or which has words between them.
    """
    found: dict[int, int] = {}
    remedy = "use the config.json and the tokenizer that belong to the weights"
    for token, number in vocabulary.items():
        match = name.fullmatch(token)
        if match is None:
            continue
        code = int(match[1].translate(letters))
        if code in found or not isinstance(number, int) or isinstance(number, bool):
            besides = f"{token} as {number!r} besides"
            raise BadInput(where, expected=f"one token for the code {code}", found=besides, remedy=remedy)
        found[code] = number
    if sorted(found) != list(range(len(found))) or not found:
        missing = next(code for code in range(len(found) + 1) if code not in found)
        found_codes = f"{len(found)} without the code {missing}" if found else "none"
        raise BadInput(where, expected="tokens of all codes of pictures", found=found_codes, remedy=remedy)
    first = min(found.values())
    if first < 0 or sorted(found.values()) != list(range(first, first + len(found))):
        raise BadInput(
            where,
            expected="a different id for each code, and no words between them",
            found=f"{len(set(found.values()))} ids from {first} to {max(found.values())} for {len(found)} codes",
            remedy=remedy,
        )
    return torch.tensor([found[code] for code in range(len(found))])
