"""When to draw, learned beside a language model that stays as it is: what is added to the row of one token in its embeddings and
in its output layer, all other rows being as they were. (PEFT calls such rows trainable tokens.)

Shapes: B rows, L tokens, C width, V vocabulary.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class Announcement(nn.Module):
    """Begins as no change.

    Args:
        width: of the language model, C.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.difference = nn.Parameter(torch.zeros(width))

    def join(self, model: PreTrainedModel, token_id: int) -> None:
        """Attach it to a language model for good, for the token that announces a picture."""
        model.get_input_embeddings().register_forward_hook(partial(self._embedded, token_id))
        model.get_output_embeddings().register_forward_hook(partial(self._predicted, token_id))

    def _embedded(self, token_id: int, module: nn.Module, inputs: tuple[Tensor], embedded_BLC: Tensor) -> Tensor | None:
        is_it = inputs[0] == token_id
        return torch.where(is_it[..., None], embedded_BLC + self.difference, embedded_BLC) if is_it.any() else None

    def _predicted(self, token_id: int, module: nn.Module, inputs: tuple[Tensor], logits_BLV: Tensor) -> Tensor:
        row = torch.tensor([token_id], device=logits_BLV.device)
        return logits_BLV.index_add(-1, row, (inputs[0] @ self.difference)[..., None].to(logits_BLV.dtype))
