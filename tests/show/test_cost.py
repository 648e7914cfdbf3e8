"""FLOPs and bytes: formulas against what really runs, closed forms, and published sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from omma.parts.encoders import ENCODERS
from omma.parts.experts import EXPERTS, attach
from omma.parts.projectors import PROJECTORS
from omma.show import cost_of
from omma.show.cost import cache_bytes, encoder_flops, language_model_flops, projector_flops
from parts.projectors.test_contract import SIDE, SMALL, WIDTH
from parts.resolution.planning import planner
from show.pages import LLAMA, parts_for

TINY = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
MODELS: dict[str, dict[str, Any]] = {
    "llama": {"intermediate_size": 48, "num_key_value_heads": 2},
    "qwen2": {"intermediate_size": 48, "num_key_value_heads": 1},
    "gemma2": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True},
    "persimmon": {"intermediate_size": 48},
    "gpt2": {"bos_token_id": 0, "eos_token_id": 0},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "mixtral": {"intermediate_size": 48, "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"intermediate_size": 48, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 3},
}


def tiny(name: str) -> Any:
    settings = AutoConfig.for_model(name, **(TINY | MODELS[name]))
    # Fused attention on CPUs, and grouped products of experts, are not counted by every version of torch.
    eager = {"attn_implementation": "eager"} | (
        {"experts_implementation": "eager"} if "num_experts_per_tok" in MODELS[name] else {}
    )
    return AutoModelForCausalLM.from_config(settings, **eager).eval()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("positions", [1, 17, 40])
def test_the_prefill_is_what_runs(name: str, positions: int) -> None:
    model = tiny(name)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, positions, dtype=torch.long), logits_to_keep=1)
    assert language_model_flops(model, positions) == counter.get_total_flops()


@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma2"])
def test_the_cache_is_what_is_kept(name: str) -> None:
    model = tiny(name).bfloat16()
    kept = model(torch.zeros(1, 11, dtype=torch.long), past_key_values=DynamicCache(), use_cache=True).past_key_values
    held = sum(tensor.numel() * tensor.element_size() for layer in kept.layers for tensor in (layer.keys, layer.values))
    assert cache_bytes(model.config, 2) * 11 == held


def clip(**fields: Any) -> Any:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2}
    architecture = {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8, **sizes}
    with torch.device("meta"):
        return ENCODERS.parse({"type": "transformers", "architecture": architecture, **fields}, where="e").build()


def test_an_encoder_by_hand() -> None:
    plan = planner("pad-square", size=32).plan(50, 40)
    patches, tokens, width = 16, 17, 32
    blocks = 3 * (2 * tokens * (4 * width * width + 2 * width * 48) + 4 * tokens**2 * width)
    assert encoder_flops(clip(), plan) == 2 * patches * (3 * 8 * 8) * width + blocks
    assert encoder_flops(clip(tap=0), plan) == encoder_flops(clip(), plan), "as run: all blocks"
    tiles = planner("windows", canvas=(64, 96), size=32).plan(50, 40)
    assert encoder_flops(clip(), tiles) == 7 * encoder_flops(clip(), plan)


def test_the_published_encoder_costs_what_is_published() -> None:
    # CLIP ViT-L/14 at 336 pixels, by the closed form of the test above.
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    encoder = clip(architecture={"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14, **sizes})
    assert encoder_flops(encoder, planner("pad-square", size=336).plan(640, 480)) == 381_918_216_192


def test_loras_of_windows_cost_windows_alone() -> None:
    plan = planner("windows", canvas=(64, 64), size=32).plan(50, 40)
    adapted = clip(expert={"type": "window-lora", "grid": (2, 2), "rank": 2, "mlp_rank": 3})
    # Queries, keys, values and output by rank 2, the MLP's path by rank 3: four windows of 17 features, three blocks.
    more = 4 * 3 * 2 * 17 * (4 * 2 * (32 + 32) + 3 * (32 + 32))
    assert encoder_flops(adapted, plan) == encoder_flops(clip(), plan) + more


def projector(name: str, **fields: Any) -> Any:
    with torch.device("meta"):
        return PROJECTORS.parse({"type": name, **fields}, where="p").build(d_in=WIDTH, d_out=64, marks=())


@pytest.mark.parametrize("name", SMALL)
def test_every_projector_is_counted(name: str) -> None:
    with torch.device("meta"):
        encoder = ENCODERS.parse({"type": "patches", "patch": 8}, where="e").build()
    encoder.width = WIDTH
    plan = planner("windows", canvas=(16 * SIDE, 8 * SIDE), size=8 * SIDE).plan(50, 40)
    found = projector_flops(projector(name, **SMALL[name]), encoder, plan)
    assert found % 3 == 0, "two windows and the whole"
    assert found > 0 or name == "identity"
    by_hand = {
        "identity": 0,
        "linear": 2 * 16 * WIDTH * 64,
        "mlp": 2 * 16 * (WIDTH * 64 + 64 * 64),
        "pixel-shuffle": 2 * 4 * (4 * WIDTH * 64 + 64 * 64),
        # Features in, keys and values of 16, queries of 9, attention, output, projection.
        "resampler": 2 * 64 * (16 * WIDTH + 2 * 16 * 64 + 9 * 64 + 2 * 9 * 16 + 9 * 64 + 9 * 64),
    }
    assert found == 3 * by_hand.get(name, found // 3)


def test_a_partial_lora_is_for_image_tokens() -> None:
    resolution, parts = parts_for("slices")
    plan = resolution.plan(100, 30)
    plain = cost_of(parts, plan, 30, 4)
    config = EXPERTS.parse({"type": "partial-lora", "rank": 2}, where="expert")
    with torch.device("meta"):
        expert = attach(config, parts["language_model"], inside="backbone")  # type: ignore[arg-type]
    assert expert is not None
    adapted = cost_of({**parts, "expert": expert}, plan, 30, 4)
    entries = sum(p.numel() for p in expert.parameters())
    assert entries > 0 and adapted.language_model == plain.language_model + 2 * entries * 30
    assert plain.cache == 34 * 2 * LLAMA["num_hidden_layers"] * 2 * 4 * 2  # type: ignore[operator]
    assert plain.flops == plain.encoder + plain.projector + plain.language_model


def test_what_is_missing_costs_nothing() -> None:
    resolution, parts = parts_for("pad-square")
    alone = cost_of({"encoder": parts["encoder"]}, resolution.plan(9, 9), 16, 0)
    assert (alone.projector, alone.language_model, alone.cache) == (0, 0, 0)
