"""The text's half of a Q-Former: embeddings, feed-forward layers and a head of its own, attention shared with the queries.

BLIP-2 (arXiv 2301.12597, section 3.1). Shapes: B texts, L tokens, M queries, S = M + L places, T features, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Blip2QFormerConfig, Blip2QFormerModel, PreTrainedTokenizerBase
from transformers.models.blip_2.modeling_blip_2 import Blip2QFormerIntermediate, Blip2QFormerOutput, Blip2TextEmbeddings

from omma.data.sample import Sample
from omma.objectives.picture_text import caption_of
from omma.parts.projectors.q_former import bert_of


@dataclass
class TextTerm:
    """The worker's half: a text between the tokens that begin and end one, at most ``max_tokens`` with both."""

    tokenizer: PreTrainedTokenizerBase
    max_tokens: int

    def tokens(self, sample: Sample) -> list[int]:
        own = self.tokenizer
        first = own.bos_token_id if own.cls_token_id is None else own.cls_token_id
        last = own.eos_token_id if own.sep_token_id is None else own.sep_token_id
        return [first, *own.encode(caption_of(sample), add_special_tokens=False)[: self.max_tokens - 2], last]

    def collate(self, tokens: list[list[int]]) -> dict[str, np.ndarray]:
        ids = np.full((len(tokens), max(map(len, tokens))), self.tokenizer.pad_token_id, dtype=np.int64)
        for row, one in zip(ids, tokens, strict=True):
            row[: len(one)] = one
        return {"ids": ids}


def may_see(real_BL: Tensor, queries: int, loss: Literal["contrastive", "matching", "generation"]) -> Tensor:
    """Which place may see which, [B, 1, S, S], queries first. Padding is seen by nobody.

    contrastive: text sees text, without queries; matching: all see all; generation: queries see queries, text sees the
    queries and what stands before it.
    """
    texts = real_BL.shape[1]
    seen = F.pad(real_BL, (queries, 0), value=True)[:, None, None, :].repeat(1, 1, queries + texts, 1)
    if loss == "generation":
        seen[:, :, :queries, queries:] = False
        seen[:, :, queries:, queries:] &= torch.ones(texts, texts, dtype=torch.bool, device=seen.device).tril()
    return seen


class TextBranch(nn.Module):
    """Everything of a Q-Former that only texts go through.

    Attributes:
        decode_id: the token [DEC], one more than the tokenizer has, with which a text begins that is to be generated.
    """

    def __init__(self, config: Blip2QFormerConfig, *, words: int, padding: int) -> None:
        super().__init__()
        self.decode_id = words
        own = Blip2QFormerConfig(**config.to_dict() | {"vocab_size": words + 1, "pad_token_id": padding})
        self.embeddings = Blip2TextEmbeddings(own)
        self.inner = nn.ModuleList(Blip2QFormerIntermediate(own) for _ in range(own.num_hidden_layers))
        self.outer = nn.ModuleList(Blip2QFormerOutput(own) for _ in range(own.num_hidden_layers))
        self.dense = nn.Linear(own.hidden_size, own.hidden_size)
        self.norm = nn.LayerNorm(own.hidden_size, eps=own.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(words + 1))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=own.initializer_range)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def load_bert(self, source: str, *, where: str) -> None:
        """Begin with BERT's embeddings and feed-forward layers, as published. [DEC] stays random, segments are left out.

        Raises:
            BadInput: if it is no BERT of the same shape.
        """
        bert = bert_of(source, self._shape(), where=where)
        with torch.no_grad():
            words = bert.embeddings.word_embeddings.weight
            self.embeddings.word_embeddings.weight[: len(words)] = words
            self.embeddings.position_embeddings.weight.copy_(bert.embeddings.position_embeddings.weight)
        for inner, outer, layer in zip(self.inner, self.outer, bert.encoder.layer, strict=True):
            inner.load_state_dict(layer.intermediate.state_dict())
            outer.load_state_dict(layer.output.state_dict())

    def _shape(self) -> dict[str, int]:
        positions, width = self.embeddings.position_embeddings.weight.shape
        return {
            "vocab_size": self.decode_id,
            "max_position_embeddings": positions,
            "hidden_size": width,
            "num_hidden_layers": len(self.inner),
        }

    def read(
        self,
        former: Blip2QFormerModel,
        ids_BL: Tensor,
        sight_B1SS: Tensor,
        *,
        queries: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states [B, S, D] of queries [B, M, D], if there are any, and texts behind them.

        Args:
            sight_B1SS: as `may_see` gives it.
            features: what the queries look at, [B, T, C].
        """
        said = self.embeddings(input_ids=ids_BL)
        count = 0 if queries is None else queries.shape[1]
        hidden = former.dropout(former.layernorm(said if queries is None else torch.cat([queries.to(said), said], dim=1)))
        mask = hidden.new_zeros(sight_B1SS.shape).masked_fill_(~sight_B1SS, torch.finfo(hidden.dtype).min)
        for block, inner, outer in zip(former.encoder.layer, self.inner, self.outer, strict=True):
            hidden = block.attention(hidden_states=hidden, attention_mask=mask)
            looking, reading = hidden[:, :count], hidden[:, count:]
            reading = outer(inner(reading), reading)
            if count:
                if block.has_cross_attention:
                    looking = block.crossattention(hidden_states=looking, encoder_hidden_states=features)
                reading = torch.cat([block.feed_forward_chunk_query(looking), reading], dim=1)
            hidden = reading
        return hidden

    def words(self, states_ND: Tensor) -> Tensor:
        """Logits [N, words + 1] of the next token, by BERT's head for masked words with the embeddings as its table."""
        table: Any = self.embeddings.word_embeddings.weight
        return F.linear(self.norm(F.gelu(self.dense(states_ND))), table, self.bias)
