"""MaskGIT's Transformer (arXiv 2202.04200, section 3.2): BERT over a class and a picture's codes, which all see each other."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, BertConfig, BertModel, DynamicCache, PreTrainedModel


class MaskGitConfig(BertConfig):
    """BERT's. Where codes are, its position embeddings say."""

    model_type = "omma_maskgit"


class MaskGitModel(PreTrainedModel):
    config_class = MaskGitConfig
    _supports_sdpa = True

    def __init__(self, config: MaskGitConfig) -> None:
        super().__init__(config)
        self.model = BertModel(config, add_pooling_layer=False)
        self.post_init()

    @property
    def embed_tokens(self) -> nn.Embedding:
        return self.model.embeddings.word_embeddings

    def forward(
        self,
        inputs_embeds: Tensor,
        condition: Tensor,
        allowed: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
    ) -> Tensor:
        """Hidden states [B, L, H] of whole pictures: every slot sees every other one, so that there is nothing to keep."""
        return self.model(inputs_embeds=inputs_embeds, attention_mask=allowed).last_hidden_state


AutoConfig.register(MaskGitConfig.model_type, MaskGitConfig)
AutoModel.register(MaskGitConfig, MaskGitModel)
