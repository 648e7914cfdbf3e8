"""BEiT-3's Transformer: the published computation, text by masks that leave nothing behind, words counted without pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from omma.data.sample import Sample, user
from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration
from omma.model.answering import ModelAnswerer
from omma.model.composition import compose
from omma.model.processing import processor_of
from omma.objectives import OBJECTIVES
from omma.parts.attention import AttentionPlan, word_positions
from omma.parts.backbones.beit3 import Beit3Config, Beit3ForCausalLM
from omma.parts.experts import EXPERTS
from omma.recipe import load_recipe
from parts.backbones.torchscale_beit3 import reference, take_over
from toy_training import samples

PICTURE = 3
"""Id of the image token."""
PATCHES = 16


def toy(**expert: Any) -> OmmaForConditionalGeneration:
    """The debug size of the recipe, with weights large enough for everything to matter."""
    torch.manual_seed(0)
    fields = [f"model.expert.{name}={value}" for name, value in expert.items()]
    model = compose(load_recipe("beit3", "debug", fields).model).vlm
    assert model is not None
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval()


def asked(rows: int = 2, words: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Ids [rows, 17 + words] of a picture and words behind it, and pixels."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 1000, (rows, words), generator=generator)
    pictures = torch.full((rows, 1 + PATCHES), PICTURE)
    return torch.cat([pictures, ids], dim=1), torch.randn(rows, 3, 32, 32, generator=generator)


@torch.no_grad()
def both_ways(model: OmmaForConditionalGeneration, ids: Tensor, pixels: Tensor, masked: Tensor | None = None) -> Tensor:
    """Last hidden states with attention in both directions, as in pretraining."""
    vectors = model.projector.embed(model.encoder(pixels), (4, 4), masked)  # type: ignore[operator]
    with model.routing(ids):
        return model.language_model.model(
            inputs_embeds=model.embed(ids, vectors.flatten(0, 1)),
            attention_mask=AttentionPlan.bidirectional(torch.zeros_like(ids)).dense(),
            position_ids=word_positions(ids != PICTURE),
        ).last_hidden_state


def test_torchscale() -> None:
    """The published module with the same weights, masked patches included."""
    torch.manual_seed(0)
    theirs = reference(
        img_size=32,
        patch_size=8,
        vocab_size=1105,
        encoder_embed_dim=32,
        encoder_attention_heads=2,
        encoder_ffn_embed_dim=64,
        encoder_layers=2,
    )
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.3)
    model = toy(pair_blocks=0)
    take_over(model, theirs)
    ids, pixels = asked()
    masked = torch.rand(2, PATCHES, generator=torch.Generator().manual_seed(1)) < 0.4
    with torch.no_grad():
        expected = theirs(textual_tokens=ids[:, 17:], visual_tokens=pixels, vision_masked_position=masked)["encoder_out"]
    torch.testing.assert_close(both_ways(model, ids, pixels, masked), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_plain_formulas() -> None:
    """Written out from the paper, token by token: whose weights a token has, follows from what it is."""
    model = toy(pair_blocks=1)
    ids, pixels = asked(rows=1)
    found = both_ways(model, ids, pixels)[0]
    words, expert = model.language_model.model, model.expert
    assert expert is not None
    projector = model.projector
    patches = F.conv2d(pixels, projector.linear.weight.view(32, 8, 8, 3).permute(0, 3, 1, 2), projector.linear.bias, stride=8)
    pictures = torch.cat([projector.first[None], patches[0].flatten(1).T]) + projector.positions.weight[2:]
    text = words.embed_tokens(ids[0, 17:]) + words.embed_positions.weight[2:8]
    hidden = torch.cat([pictures, text])
    for number, block in enumerate(words.layers):
        own = expert.blocks[number]
        kinds = [own] * 17 + [None] * 6

        def each(name: str, x: Tensor, kinds: list[Any] = kinds, block: nn.Module = block) -> Tensor:
            """One module on every token, the picture's twin or the original, without the hooks of the expert."""
            module = block.get_submodule(name)
            return torch.stack(
                [_plain(module if kind is None else kind[name.removeprefix("self_attn.")], row)
                 for row, kind in zip(x, kinds, strict=True)]
            )  # fmt: skip

        normed = each("input_layernorm", hidden)
        query, key, value = (each(f"self_attn.{n}_proj", normed).view(-1, 2, 16).transpose(0, 1) for n in "qkv")
        attended = ((query @ key.transpose(1, 2) / math.sqrt(16)).softmax(-1) @ value).transpose(0, 1).flatten(1)
        hidden = hidden + each("self_attn.o_proj", each("self_attn.inner_norm", attended))
        if number == 1:  # the block for pairs
            network = expert.pair_blocks[0]
            hidden = hidden + network["mlp"](network["post_attention_layernorm"](hidden))
        else:
            hidden = hidden + each("mlp", each("post_attention_layernorm", hidden))
    last = torch.stack([_plain(expert.norm if place < 17 else words.norm, row) for place, row in enumerate(hidden)])
    torch.testing.assert_close(found, last, rtol=1e-4, atol=1e-4)


