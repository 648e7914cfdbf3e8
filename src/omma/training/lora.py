"""Low-rank adapters on the language model, through peft (Hu et al., arXiv 2106.09685)."""

from __future__ import annotations

from peft import LoraConfig, LoraModel
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.experts.modality_experts import is_split
from omma.recipe import Lora


def add_adapters(language_model: PreTrainedModel, settings: Lora) -> LoraModel:
    """Put adapters beside the target modules, in place; their paths hold ``lora_A`` and ``lora_B``.

    They begin as no change at all (B is zero). The answer's ``merge_and_unload`` adds what they learned to the weights and
    takes them out again, so that the language model is a plain one afterwards.

    Raises:
        BadInput: if a target is no module's name, or no kind of module that can be adapted, or one that is split by an expert.
    """
    modules = {name.rpartition(".")[2]: module for name, module in language_model.named_modules()}
    for target in settings.targets:
        module = modules.get(target.rpartition(".")[2])
        if module is None:
            raise _bad_target(f"no {target!r} in a {type(language_model).__name__}")
        if is_split(module):
            # An adapter sees all tokens, but would be merged into what only words go through.
            raise _bad_target(f"{target!r}, which an expert has split for pictures and words")
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
    )
    try:
        return LoraModel(language_model, config, "default")
    except ValueError as error:
        raise _bad_target(str(error).partition(".")[0]) from None


def _bad_target(found: str) -> BadInput:
    return BadInput(
        "recipe field lora.targets",
        expected="names of linear modules of the language model",
        found=found,
        remedy="use for instance q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj or down_proj",
    )
