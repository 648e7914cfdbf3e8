"""omma's models in lmms-eval (arXiv 2407.12772), which finds them by the entry point ``lmms_eval.models``.

    lmms_eval --model omma --model_args model=runs/mine/model --tasks mme

Nothing here is needed by omma itself, and lmms-eval is no dependency of it: `chat` is read by lmms-eval alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def manifest() -> Any:
    """What lmms-eval registers: the name, and the class behind it, which it imports when somebody asks for it."""
    registry = import_module("lmms_eval.models.registry_v2")
    return registry.ModelManifest(model_id="omma", chat_class_path="omma.lmms_eval.chat.OmmaChat")