def _plain(module: nn.Module, x: Tensor) -> Tensor:
    return type(module).forward(module, x)


def test_a_giant_by_formula() -> None:
    """Section 2.1: feed-forward layers of 692M for each modality and 52M for pairs, attention of 317M."""
    config = Beit3Config(hidden_size=1408, intermediate_size=6144, num_hidden_layers=40, num_attention_heads=16)
    with torch.device("meta"):
        model = Beit3ForCausalLM(config)
        expert = EXPERTS.parse(
            {"type": "modality-experts", "split": "ffn", "pair_blocks": 3}, where="model.expert"
        ).build(model=model)

    def millions(module: nn.Module, part: str) -> int:
        """Of its matrices."""
        return round(sum(p.numel() for name, p in module.named_parameters() if part in name and p.ndim == 2) / 1e6)

    assert millions(model.model.layers, "self_attn") == 317
    assert millions(model.model.layers, "mlp") == millions(expert.blocks, "mlp") == 692
    assert millions(expert.pair_blocks, "mlp") == 52


def test_more_blocks_for_pairs_than_there_are() -> None:
    with pytest.raises(BadInput, match=r"pair_blocks: expected at most the 2 blocks of the language model, found 3"):
        toy(pair_blocks=3)


@torch.no_grad()
def test_blocks_for_pairs_are_for_pairs_alone() -> None:
    """Words alone and pictures alone go through their own layers; both together through a third in every token."""
    model = toy(pair_blocks=1)
    assert model.expert is not None
    ids, pixels = asked(rows=1)
    text = ids[:, 17:]

    def all_of_it() -> list[Tensor]:
        return [both_ways(model, ids, pixels), both_ways(model, ids[:, :17], pixels), model.language_model.model(text)[0]]

    before = all_of_it()
    for parameter in model.expert.pair_blocks.parameters():
        parameter.normal_()
    pair, picture, words = (torch.isclose(a, b).all(-1) for a, b in zip(before, all_of_it(), strict=True))
    assert not pair.any() and picture.all() and words.all()


