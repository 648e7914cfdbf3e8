"""Which model is put to the test, by name: one of omma's own, of `transformers`, behind an endpoint, or a scripted one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from omma.errors import BadInput
from omma.evaluation import Answerer, Item
from omma.evaluation.models.remote import RemoteModel
from omma.model.answering import ModelAnswerer
from omma.model.loading import model_directory
from omma.parts.base import validated
from omma.recipe import EvaluationRecipe
from omma.yaml_text import yaml_value

KINDS = ("openai", "gemini", "transformers", "tesseract", "scripted")


@dataclass(frozen=True, slots=True)
class UnderTest:
    """A model that is asked.

    Attributes:
        answerer: what is asked.
        identity: another one for every model that may answer otherwise.
        batch: prompts that it is given at a time.
        parameters: by part, of models whose parts are known.
        cost: what it has cost so far, in a sentence; "" if nothing is counted.
    """

    answerer: Answerer
    identity: str
    batch: int
    parameters: dict[str, int]
    cost: Callable[[], str]


def is_directory(model: str) -> bool:
    """Whether the name is that of a saved model, a run, or a model of the zoo."""
    return model.partition(":")[0] not in KINDS


def under_test(
    model: str, items: Sequence[Item], settings: EvaluationRecipe, chosen: Mapping[str, str], replies: Path | None
) -> UnderTest:
    """The model of that name, ready to be asked.

    Args:
        model: a directory, a run, ``zoo:NAME``, ``openai:NAME``, ``gemini:NAME``, ``transformers:NAME``,
            ``tesseract:LANGUAGE`` or ``scripted:NAME``.
        items: what it will be asked; scripted models know them.
        chosen: settings of the model, as ``key=value`` on the command line has them.
        replies: where replies that are paid for are kept; the user's cache if absent.

    Raises:
        BadInput: if there is no such model, or a setting is not one of its.
    """
    if is_directory(model):
        _refuse_settings(model, chosen)
        directory = model_directory(model)
        own = ModelAnswerer.from_directory(directory, max_new_tokens=settings.max_new_tokens, batch=settings.batch)
        parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in own.model.named_children()}
        identity = f"{weights_digest(directory)} {settings.max_new_tokens}"
        return UnderTest(own, identity, settings.batch, parameters, lambda: "")
    kind, _, name = model.partition(":")
    values = {key: yaml_value(value) for key, value in chosen.items()}
    if kind == "scripted":
        from omma.evaluation.models.scripted import scripted

        _refuse_settings(model, chosen)
        return UnderTest(scripted(name, items), model, settings.batch, {}, lambda: "")
    if kind == "tesseract":
        from omma.evaluation.models.tesseract import Tesseract

        _refuse_unknown(model, values, ("layout", "enlarge"))
        reader = Tesseract(name, **values)
        return UnderTest(reader, f"{model} {reader.version} {values}", settings.batch, {}, lambda: "")
    if kind == "transformers":
        from omma.evaluation.models.any_transformers import TransformersModel

        _refuse_unknown(model, values, ("batch", "dtype"))
        values = {"batch": settings.batch, **values}
        any_model = TransformersModel(name, max_new_tokens=settings.max_new_tokens, **values)
        parameters = {"model": any_model.model.num_parameters()}
        # What lies in a directory may be another model the next time.
        weights = weights_digest(Path(name)) if Path(name).is_dir() else ""
        identity = f"{model} {weights} {settings.max_new_tokens} {values}"
        return UnderTest(any_model, identity, values["batch"], parameters, lambda: "")
    remote = _remote(kind, name, {"max_new_tokens": settings.max_new_tokens, **values}, replies)
    # So many that the last few of a batch, which wait for each other, are few among them.
    batch = max(settings.batch, 16 * remote.config.concurrency)
    return UnderTest(remote, f"{model} {remote.config.that_counts()}", batch, {}, lambda: _cost(remote))


def _remote(kind: str, name: str, values: dict[str, Any], replies: Path | None) -> RemoteModel:
    from omma.evaluation.models.cache import ReplyCache
    from omma.evaluation.models.gemini import GeminiConfig, GeminiModel
    from omma.evaluation.models.openai_chat import OpenAiConfig, OpenAiModel

    cache = ReplyCache(replies or _user_cache() / "replies.sqlite")
    if kind == "openai":
        return OpenAiModel(validated(OpenAiConfig, {"model": name, **values}, where="", of=f"model {kind}:{name}"), cache=cache)
    return GeminiModel(validated(GeminiConfig, {"model": name, **values}, where="", of=f"model {kind}:{name}"), cache=cache)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omma"


def _cost(remote: RemoteModel) -> str:
    spent = remote.spent
    dollars = f", {spent.dollars:.2f} dollars" if spent.dollars else ""
    tokens = f"{spent.prompt_tokens:,} tokens in, {spent.tokens:,} out"
    return (
        f"{spent.asked:,} questions in {spent.tries:,} requests, {tokens}{dollars}; {spent.cached:,} replies were known."
    )


def _refuse_settings(model: str, chosen: Mapping[str, str]) -> None:
    if chosen:
        raise _no_setting(model, min(chosen), "none; settings of the recipe go without --with")


def _refuse_unknown(model: str, values: Mapping[str, Any], known: Sequence[str]) -> None:
    if unknown := set(values) - set(known):
        raise _no_setting(model, min(unknown), ", ".join(known))


def _no_setting(model: str, name: str, allowed: str) -> BadInput:
    return BadInput(f"model {model}, setting {name}", expected=allowed, found=name, remedy="leave it out")


def weights_digest(model: Path) -> str:
    """Names a model's weights exactly, so that replies of another model are never taken for its own."""
    digest = blake2b(digest_size=16)
    for file in sorted(model.glob("*.safetensors")):
        digest.update(file.name.encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
