"""Texts and a diffusion network: what it is told, with and without, Stable Diffusion's sizes, and what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from omma.errors import BadInput
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.saved import save_image_tokenizer
from omma.parts.tokenizers.text_diffusion import TextDiffusion
from parts.tokenizers.test_diffusion import UNET

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

CLIP = {
    "model_type": "clip_text_model", "vocab_size": 1104, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 9,
}  # fmt: skip
TEXT = {"architecture": CLIP, "tokenizer": "zoo:lm-small", "tokens": 8}


def built(load_weights: bool = True, **config: Any) -> TextDiffusion:
    torch.manual_seed(0)
    settings = {"type": "text-diffusion", "text": TEXT, "network": UNET, "steps": 3, **config}
    made: TextDiffusion = IMAGE_TOKENIZERS.parse(settings, where="tokenizer").build(load_weights=load_weights)
    return made.eval()


def test_vectors_are_the_text_models() -> None:
    tokenizer = built()
    words = tokenizer.config.text.words()
    ids = torch.from_numpy(words("a small red ring"))
    assert ids.shape == (8,) and ids[-1] == words.tokenizer.pad_token_id
    assert words("a red ring and a blue ring and a green ring").shape == (8,), "what is longer is cut"
    found = tokenizer.vectors(ids[None])
    clip = CLIPTextModel(CLIPTextConfig(**{key: value for key, value in CLIP.items() if key != "model_type"}))
    clip.load_state_dict(tokenizer.text_model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(found, clip.eval()(ids[None]).last_hidden_state)
    assert tokenizer.length((16, 16)) == 8 == found.shape[1] and tokenizer.width == 24


def test_nothing_told_is_a_text_without_words() -> None:
    tokenizer = built()
    nothing = tokenizer.vectors(torch.from_numpy(tokenizer.config.text.words()(""))[None])
    assert torch.equal(tokenizer.nothing_told(torch.zeros(2, 5, 24)), nothing.expand(2, -1, -1)), "whatever stands in its place"
    told = tokenizer.vectors(torch.from_numpy(tokenizer.config.text.words()("a ring"))[None])
    (picture,), (other,) = (tokenizer.paint(vectors, (16, 16), [5]) for vectors in (told, nothing))
    assert not torch.equal(picture, other)
    stronger = built(guidance=9.0)
    stronger.load_state_dict(tokenizer.state_dict())
    assert torch.equal(stronger.paint(nothing, (16, 16), [5])[0], other), "nothing more is told than nothing"
    assert not torch.equal(stronger.paint(told, (16, 16), [5])[0], picture)


def test_what_is_saved_paints_the_same_and_wants_no_source(tmp_path: Path) -> None:
    tokenizer = built()
    save_image_tokenizer(tokenizer, tmp_path, dtype=torch.float32)
    # As a finished model is made again: the config spelled out, and weights from its own files; no tokenizer is looked for.
    spelled = tokenizer.config.spelled_out()
    assert spelled["text"]["nothing"] == tokenizer.config.text.words()("").tolist()
    spelled["text"]["tokenizer"] = "/nowhere"
    again: TextDiffusion = IMAGE_TOKENIZERS.parse(spelled | {"weights": str(tmp_path)}, where="tokenizer").build(load_weights=True)
    told = tokenizer.vectors(torch.from_numpy(tokenizer.config.text.words()("a ring"))[None])
    assert torch.equal(again.paint(told, (16, 16), [1]), tokenizer.paint(told, (16, 16), [1]))


def test_the_encoder_of_t5_reads_alone() -> None:
    t5 = {"model_type": "t5", "vocab_size": 1104, "d_model": 24, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    tokenizer = built(text={**TEXT, "architecture": t5, "tokens": 20})
    assert type(tokenizer.text_model).__name__ == "T5EncoderModel"
    assert tokenizer.vectors(torch.from_numpy(tokenizer.config.text.words()("a ring"))[None]).shape == (1, 20, 24)


def test_sizes_are_the_published_ones() -> None:
    """Stable Diffusion 2.1's: its network, and the text model whose last layer but one it is told."""
    text = {"model_type": "clip_text_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
            "num_attention_heads": 16, "hidden_act": "gelu", "projection_dim": 512}  # fmt: skip
    network = {
        "sample_size": 64, "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
        "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": True,
    }  # fmt: skip
    latents = {"type": "kl-autoencoder", "network": {"type": "convolutional", "width": 4, "multipliers": [1, 2, 4, 4], "attention": False}}
    with torch.device("meta"):
        tokenizer = built(load_weights=False, text={"architecture": text}, network=network, latents=latents, scaling=0.18215)
    parts = {name: sum(p.numel() for p in getattr(tokenizer, name).parameters()) for name in ("network", "text_model", "latents")}
    assert parts == {"network": 865_910_724, "text_model": 340_387_840, "latents": 83_653_863}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"tokens": 10}, r"text\.tokens: expected at most 9, which the text model knows places of, found 10"),
        ({"architecture": {**CLIP, "hidden_size": 32}}, r"cross_attention_dim: expected the width of what tells it what to paint, 32, found 24"),
        ({"architecture": {**CLIP, "vocab_size": 900}}, r"text\.tokenizer: expected at most the 900 tokens .* found 1104 of zoo:lm-small"),
        ({"architecture": None}, r"text: expected architecture .* or weights .*, found neither"),
    ],
)
def test_what_does_not_fit_is_refused(text: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(text=TEXT | text)


def test_a_missing_tokenizer_is_named_when_texts_are_to_be_read() -> None:
    tokenizer = built(text={"architecture": CLIP, "tokens": 8})
    with pytest.raises(BadInput, match=r"text\.tokenizer: expected the text model's tokenizer, found none"):
        tokenizer.config.text.words()
    with pytest.raises(BadInput, match=r"expected one that reads pictures, found text-diffusion, which is told texts"):
        tokenizer.read(torch.zeros(1, 16, 16, 3, dtype=torch.uint8))
