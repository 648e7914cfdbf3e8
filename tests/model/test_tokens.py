"""Tokens that a recipe gives to a tokenizer."""

from __future__ import annotations

import pytest

from omma.errors import BadInput
from omma.model.composition import compose
from omma.recipe import load_recipe
from toy_training import toy_model


def test_a_tokenizer_is_given_what_it_lacks() -> None:
    model = compose(load_recipe("fuyu", "debug").model)
    tokenizer = model.tokenizer
    assert tokenizer is not None and model.vlm is not None
    before = len(toy_model().tokenizer)
    new = ["|NEWLINE|", "<0x04>", "|SPEAKER|"]
    assert tokenizer.convert_tokens_to_ids(new) == [before, before + 1, before + 2]
    assert {*new, "<|im_start|>"} <= set(tokenizer.all_special_tokens), "those that it has stay special"
    assert model.vlm.config.image_token_id == before + 2
    assert compose(load_recipe("fuyu", "small").model, load_weights=False).image_token == "<image>"
    text = "red |NEWLINE|"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == "red "


def test_there_has_to_be_room_for_it() -> None:
    changes = ["model.backbone.architecture.vocab_size=1105"]
    with pytest.raises(BadInput, match=r"vocab_size: expected at least 1106, with room for <img>, </img>, found 1105; raise it"):
        compose(load_recipe("internvl-1.5", "debug", changes).model)
