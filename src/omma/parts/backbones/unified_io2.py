"""Unified-IO 2's Transformer (arXiv 2312.17172, section 3.1 and appendix B), which `transformers` does not have.

An encoder and a decoder in one language model: the tokens of a row are taken apart by `omma.parts.backbones.sides`, go through
their stacks, and come back to their places. Blocks norm before what they do, without biases; queries and keys are normed before
they are rotated. Words turn with their number, tokens of pictures half with their row and half with their column, across the two
stacks as well. The tables of words and codes are output layers, too: what comes out is divided by the root of the width.

In the decoder the codes of a picture see those of its last row, in every fourth block those of their column, in the last one
their surroundings (DALL-E, arXiv 2102.12092, section 2.2), and always all that was said before the picture.

Shapes: B rows, L new tokens, S tokens with those in the cache, N tokens of one side, K keys, A heads, D channels of a head, H
width.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    GenerationMixin,
    GradientCheckpointingLayer,
    PretrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from omma.errors import BadInput
from omma.parts.backbones.encoded_cache import Memory
from omma.parts.backbones.sides import Picked, Sides
from omma.parts.experts.routing import current_route

BASE = 10000.0
REACH = 5
"""Rows and columns around a code that it sees in the last block."""
MODALITY_STD = 0.02


class UnifiedIo2Config(PretrainedConfig):
    """Sizes of the published Large model unless told otherwise.

    Args:
        image_side, drawn_side: tokens along the side of a picture that is read, and codes along that of one that is drawn.
        sparse: whether codes see a part of the codes before them only.
        answer_token_id, eos_token_id: of what begins an answer, and what ends it.
    """

    model_type = "omma_unified_io2"

    def __init__(
        self,
        vocab_size: int = 33280,
        hidden_size: int = 1024,
        intermediate_size: int = 2816,
        num_encoder_layers: int = 24,
        num_hidden_layers: int = 24,
        num_attention_heads: int = 16,
        image_side: int = 24,
        drawn_side: int = 32,
        sparse: bool = True,
        rms_norm_eps: float = 1e-6,
        max_position_embeddings: int = 2048,
        answer_token_id: int = 32000,
        bos_token_id: int | None = 1,
        eos_token_id: int = 2,
        pad_token_id: int | None = None,
        tie_word_embeddings: bool = True,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_encoder_layers = num_encoder_layers
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.image_side = image_side
        self.drawn_side = drawn_side
        self.sparse = sparse
        self.rms_norm_eps = rms_norm_eps
        self.max_position_embeddings = max_position_embeddings
        self.answer_token_id = answer_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.pad_token_id = pad_token_id
        self.tie_word_embeddings = tie_word_embeddings
        super().__init__(**kwargs)


class Attention(nn.Module):
    """With logits in float32, whatever else is computed in."""

    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__()
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.q_norm = nn.RMSNorm(width // self.heads, eps=config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(width // self.heads, eps=config.rms_norm_eps)

    def keys(self, hidden_BNH: Tensor, angles_BND: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, A, N, D] of what is looked at."""
        return turned(self.k_norm(self._parted(self.k_proj(hidden_BNH))), angles_BND), self._parted(self.v_proj(hidden_BNH))

    def forward(self, hidden_BNH: Tensor, angles_BND: Tensor, looked_at: tuple[Tensor, Tensor], allowed_B1NK: Tensor) -> Tensor:
        """What nobody may look at anything of is zero."""
        query = turned(self.q_norm(self._parted(self.q_proj(hidden_BNH))), angles_BND).float()
        key, value = (tensor.float() for tensor in looked_at)
        some = allowed_B1NK.any(-1, keepdim=True)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed_B1NK | ~some) * some
        return self.o_proj(attended.transpose(1, 2).flatten(2).to(hidden_BNH.dtype))

    def _parted(self, flat_BNH: Tensor) -> Tensor:
        return flat_BNH.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Mlp(nn.Module):
    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class EncoderBlock(GradientCheckpointingLayer):
    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = Mlp(config)

    def forward(self, hidden_BNH: Tensor, angles_BND: Tensor, allowed_B1NK: Tensor, memory: Memory, number: int) -> Tensor:
        normed = self.input_layernorm(hidden_BNH)
        looked_at = memory.encoded(number, self.self_attn.keys(normed, angles_BND))
        hidden = hidden_BNH + self.self_attn(normed, angles_BND, looked_at, allowed_B1NK)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class DecoderBlock(GradientCheckpointingLayer):
    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.cross_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.cross_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = Mlp(config)

    def forward(
        self,
        hidden_BNH: Tensor,
        angles_BND: Tensor,
        allowed_B1NK: Tensor,
        encoded: tuple[Tensor, Tensor] | None,
        allowed_encoded_B1NK: Tensor,
        memory: Memory,
        number: int,
    ) -> Tensor:
        """``encoded`` are the encoder's output and its angles; None if there is nothing new."""
        normed = self.input_layernorm(hidden_BNH)
        looked_at = memory.decoded(number, self.self_attn.keys(normed, angles_BND))
        hidden = hidden_BNH + self.self_attn(normed, angles_BND, looked_at, allowed_B1NK)
        found = memory.encoded(memory.blocks + number, self.cross_attn.keys(*encoded) if encoded is not None else None)
        if found is not None:
            hidden = hidden + self.cross_attn(self.cross_layernorm(hidden), angles_BND, found, allowed_encoded_B1NK)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Stack(nn.Module):
    """Blocks, a last norm, and a vector each for words and for pictures."""

    def __init__(self, config: UnifiedIo2Config, kind: type[EncoderBlock | DecoderBlock], count: int) -> None:
        super().__init__()
        self.modality = nn.Embedding(2, config.hidden_size)
        self.layers = nn.ModuleList(kind(config) for _ in range(count))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class UnifiedIo2PreTrainedModel(PreTrainedModel):
    config_class = UnifiedIo2Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["EncoderBlock", "DecoderBlock"]
    _supports_sdpa = True
    encodes = True
    """What is said to it goes through an encoder: it has to be called inside of `routed`, with `Sides`."""

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            initialization.normal_(module.weight, std=module.in_features**-0.5)
        elif isinstance(module, Stack):
            initialization.normal_(module.modality.weight, std=MODALITY_STD)
        elif isinstance(module, UnifiedIo2Model):
            initialization.normal_(module.embed_tokens.weight, std=1.0)
        elif isinstance(module, nn.RMSNorm):
            initialization.ones_(module.weight)

    def sides(self, ids_BS: Tensor, document_BS: Tensor, *, image: int) -> Sides:
        """What it has to be told of whole rows."""
        config = self.config
        return Sides.of(
            ids_BS, document_BS, image=image, begin=config.answer_token_id, end=config.eos_token_id, padding=config.pad_token_id
        )


