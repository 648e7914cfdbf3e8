"""What all ways to draw have in common, and raster and masked drawing: what is seen, what is learned, what is drawn."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.backbones.var import VarModel
from omma.parts.painters import PAINTERS, Painter
from omma.parts.painters.base import Dice, Sampling
from omma.parts.painters.heads import CODE_HEADS
from omma.parts.quantizers.base import Quantizer
from omma.parts.quantizers.lfq import Lfq
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.quantizers.vq import Vq
from parts.painters.drawn_by_var import drawn, hidden_of, painter_of, step_of, steps, trunk_of

LENGTH = 30
SCALES = (1, 2, 5)
CASES = {
    "next-scale": {"type": "next-scale"},
    "raster": {"type": "raster"},
    "raster, mlp": {"type": "raster", "head": {"type": "mlp", "width": 3, "depth": 3}, "places": False},
    "raster, factorised": {"type": "raster", "head": {"type": "factorised", "bits": [2, 4]}},
    "masked": {"type": "masked", "rounds": 5},
    "masked, factorised": {"type": "masked", "rounds": 5, "head": {"type": "factorised", "bits": [3, 3]}, "places": False},
}


def built(case: str) -> tuple[VarModel, Painter]:
    torch.manual_seed(0)
    quantizer: Quantizer = Vq.Config(codes=20, width=4).build()
    if "factorised" in case:
        quantizer = Lfq.Config(width=6, group=6).build()
    if case == "next-scale":
        quantizer = MultiScale.Config(codes=20, width=4, scales=SCALES).build()
    painter = painter_of(quantizer, LENGTH, **CASES[case])
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter.normal_(0, 0.3)
    return trunk_of(), painter.eval()


def codes_of(painter: Painter, count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, painter.quantizer.vocabulary, (count, LENGTH), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_a_picture_is_the_same_alone_and_beside_others(case: str, guidance: float) -> None:
    trunk, painter = built(case)
    sampling = Sampling(guidance=guidance)
    together = drawn(trunk, painter, [0, 1, 2], sampling, [5, 6, 7])
    assert together.shape == (3, LENGTH) and together.dtype == torch.int64
    assert together.min() >= 0 and together.max() < painter.quantizer.vocabulary
    alone = drawn(trunk, painter, [1], sampling, [6])
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(alone, drawn(trunk, painter, [1], sampling, [8]))


@pytest.mark.parametrize("case", CASES)
def test_without_guidance_is_with_guidance_towards_the_same(case: str) -> None:
    """Where nothing is asked for in particular on either side, what is drawn is what that draws alone."""
    trunk, painter = built(case)
    assert torch.equal(
        drawn(trunk, painter, [4, 4], Sampling(guidance=3.0), [1, 2]), drawn(trunk, painter, [4, 4], Sampling(), [1, 2])
    )


@pytest.mark.parametrize("case", CASES)
def test_every_weight_learns_and_a_picture_counts_once(case: str) -> None:
    trunk, painter = built(case)
    codes, classes = codes_of(painter, 2), torch.tensor([0, 1])
    lesson = painter.lesson(codes, trunk.embed_tokens(classes), Dice([1, 2]))
    hidden = hidden_of(trunk, painter, codes, classes, Dice([1, 2]))
    losses = painter.losses(hidden, codes, lesson)
    assert losses.shape == (2,)
    for number in range(2):
        one = painter.lesson(codes[number : number + 1], trunk.embed_tokens(classes[number : number + 1]), Dice([number + 1]))
        alone = painter.losses(hidden[number : number + 1], codes[number : number + 1], one)
        torch.testing.assert_close(alone, losses[number : number + 1])
    losses.sum().backward()
    for name, parameter in painter.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("case", ["raster", "raster, mlp", "raster, factorised"])
@torch.no_grad()
def test_raster_codes_are_those_that_teacher_forcing_would_draw(case: str) -> None:
    trunk, painter = built(case)
    codes = drawn(trunk, painter, [0, 3], Sampling(top_k=5), [5, 6])
    hidden = hidden_of(trunk, painter, codes, torch.tensor([0, 3]), Dice([0, 0]))
    dice, sampling = Dice([5, 6]), Sampling(top_k=5)
    for place in range(LENGTH):
        parts = []
        for logits in (
            [painter.head.predict(hidden[:, place : place + 1])]
            if "factorised" not in case
            else painter.head._logits(hidden[:, place : place + 1])
        ):
            parts.append(dice.choose(sampling.filtered(logits)))
        found = parts[0] if len(parts) == 1 else parts[0] + (parts[1] << 2)
        assert torch.equal(found[:, 0], codes[:, place]), place


def test_rows_that_end_are_equally_long() -> None:
    with pytest.raises(BadInput, match=r"row_ends: expected pictures of rows that are equally long, found 30 codes of raster"):
        painter_of(Vq.Config(codes=20, width=4).build(), LENGTH, type="raster", row_ends=True)


@torch.no_grad()
def test_raster_predicts_from_what_is_before_alone() -> None:
    trunk, painter = built("raster")
    codes, classes = codes_of(painter, 1), torch.tensor([1])
    before = hidden_of(trunk, painter, codes, classes, Dice([0]))
    codes[:, 10] = (codes[:, 10] + 1) % 20
    after = hidden_of(trunk, painter, codes, classes, Dice([0]))
    torch.testing.assert_close(after[:, :11], before[:, :11])
    assert (after[:, 11:] - before[:, 11:]).abs().amax((0, 2)).min() > 1e-5


def test_masks_are_as_many_as_the_cosine_says() -> None:
    """Of r evenly from 0 to 1, cos(pi r / 2) of the codes: 2 / pi of them on average."""
    _, painter = built("masked")
    codes = codes_of(painter, 2000)
    lesson = painter.lesson(codes, torch.zeros(2000, 32), Dice(range(2000)))
    shares = lesson.learned.float().mean(1)
    assert shares.min() >= 1 / LENGTH and float(shares.mean()) == pytest.approx(2 / math.pi, abs=0.03)
    assert float((shares <= math.cos(math.pi / 4)).float().mean()) == pytest.approx(0.5, abs=0.04)
    least = painter_of(painter.quantizer, LENGTH, type="masked", least=0.5)
    assert least.lesson(codes, torch.zeros(2000, 32), Dice(range(2000))).learned.float().mean(1).min() >= 0.5
    # Every place alike, and what is masked is not told.
    assert lesson.learned.float().mean(0).std() < 0.03
    other = codes.where(~lesson.learned, (codes + 1) % 20)
    torch.testing.assert_close(painter.lesson(other, torch.zeros(2000, 32), Dice(range(2000))).slots, lesson.slots)


@torch.no_grad()
def test_masked_rounds_settle_the_surest_and_keep_them() -> None:
    trunk, painter = built("masked")
    seen: list[tuple[Tensor, Tensor]] = []
    start = trunk.embed_tokens(torch.tensor([1]))
    step = step_of(trunk, start)
    filled = painter._filled

    def watched(codes: Tensor, masked: Tensor, begin: Tensor) -> Tensor:
        seen.append((codes.clone(), masked.clone()))
        return filled(codes, masked, begin)

    painter._filled = watched  # type: ignore[method-assign]
    *_, final = painter.draw(step, start, Sampling(), Dice([3]))
    assert [int(masked.sum()) for _, masked in seen] == [
        LENGTH, *(math.floor(LENGTH * math.cos(math.pi * t / 10)) for t in (1, 2, 3, 4))
    ]  # fmt: skip
    for (codes, masked), (later, _) in zip(seen, [*seen[1:], (final, final)], strict=True):
        assert torch.equal(codes[~masked], later[~masked])


@torch.no_grad()
@pytest.mark.parametrize("rounds", [1, 2, LENGTH, LENGTH + 5])
def test_masked_drawing_in_any_number_of_rounds(rounds: int) -> None:
    trunk, painter = built("masked")
    many = painter_of(painter.quantizer, LENGTH, type="masked", rounds=rounds)
    assert len(list(steps(trunk, many, [1], Sampling(), [1]))) == rounds
    assert drawn(trunk, many, [1], Sampling(), [1]).shape == (1, LENGTH)


def test_factorised_losses_are_those_of_all_codes() -> None:
    """Two numbers of a code, predicted apart: the cross-entropy among all 64 codes whose logits are the sums."""
    _, painter = built("raster, factorised")
    hidden, codes = torch.randn(50, 32), torch.arange(50) + 7
    low, high = painter.head._logits(hidden)
    whole = (low[:, None, :] + high[:, :, None]).flatten(1)
    torch.testing.assert_close(
        painter.head.losses(hidden, codes), torch.nn.functional.cross_entropy(whole, codes, reduction="none")
    )
    embedded = painter.head.tables[0].weight[codes & 3] + painter.head.tables[1].weight[codes >> 2]
    torch.testing.assert_close(painter.head.embed(codes), embedded)


def test_z_loss_written_out() -> None:
    """The squared logarithm of what the softmax divides by, beside the cross-entropy."""
    _, painter = built("raster")
    plain = painter.head
    head = CODE_HEADS.parse({**plain.config.to_dict(), "z_loss": 0.1}, where="head").build(
        vocabulary=painter.quantizer.vocabulary, width=32, embeds=True
    )
    head.load_state_dict(plain.state_dict())
    hidden, codes = torch.randn(50, 32), torch.arange(50) % painter.quantizer.vocabulary
    sums = plain.predict(hidden).exp().sum(-1).log()
    torch.testing.assert_close(head.losses(hidden, codes), plain.losses(hidden, codes) + 0.1 * sums**2)


def test_dice_are_fair_and_filters_keep_the_likeliest() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1, 4000, 4)
    counts = Counter(Dice([3]).choose(logits).flatten().tolist())
    for code, share in enumerate((0.5, 0.3, 0.15, 0.05)):
        assert counts[code] / 4000 == pytest.approx(share, abs=0.03)
    assert Sampling(top_k=2).filtered(logits)[0, 0].isfinite().tolist() == [True, True, False, False]
    # Of the likeliest two, one has 0.625 of the probability: first by number, then by probability.
    assert Sampling(top_k=2, top_p=0.6).filtered(logits)[0, 0].isfinite().tolist() == [True, False, False, False]
    assert torch.equal(Sampling().filtered(logits), logits)
    torch.testing.assert_close(Sampling(temperature=0.5).filtered(logits), 2 * logits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance": -1.0}, r"guidance: expected 0 or more, found -1"),
        ({"temperature": 0.0}, r"temperature: expected above 0, found 0"),
        ({"top_k": -2}, r"top_k: expected 0 or more, found -2"),
        ({"top_p": 1.5}, r"top_p: expected above 0, and 1 at most, found 1.5"),
    ],
)
def test_impossible_sampling_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Sampling(**settings)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(BadInput, match=r"bits whose sum is that of 20 codes \(5\), found 2 \+ 2, 16 codes"):
        painter_of(Vq.Config(codes=20, width=4).build(), 30, type="raster", head={"type": "factorised", "bits": [2, 2]})
    with pytest.raises(BadInput, match=r"canvas: expected a strategy that shows the whole picture in one view of one size, found anyres"):
        canvas = {"type": "anyres", "size": 8, "canvases": [[8, 16], [16, 8]]}
        painter_of(Vq.Config(codes=20, width=4).build(), 30, type="raster", canvas=canvas)


def test_all_painters_of_codes_are_tried_here() -> None:
    of_codes = {name for name in PAINTERS.names() if PAINTERS.get(name, where="here").draws == "codes"}
    assert {str(case["type"]) for case in CASES.values()} == of_codes
