"""ITC, ITM and ITG: how BLIP-2's Q-Former learns to look for what a text needs (arXiv 2301.12597, section 3.2).

Text goes through the blocks of the projector `omma.parts.projectors.q_former.QFormer`, with feed-forward layers of its own; what
a text may see makes three losses of one transformer:

- contrastive (ITC): queries see queries, text sees text; the query that suits the text best says how well both match;
- matching (ITM): everything sees everything; is this text of this picture? Wrong pairs are drawn by how alike they seem;
- generation (ITG): text sees the queries and what was said before.

The text's half (embeddings, feed-forward layers, heads) belongs to the objective and is not kept, the encoder is only read.
Pictures that come several to a text take no part; equal texts count as matching.

Shapes: B pictures and as many texts, T features, M queries, L tokens of a text, D width of the Q-Former.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition, load_tokenizer
from omma.model.product_attention import attending_fastest
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.picture_text import PictureTextCollator, refuse_other_views
from omma.objectives.text_of_queries import TextBranch, TextTerm, may_see
from omma.parts.base import PartConfig
from omma.parts.pixels import normalize
from omma.parts.projectors.q_former import QFormer


@OBJECTIVES.register("itc-itm-itg")
class ItcItmItg(Objective):
    class Config(PartConfig):
        tokenizer: str = "zoo:lm-small"
        """Of the text's half; the published one is BERT's."""
        weights: str | None = None
        """A BERT (directory or hub name) from which the text's half begins; random if absent."""
        max_tokens: int = Field(default=32, ge=4)
        projection: int = Field(default=256, ge=1)
        """Width in which queries and texts are compared."""
        temperature: float = Field(default=0.07, gt=0)
        """Where the learned one begins."""
        label_smoothing: float = Field(default=0.1, ge=0, lt=1)
        """Of the contrastive loss."""
        micro_samples: int = Field(default=64, ge=2)
        """Pictures that are compared with each other; a contrastive batch cannot be accumulated from smaller ones."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        former = self._checked(model)
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        self.text = TextBranch(former.model.config, words=len(self.tokenizer), padding=self.tokenizer.pad_token_id)
        width = former.model.config.hidden_size
        self.query_projection = nn.Linear(width, config.projection)
        self.text_projection = nn.Linear(width, config.projection)
        self.matching = nn.Linear(width, 2)
        self.temperature = nn.Parameter(torch.tensor(config.temperature))
        if config.weights is not None:
            self.text.load_bert(config.weights, where="objective.weights")

    @staticmethod
    def _checked(model: Composition) -> QFormer:
        if not isinstance(model.projector, QFormer):
            raise BadInput(
                "model.projector",
                expected="a q-former, which the objective itc-itm-itg trains",
                found="none" if model.projector is None else model.projector.config.type,
                remedy="use one, and a language model behind it, which stays as it is",
            )
        assert model.resolution is not None
        refuse_other_views(model.resolution, "which a text is compared with")
        return model.projector

    @property
    def former(self) -> QFormer:
        projector = self._model[0].projector
        assert isinstance(projector, QFormer)
        return projector

    def running(self) -> AbstractContextManager[None]:
        encoder = self._model[0].encoder
        towers = [tower for tower in (getattr(encoder, "model", None), self.former.model) if tower is not None]
        return attending_fastest(*towers)

    def collator(self) -> PictureTextCollator:
        model, config = self._model[0], self.config
        assert model.resolution is not None and model.encoder is not None
        terms = {"text": TextTerm(self.tokenizer, config.max_tokens)}
        return PictureTextCollator(model.resolution, model.encoder.normalizations, terms, config.micro_samples)

    def coefficients(self) -> dict[str, float]:
        return {"itc": 1.0, "itm": 1.0, "itg": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        ids = torch.from_numpy(batch["text.ids"])[torch.from_numpy(batch["view_counts"] == 1)]
        others = (~_same(ids)).any(-1).sum()
        return {
            "itc": float(len(ids)),
            "itm": float(len(ids) + 2 * others),
            "itg": float((ids[:, 1:] != self.tokenizer.pad_token_id).sum()),
        }

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        single = batch["view_counts"] == 1
        if not bool(single.any()):
            nothing = self.temperature * 0.0
            return {"itc": nothing, "itm": nothing, "itg": nothing}
        starts = batch["view_counts"].cumsum(0) - batch["view_counts"]
        features, ids = self._features(batch["views"][starts[single]]), batch["text.ids"][single]
        queries = self.former.queries.expand(len(ids), -1, -1)
        real = ids != self.tokenizer.pad_token_id
        # Text sees the queries and queries see no text, so what they become serves the contrastive loss as well.
        told = ids.clone()
        told[:, 0] = self.text.decode_id
        causal = may_see(real, queries.shape[1], "generation")
        found = self.text.read(self.former.model, told, causal, queries=queries, features=features)
        looked, said = found[:, : queries.shape[1]], found[:, queries.shape[1] :]
        alone = self.text.read(self.former.model, ids, may_see(real, 0, "contrastive"))
        likeness = self.likeness(looked, alone[:, 0])
        same = _same(ids)
        return {
            "itc": self._contrastive(likeness / self.temperature.float(), same),
            "itm": self._matching(likeness.detach() / self.temperature.detach().float(), same, ids, features),
            "itg": self._generation(said, ids),
        }

    def _features(self, views_BHW3: Tensor) -> Tensor:
        """What the projector reads of whole pictures, [B, T, C]."""
        model = self._model[0]
        assert model.encoder is not None
        with torch.set_grad_enabled(model.encoder.learns and torch.is_grad_enabled()):
            return model.encoder(normalize(views_BHW3, *model.encoder.normalizations[0]).to(model.dtype))

    def likeness(self, queries_BMD: Tensor, texts_BD: Tensor) -> Tensor:
        """Cosine of every picture (row) with every text (column): that of the query which is nearest, [B, B]."""
        pictures = F.normalize(self.query_projection(queries_BMD).float(), dim=-1)
        texts = F.normalize(self.text_projection(texts_BD).float(), dim=-1)
        return (pictures @ texts.T).amax(1)

    def _contrastive(self, logits_BB: Tensor, same_BB: Tensor) -> Tensor:
        targets = same_BB.to(logits_BB.dtype) / same_BB.sum(-1, keepdim=True)
        smoothing = self.config.label_smoothing
        both = (F.cross_entropy(one, targets, reduction="sum", label_smoothing=smoothing) for one in (logits_BB, logits_BB.T))
        return sum(both, logits_BB.new_zeros(())) / 2

    def _matching(self, logits_BB: Tensor, same_BB: Tensor, ids_BL: Tensor, features_BTC: Tensor) -> Tensor:
        """Right pairs, every text with a wrong picture, every picture with a wrong text."""
        able = (~same_BB).any(-1).nonzero().squeeze(-1)
        pictures, texts = torch.arange(len(ids_BL), device=ids_BL.device), torch.arange(len(ids_BL), device=ids_BL.device)
        if len(able):
            wrong_picture, wrong_text = (_drawn(one[able], same_BB[able]) for one in (logits_BB.T, logits_BB))
            pictures = torch.cat([pictures, wrong_picture, able])
            texts = torch.cat([texts, able, wrong_text])
        logits = self.match(features_BTC[pictures], ids_BL[texts])
        right = (torch.arange(len(texts), device=texts.device) < len(ids_BL)).long()
        return F.cross_entropy(logits.float(), right, reduction="sum")

    def match(self, features_BTC: Tensor, ids_BL: Tensor) -> Tensor:
        """Logits [B, 2] that a text is not, and that it is, of its picture: the mean of what every query says."""
        queries = self.former.queries.expand(len(ids_BL), -1, -1)
        sight = may_see(ids_BL != self.tokenizer.pad_token_id, queries.shape[1], "matching")
        found = self.text.read(self.former.model, ids_BL, sight, queries=queries, features=features_BTC)
        return self.matching(found[:, : queries.shape[1]]).mean(1)

    def _generation(self, said_BLD: Tensor, ids_BL: Tensor) -> Tensor:
        learned = ids_BL[:, 1:] != self.tokenizer.pad_token_id
        logits = self.text.words(said_BLD[:, :-1][learned])
        return F.cross_entropy(logits.float(), ids_BL[:, 1:][learned], reduction="sum")


def _same(ids_BL: Tensor) -> Tensor:
    """Which texts are equal, [B, B]."""
    return (ids_BL[:, None] == ids_BL[None, :]).all(-1)


def _drawn(logits_AB: Tensor, same_AB: Tensor) -> Tensor:
    """For every row a column of another text, by the softmax of how alike both seem."""
    chances = logits_AB.softmax(-1).masked_fill(same_AB, 0)
    # None is out of the question, however unlike: rows of zeros could not be drawn from.
    return torch.multinomial(chances + 1e-4 * ~same_AB, 1).squeeze(-1)
