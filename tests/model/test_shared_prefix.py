"""A layer of a cache with room behind what is there: the same keys and values, whatever is done to it, and no copies meanwhile."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicLayer

from omma.model.shared_prefix import RoomyLayer

WHICH = torch.tensor([1, 0, 1])


def states(rows: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, rows, 2, length, 4, generator=torch.Generator().manual_seed(seed)).unbind(0)


def both(room: int) -> tuple[RoomyLayer, DynamicLayer]:
    first, plain = DynamicLayer(), DynamicLayer()
    for layer in (first, plain):
        layer.update(*states(2, 5, 0))
    plain.batch_select_indices(WHICH)
    return RoomyLayer(first, WHICH, room), plain


def same(found: tuple[torch.Tensor, torch.Tensor], wanted: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_what_is_written_is_the_same_within_the_room_and_beyond_it() -> None:
    roomy, plain = both(room=4)
    place = roomy.keys.data_ptr()
    for number, length in enumerate((2, 1, 1, 1, 3), start=1):
        new = states(3, length, number)
        assert same(roomy.update(*new), plain.update(*new))
        assert roomy.get_seq_length() == plain.get_seq_length()
        assert (roomy.keys.data_ptr() == place) == (roomy.get_seq_length() <= 9), "nothing is copied while there is room"


def test_rows_may_be_chosen_and_tokens_taken_away_meanwhile() -> None:
    roomy, plain = both(room=4)
    for layer in (roomy, plain):
        layer.update(*states(3, 2, 1))
        layer.crop(-1)
    assert same(roomy.update(*states(3, 1, 2)), plain.update(*states(3, 1, 2)))
    for layer in (roomy, plain):
        layer.batch_select_indices(torch.tensor([2, 0]))
    assert same(roomy.update(*states(2, 1, 3)), plain.update(*states(2, 1, 3)))
    for layer in (roomy, plain):
        layer.reorder_cache(torch.tensor([1, 0]))
    assert same(roomy.update(*states(2, 1, 4)), plain.update(*states(2, 1, 4)))
