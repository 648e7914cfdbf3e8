"""MoVQ's network, for pictures and for clips: shapes, what tells what, and bad input. Numbers: tests/model/interop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from omma.errors import BadInput
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.movq import Movq
from omma.parts.tokenizers.saved import save_image_tokenizer

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

SMALL: dict[str, Any] = {"type": "movq", "width": 4, "channels": 32, "multipliers": [1, 1], "blocks": 1}


def tokenizer(**network: Any) -> QuantizedAutoencoder:
    torch.manual_seed(0)
    data = {
        "type": "quantized-autoencoder",
        "network": SMALL | network,
        "quantizer": {"type": "vq", "codes": 16, "width": 4, "decay": None},
        "bridge": None,
    }
    made: QuantizedAutoencoder = IMAGE_TOKENIZERS.parse(data, where="image tokenizer").build()
    return made


def test_a_picture_is_a_clip_of_equal_frames() -> None:
    made = tokenizer().eval()
    picture = torch.rand(2, 3, 8, 12) * 2 - 1
    clip = picture[:, :, None].expand(-1, -1, 4, -1, -1)
    assert torch.equal(made.codes(picture), made.codes(clip))
    vectors = made.encode(picture).vectors
    painted = made.decode(vectors)
    assert painted.shape == picture.shape
    torch.testing.assert_close(painted, made.decode(vectors[:, :, None])[:, :, 0])
    assert made.decode(vectors[:, :, None]).shape == (2, 3, 4, 8, 12)


def test_no_frame_tells_of_later_ones() -> None:
    network: Movq = tokenizer().eval().network  # type: ignore[assignment]
    clip = torch.rand(1, 3, 12, 4, 4)
    later = clip.clone()
    later[:, :, 8:] += 1
    before, after = network.encode(clip), network.encode(later)
    assert before.shape == (1, 4, 3, 2, 2)
    torch.testing.assert_close(before[:, :, :2], after[:, :, :2])
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 1e-3
    moved = before.clone()
    moved[:, :, 2] += 1
    painted, changed = network.decode(before), network.decode(moved)
    torch.testing.assert_close(painted[:, :, :8], changed[:, :, :8])
    assert (painted[:, :, 8:] - changed[:, :, 8:]).abs().max() > 1e-3


def test_norms_are_told_by_the_vectors() -> None:
    """The vectors reach the last norm by themselves: without them there what is painted is another picture."""
    network: Movq = tokenizer(temporal=None).eval().network  # type: ignore[assignment]
    vectors = torch.randn(1, 4, 2, 2)
    told = network.decoder.conv_norm_out
    seen: list[torch.Tensor] = []
    told.register_forward_hook(lambda module, args, output: seen.append(args[1]))
    network.decode(vectors)
    assert torch.equal(seen[0], vectors)


@pytest.mark.parametrize("temporal", [None, 0, 1])
def test_every_weight_learns(temporal: int | None) -> None:
    made = tokenizer(temporal=temporal).train()
    encoded = made.encode(torch.rand(2, 3, 8, 8) * 2 - 1)
    (made.decode(encoded.vectors).square().mean() + sum(encoded.losses.values())).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_saved_in_bf16_its_batch_norms_go_on_counting(tmp_path: Path) -> None:
    made = tokenizer()
    save_image_tokenizer(made, tmp_path, dtype=torch.bfloat16)
    counters = {tensor.dtype for name, tensor in load_file(tmp_path / "image_tokenizer.safetensors").items() if name.endswith("tracked")}
    assert counters == {torch.int64}


@pytest.mark.parametrize(
    ("temporal", "sides", "message"),
    [
        (2, (8, 9), "pictures: expected sides that are multiples of 2 pixels, found 9 x 8"),
        (2, (6, 8, 8), "clips: expected frames in multiples of 4, found 6 frames"),
        (None, (1, 8, 8), "clips: expected pictures, found 1 frame; give them one by one"),
    ],
)
def test_bad_sizes_are_refused(temporal: int | None, sides: tuple[int, ...], message: str) -> None:
    network: Movq = Movq.Config(**{k: v for k, v in SMALL.items() if k != "type"}, temporal=temporal).build()
    with pytest.raises(BadInput, match=message):
        network.grid(sides)


def test_groups_have_to_divide_channels() -> None:
    with pytest.raises(BadInput, match=r"channels that 32 groups divide at every level, found 48, 96, of which it does not divide 48"):
        Movq.Config(channels=48, multipliers=(1, 2)).build()