class UnifiedIo2Model(UnifiedIo2PreTrainedModel):
    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__(config)
        if config.hidden_size % (4 * config.num_attention_heads):
            raise BadInput(
                "model.backbone.architecture",
                expected="heads whose width is a multiple of 4, for rows and columns",
                found=f"width {config.hidden_size} over {config.num_attention_heads} heads",
                remedy="choose another width or number of heads",
            )
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.encoder = Stack(config, EncoderBlock, config.num_encoder_layers)
        self.decoder = Stack(config, DecoderBlock, config.num_hidden_layers)
        self.post_init()

    def get_decoder(self) -> nn.Module:
        return self

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """The decoder's hidden states behind the last norm, over the root of the width; zeros for tokens that are encoded.

        Args:
            input_ids, inputs_embeds: [B, L] or [B, L, H], one of them.
            attention_mask: a boolean [B, 1, L, S], True where a decoded token may look at another one; a causal one otherwise,
                as the route knows what is padding. What is encoded is not masked by it.
        """
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self.embed_tokens(input_ids)
        length = inputs_embeds.shape[1]
        sides = current_route()
        if not isinstance(sides, Sides):
            raise ValueError("this model encodes what is said to it: call it inside of routed, with the Sides of its tokens")
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if sides.document_BS.shape[1] != past + length:
            raise ValueError(f"the route is of {sides.document_BS.shape[1]} tokens, but {past} are known and {length} are new")
        new = sides.between(past, past + length)
        encoded, decoded = Picked.of(new.encoded_BS), Picked.of(new.decoded_BS)
        memory = Memory(past_key_values, encoded, decoded, length, self.config.num_hidden_layers)

        output = self._encoded(inputs_embeds, sides, memory) if bool(new.encoded_BS.any()) else None
        readers = sides.between(past, past + length).picked(decoded)
        over_encoded = readers.sees(memory.encoded_among(sides))[:, None]
        masks = self._decoder_masks(sides, memory, attention_mask)
        hidden = decoded.take(inputs_embeds) + self.decoder.modality(readers.is_slot_BS.long())
        angles = self.angles(readers)
        for number, layer in enumerate(self.decoder.layers):
            hidden = layer(hidden, angles, masks[self._pattern(number)], output, over_encoded, memory, number)
        hidden = decoded.put(self.decoder.norm(hidden) * self.config.hidden_size**-0.5, length)
        return BaseModelOutputWithPast(last_hidden_state=hidden, past_key_values=past_key_values)

    def _encoded(self, embeds_BLH: Tensor, sides: Sides, memory: Memory) -> tuple[Tensor, Tensor]:
        """What the encoder makes of its new tokens [B, N, H], and their angles."""
        readers = sides.between(memory.past, memory.past + memory.length).picked(memory.encoding)
        allowed = readers.sees(memory.encoded_among(sides))[:, None]
        hidden = memory.encoding.take(embeds_BLH) + self.encoder.modality(readers.is_image_BS.long())
        angles = self.angles(readers)
        for number, layer in enumerate(self.encoder.layers):
            hidden = layer(hidden, angles, allowed, memory, 2 * memory.blocks + number)
        return self.encoder.norm(hidden), angles

    def _decoder_masks(self, sides: Sides, memory: Memory, given: Tensor | None) -> list[Tensor]:
        """[B, 1, N, K] where decoded tokens may look at each other: in most blocks, in those of columns, and in the last one."""
        past, length = memory.past, memory.length
        index = torch.arange(past + length, device=sides.document_BS.device).expand_as(sides.document_BS)
        readers, read = sides.between(past, past + length).picked(memory.decoding), memory.decoded_among(sides)
        place = index[:, past:].gather(1, memory.decoding.index_BN)
        columns = index if memory.cache is not None else place
        allowed = (readers.document_BS[:, :, None] == read.document_BS[:, None]) & read.decoded_BS[:, None]
        if given is not None and given.ndim == 4:
            own = given[:, 0].gather(1, memory.decoding.index_BN[..., None].expand(-1, -1, past + length))
            allowed &= own.gather(2, columns[:, None].expand(-1, own.shape[1], -1))
        else:
            allowed &= columns[:, None] <= place[:, :, None]
        between = readers.is_slot_BS[:, :, None] & read.is_slot_BS[:, None]
        if not self.config.sparse or not bool(between.any()):
            return [allowed[:, None]] * 3
        patterns = patterns_of(readers.place_BS[:, :, None], read.place_BS[:, None], self.config.drawn_side)
        return [(allowed & (~between | pattern))[:, None] for pattern in patterns]

    def _pattern(self, number: int) -> int:
        if number == self.config.num_hidden_layers - 1:
            return 2
        return int(number % 4 == 1)

    def angles(self, sides: Sides) -> Tensor:
        """[B, N, D / 2] by which pairs of channels turn. Pictures that are read are stretched to the grid of those drawn."""
        config = self.config
        half = config.hidden_size // config.num_attention_heads // 2
        along = torch.arange(half, device=sides.place_BS.device)
        line, grid = BASE ** -(along / half), BASE ** -(along[: half // 2] * 2 / half)
        side = torch.where(sides.is_image_BS, config.image_side, config.drawn_side)
        stretch = torch.where(sides.is_image_BS, config.drawn_side / config.image_side, 1.0)
        row, column = sides.place_BS // side % side * stretch, sides.place_BS % side * stretch
        square = torch.cat([row[..., None] * grid, column[..., None] * grid], dim=-1)
        in_picture = sides.is_image_BS | sides.is_slot_BS
        return torch.where(in_picture[..., None], square, sides.place_BS[..., None] * line)


def turned(heads_BAND: Tensor, angles_BND: Tensor) -> Tensor:
    """Channels turned, two neighbours together."""
    cos, sin = angles_BND[:, None].cos(), angles_BND[:, None].sin()
    first, second = heads_BAND.float().unflatten(3, (-1, 2)).unbind(4)
    return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=4).flatten(3).to(heads_BAND.dtype)


def patterns_of(query: Tensor, key: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which codes see which earlier ones, by their numbers in a picture of ``side`` columns: those as far back as a row is long,
    those of their column, and those in a square around them."""
    back = query - key
    near = ((query // side - key // side).abs() <= REACH) & ((query % side - key % side).abs() <= REACH)
    return (back >= 0) & (back <= side), back % side == 0, near


class UnifiedIo2ForCausalLM(UnifiedIo2PreTrainedModel, GenerationMixin):
    """With the table of words as output layer."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: UnifiedIo2Config) -> None:
        super().__init__(config)
        self.model = UnifiedIo2Model(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_decoder(self) -> nn.Module:
        return self.model

    def forward(self, *, labels: Tensor | None = None, logits_to_keep: int | Tensor = 0, **inputs: Any) -> CausalLMOutputWithPast:
        """Next-token logits; they mean nothing where a token is encoded. Arguments as those of the model inside."""
        output = self.model(**inputs)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(output.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=output.past_key_values)


AutoConfig.register(UnifiedIo2Config.model_type, UnifiedIo2Config)
AutoModelForCausalLM.register(UnifiedIo2Config, UnifiedIo2ForCausalLM)
