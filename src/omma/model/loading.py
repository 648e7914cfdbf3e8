"""Saved models: found by what people call them, checked, and loaded. Never a half of one."""

from __future__ import annotations

from pathlib import Path

import torch
from jinja2 import TemplateSyntaxError
from transformers.utils.chat_template_utils import render_jinja_template

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.registry import ARCHITECTURES
from omma.model.interop.weights import Weights, read_json
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import OmmaProcessor
from omma.parts.base import PartConfig
from omma.parts.tokenizers import IMAGE_TOKENIZERS, ImageTokenizer
from omma.parts.tokenizers.saved import MODEL_TYPE as IMAGE_TOKENIZER
from omma.parts.tokenizers.saved import load_image_tokenizer
from omma.parts.weights import ZOO, locate, zoo_names

FILES = ("generation_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
"""What a saved model holds in JSON besides its config and its weights."""
TEMPLATE = "chat_template.jinja"


def model_directory(source: str) -> Path:
    """The directory of a saved model.

    Args:
        source: ``zoo:NAME``, the directory of a model, or that of a finished run.

    Raises:
        BadInput: if there is no model.
    """
    if source.startswith(ZOO):
        return Path(locate(source, where="model"))
    path = Path(source).expanduser()
    if (path / "config.json").is_file():
        return path
    if (path / "recipe.yaml").is_file():
        if (path / "model").is_dir():
            return path / "model"
        raise BadInput(
            str(path),
            expected="a finished run",
            found="one without a model yet",
            remedy="run the omma train command that began it again, it goes on from the last checkpoint",
        )
    shipped = ", ".join(f"{ZOO}{name}" for name in zoo_names())
    raise BadInput(
        source,
        expected="the directory of a saved model or of a run" + (f", or one of {shipped}" if shipped else ""),
        found="a directory without config.json" if path.is_dir() else "no such directory",
        remedy="check the path",
    )


def check_model(directory: Path) -> None:
    """See that a saved model is whole, by its files and the headers of its weights.

    Raises:
        BadInput: naming the file that is missing, truncated or of another kind.
    """
    config = directory / "config.json"
    kind = read_json(config).get("model_type")
    if kind != OmmaConfig.model_type:
        raise BadInput(
            f"{config}, model_type",
            expected=OmmaConfig.model_type,
            found=repr(kind),
            remedy="read it in with omma import first" if kind in ARCHITECTURES else "give a model that omma saved",
        )
    for name in FILES:
        read_json(directory / name)
    _check_template(directory / TEMPLATE)
    Weights(directory)


def is_saved_image_tokenizer(directory: Path) -> bool:
    """Whether a directory holds an image tokenizer alone, as omma saves it. Raises BadInput without a config.json."""
    return read_json(directory / "config.json").get("model_type") == IMAGE_TOKENIZER


def saved_image_tokenizer(directory: Path) -> PartConfig:
    """The config of a saved image tokenizer. Raises BadInput if it is none."""
    where = directory / "config.json"
    return IMAGE_TOKENIZERS.parse(read_json(where).get("image_tokenizer", {}), where=f"{where}, image_tokenizer")


def load_saved_image_tokenizer(directory: Path) -> ImageTokenizer:
    """A saved image tokenizer, in float32.

    Raises:
        BadInput: if files are missing or broken, or do not belong together.
    """
    tokenizer: ImageTokenizer = saved_image_tokenizer(directory).build()
    load_image_tokenizer(tokenizer, str(directory))
    return tokenizer.eval()


def _check_template(file: Path) -> None:
    """See that a chat template is one. What it makes of a conversation is its own affair."""
    try:
        render_jinja_template([[{"role": "user", "content": "hello"}]], chat_template=file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TemplateSyntaxError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
        raise BadInput(
            str(file), expected="a chat template in Jinja", found=found, remedy="copy the whole directory again"
        ) from None
    except Exception:
        # It may refuse this conversation, or want what only its tokenizer has.
        return


def load_model(
    directory: Path, *, dtype: torch.dtype = torch.float32
) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    """A saved model and its processor, ready to answer.

    Raises:
        BadInput: as `check_model`, and if tensors and config.json do not belong together.
    """
    check_model(directory)
    model, report = OmmaForConditionalGeneration.from_pretrained(
        directory, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
    )
    for problem in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if report[problem]:
            raise BadInput(
                str(directory),
                expected="exactly the tensors that its config.json describes",
                found=f"{problem.removesuffix('_keys')} ones such as {min(map(str, report[problem]))}",
                remedy="copy the whole directory again",
            )
    return model.eval(), OmmaProcessor.from_pretrained(directory)
