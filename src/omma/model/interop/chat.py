"""Which of omma's chat formats a checkpoint's Jinja template writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from transformers import PreTrainedTokenizerBase

from omma.data.images import MemoryImage
from omma.data.sample import Turn, assistant, user
from omma.model.interop.weights import read_json
from omma.model.templates import TEMPLATES


def _chat_template(source: Path, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The checkpoint's Jinja template, from the places where versions have put it."""
    if (source / "chat_template.json").is_file():
        template = read_json(source / "chat_template.json").get("chat_template")
        if isinstance(template, str):
            return template
    return tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None


_PICTURE = MemoryImage(Image.new("RGB", (1, 1)), key="probe")
_PROBES: tuple[tuple[Turn, ...], ...] = (
    (user(_PICTURE, "one"),),
    (user(_PICTURE, "one"), assistant("two"), user("three")),
)


def chat_format(
    source: Path, tokenizer: PreTrainedTokenizerBase, *, image_token: str, usual: str
) -> tuple[str, str | None, str | None]:
    """(name of the chat format, its system text, the Jinja template to keep if omma's writes something else).

    Args:
        image_token: what the checkpoint's template writes for a picture.
        usual: the format's name where there is no template, or one of another format.
    """
    template = _chat_template(source, tokenizer)
    if template is None:
        return usual, None, None
    messages = [_messages(turns) for turns in _PROBES]
    try:
        theirs = [
            tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False, add_generation_prompt=True)
            for chat in messages
        ]
    except Exception:
        return usual, "", template
    # What the processor writes around a picture is not in a template's text.
    borders = TEMPLATES[usual].borders
    for name, known in TEMPLATES.items():
        if known.borders != borders:
            continue
        for system in (None, ""):
            ours = [
                known.text(
                    turns,
                    eos=tokenizer.eos_token or "",
                    system=system,
                    image_token=image_token,
                    generation_prompt=True,
                )
                for turns in _PROBES
            ]
            if known.user_words and ours[0] == theirs[0]:
                return name, system, None if ours == theirs else template
    return usual, "", template


def _messages(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    def content(turn: Turn) -> list[dict[str, str]]:
        texts = [{"type": "text", "text": turn.text}]
        return [{"type": "image"}, *texts] if len(turn.content) > 1 else texts

    return [{"role": str(turn.role), "content": content(turn)} for turn in turns]
