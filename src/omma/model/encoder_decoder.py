"""What a language model that encodes what is said to it wants of the parts around it (`omma.parts.backbones.sides`)."""

from __future__ import annotations

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.template import Template
from omma.model.views import Arranger
from omma.parts.experts import Expert
from omma.parts.painters import Painter

ANY_PICTURE = (640, 480)


def check_parts(language_model: PreTrainedModel, arranger: Arranger, painter: Painter | None, expert: Expert | None) -> None:
    """See that pictures are the grids whose rows and columns it knows, and that no expert is inside. Raises BadInput if not."""
    if expert is not None:
        raise BadInput(
            "model.expert",
            expected="none, for a language model that takes its tokens apart",
            found=expert.config.type,
            remedy="leave it out",
        )
    read, drawn = language_model.config.image_side, language_model.config.drawn_side
    runs = arranger.of(ANY_PICTURE)[1].runs
    if not arranger.resolution.is_plain or list(runs) != [read**2]:
        raise BadInput(
            "model.backbone.architecture.image_side",
            expected=f"pictures that are {read} x {read} tokens, one view each",
            found=", ".join(map(str, runs)) + f" of {arranger.resolution.config.type}",
            remedy="change it, or choose a strategy such as stretch-square",
        )
    if painter is not None and painter.slots != drawn**2:
        raise BadInput(
            "model.backbone.architecture.drawn_side",
            expected=f"a painter with slots for {drawn} x {drawn} codes",
            found=f"{painter.slots} slots of {painter.config.type}",
            remedy="change it, or the canvas; the painter is raster",
        )


def check_answers(language_model: PreTrainedModel, template: Template, tokenizer: PreTrainedTokenizerBase) -> None:
    """See that it knows the tokens that begin and end answers in a chat format. Raises BadInput if not."""
    vocabulary = tokenizer.get_vocab()
    borders = {"answer_token_id": template.assistant.opening, "eos_token_id": template.stop(tokenizer.eos_token or "")}
    for name, token in borders.items():
        if token not in vocabulary:
            raise BadInput(
                "template",
                expected="a chat format in which a token each begins and ends answers, for a language model with an encoder",
                found=f"{template.name}, with {token!r}",
                remedy="use unified-io-2",
            )
        known = getattr(language_model.config, name)
        if known != vocabulary[token]:
            raise BadInput(
                f"model.backbone.architecture.{name}",
                expected=f"{vocabulary[token]}, the id of {token} in the template {template.name}",
                found=str(known),
                remedy="change it",
            )