@torch.no_grad()
def test_packed_is_unpacked() -> None:
    """A pair, words alone, and padding in one row: each as it is by itself, pairs recognised within their document."""
    model = toy(pair_blocks=1)
    ids, pixels = asked(rows=1)
    row = torch.cat([ids, ids[:, 17:21], torch.zeros(1, 3, dtype=torch.long)], dim=1)
    document = torch.tensor([[0] * 23 + [1] * 4 + [-1] * 3])
    is_image = row == PICTURE
    vectors = model.projector.embed(model.encoder(pixels), (4, 4)).flatten(0, 1)  # type: ignore[operator]
    with model.routing(row, document):
        packed = model.language_model.model(
            inputs_embeds=model.embed(row, vectors),
            attention_mask=AttentionPlan.with_pictures(document, is_image).dense(),
            position_ids=word_positions(~is_image & (document >= 0), document),
        ).last_hidden_state
    with model.routing(ids):
        pair = model.language_model.model(inputs_embeds=model.embed(ids, vectors)).last_hidden_state
    words = model.language_model.model(ids[:, 17:21]).last_hidden_state
    torch.testing.assert_close(packed[:, :23], pair, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(packed[:, 23:27], words, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def stepwise(model: OmmaForConditionalGeneration, ids: Tensor, pixels: Tensor) -> Tensor:
    """Next-token logits [L - 17, vocabulary] behind the picture, each from a forward pass of its own with one mask behind it."""
    mask = model.language_model.config.mask_token_id
    found = []
    for stop in range(18, ids.shape[1] + 1):
        row = torch.cat([ids[:, :stop], torch.tensor([[mask]])], dim=1)
        with model.routing(row):
            hidden = model.language_model.model(
                inputs_embeds=model.embed(row, model.image_vectors(pixels)),
                attention_mask=AttentionPlan.with_pictures(torch.zeros_like(row), row == PICTURE).dense(),
                position_ids=word_positions(row != PICTURE),
            ).last_hidden_state
        found.append(model.language_model.lm_head(hidden[0, -1]))
    return torch.stack(found)


@torch.no_grad()
@pytest.mark.parametrize("pair_blocks", [0, 1])
def test_logits_are_what_a_mask_would_be(pair_blocks: int) -> None:
    """All at once, and one after another from the cache: as if each text had been given with one mask behind it."""
    model = toy(pair_blocks=pair_blocks)
    ids, pixels = asked(rows=1)
    expected = stepwise(model, ids, pixels)
    at_once = model(input_ids=ids, pixel_values=pixels).logits[0, 17:]
    torch.testing.assert_close(at_once, expected, rtol=1e-4, atol=1e-4)

    output = model(input_ids=ids[:, :18], pixel_values=pixels, use_cache=True, logits_to_keep=1)
    found = [output.logits[0, -1]]
    for place in range(18, ids.shape[1]):
        cache = output.past_key_values
        assert cache.get_seq_length() == place, "the mask is gone"
        output = model(
            input_ids=ids[:, place : place + 1],
            position_ids=torch.tensor([[place - 17]]),
            past_key_values=cache,
            use_cache=True,
            ids_before=ids[:, :-1],
        )
        found.append(output.logits[0, -1])
    torch.testing.assert_close(torch.stack(found), expected, rtol=1e-4, atol=1e-4)


def test_words_behind_a_cache_need_positions() -> None:
    model = toy()
    output = model(input_ids=torch.tensor([[5, 6]]), use_cache=True)
    with pytest.raises(ValueError, match="need position_ids: how many words are before them"):
        model(input_ids=torch.tensor([[7]]), past_key_values=output.past_key_values)


@torch.no_grad()
def test_generation_is_greedy_over_those_logits() -> None:
    """Cached, batched with padding, and by beams of one: what asking again and again gives."""
    model = toy()
    ids, pixels = asked(rows=2, words=4)
    short = ids[1:, :20]
    expected = []
    for row, picture in ((ids[:1], pixels[:1]), (short, pixels[1:])):
        for _ in range(5):
            logits = stepwise(model, row, picture)[-1]
            logits[PICTURE] = -torch.inf  # no picture is ever written
            row = torch.cat([row, logits.argmax().view(1, 1)], dim=1)
        expected.append(row[0, -5:])
    padded = torch.cat([torch.zeros(1, 1, dtype=torch.long), short], dim=1)
    batch = torch.cat([ids[:1], padded])
    mask = torch.ones_like(batch)
    mask[1, 0] = 0
    for settings in ({}, {"use_cache": False}, {"num_beams": 2, "early_stopping": True}):
        found = model.generate(
            input_ids=batch, attention_mask=mask, pixel_values=pixels, max_new_tokens=5, do_sample=False, eos_token_id=None,
            pad_token_id=0, **settings,
        )  # fmt: skip
        if "num_beams" not in settings:
            assert torch.equal(found[:, -5:], torch.stack(expected)), settings
        else:
            assert found.shape == (2, batch.shape[1] + 5)


def test_questions_about_one_picture_share_it() -> None:
    """The beginning that prompts share is read once, and answers are those of each alone."""
    recipe = load_recipe("beit3", "debug")
    torch.manual_seed(0)
    composition = compose(recipe.model)
    model = composition.vlm
    assert model is not None and composition.tokenizer is not None
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    answerer = ModelAnswerer(model, processor_of(model.config, composition.tokenizer), max_new_tokens=4)
    image = samples(1)[0].images[0]
    prompts = [Sample(text, (user(image, text),)) for text in ("Which color?", "How many shapes are there?")]
    together = [reply.text for reply in answerer.answer(prompts)]
    assert together == [answerer.answer([prompt])[0].text for prompt in prompts]


def test_output_sides_begin_smaller_with_depth() -> None:
    torch.manual_seed(0)
    model = Beit3ForCausalLM(Beit3Config(vocab_size=100, hidden_size=128, intermediate_size=256, num_hidden_layers=3,
                                         num_attention_heads=2, mask_token_id=4))  # fmt: skip
    for number, block in enumerate(model.model.layers, start=1):
        for linear in (block.self_attn.o_proj, block.mlp.fc2):
            assert float(linear.weight.detach().std()) == pytest.approx(0.02 / math.sqrt(2 * number), rel=0.05)
        assert float(block.mlp.fc1.weight.detach().std()) == pytest.approx(0.02, rel=0.05)


def test_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Beit3ForCausalLM(Beit3Config(vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                         num_attention_heads=2, mask_token_id=4)).eval()  # fmt: skip
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(again(ids).logits, model(ids).logits)
    assert torch.equal(again.generate(ids, max_new_tokens=3, do_sample=False), model.generate(ids, max_new_tokens=3, do_sample=False))


def test_deeper_blocks_are_left_out_more_often() -> None:
    torch.manual_seed(0)
    config = Beit3Config(vocab_size=100, hidden_size=8, intermediate_size=8, num_hidden_layers=3, num_attention_heads=2,
                         mask_token_id=4, drop_path_rate=0.5)  # fmt: skip
    blocks = Beit3ForCausalLM(config).train().model.layers
    branch = torch.ones(4000, 1, 8)
    dropped = [float((block._kept(branch) == 0).float().mean()) for block in blocks]
    assert dropped == pytest.approx([0, 0.25, 0.5], abs=0.03)
    assert float(blocks[2]._kept(branch).mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(blocks.eval()[2]._kept(branch), branch)


def test_left_to_right_objectives_are_refused() -> None:
    composition = compose(load_recipe("beit3", "debug").model)
    with pytest.raises(BadInput, match="from left to right, for the objective language-modeling, found Beit3ForCausalLM"):
        OBJECTIVES.parse({"type": "language-modeling"}, where="objective").build(model=composition)
