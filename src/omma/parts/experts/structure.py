"""Where experts attach: the blocks of a transformer, found by the names of what is in them and not by the model's family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn
from transformers import PreTrainedModel

from omma.errors import BadInput


def blocks_of(
    model: PreTrainedModel, names: Sequence[str], *, where: str, remedy: str
) -> list[tuple[nn.Module, dict[str, nn.Module]]]:
    """The model's blocks, each with its modules of these names.

    Blocks are the entries of the one list of modules, not inside another such list, whose every entry has exactly one module
    of each name. So towers of several stages and mixtures of experts are refused instead of adapted in part.

    Raises:
        BadInput: if there is no such list, or several.
    """
    lists = list(_lists(model, names))
    if len(lists) != 1:
        missing = [name for name in names if not any(_last(path) == name for path, _ in model.named_modules())]
        found = f"{_layers_in(model)} without {', '.join(missing)}" if missing else "another structure"
        raise BadInput(
            where,
            expected=f"a model of equal blocks with one {', one '.join(names)} each",
            found=f"{found} in {type(model).__name__}",
            remedy=remedy,
        )
    return lists[0]


def legal_targets(model: PreTrainedModel) -> str:
    """Linear layers that every block has exactly once, so that experts can change them, as a recipe's list of groups: those
    of queries, keys and values, which read the same, together. Empty if there are none."""
    blocks = _longest(model)
    names = [_last(path) for path, layer in blocks[0].named_modules() if isinstance(layer, nn.Linear)] if blocks else []
    once = [name for name in names if all(len(_named(block, [name])[name]) == 1 for block in blocks)]
    together = [name for name in ("q_proj", "k_proj", "v_proj") if name in once]
    groups = [together] * bool(together) + [[name] for name in once if name not in together]
    written = ["[" + ", ".join(group) + "]" for group in groups]
    return f"[{', '.join(written)}]" if written else ""


def _longest(model: nn.Module) -> Sequence[nn.Module]:
    """What are most likely a model's blocks, whatever is in them: its longest list of modules."""
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def _layers_in(model: nn.Module) -> str:
    """Names of what has weights in a model's first block."""
    layers = [
        _last(path)
        for block in _longest(model)[:1]
        for path, layer in block.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    ]
    return ", ".join(dict.fromkeys(layers)) or "no blocks"


def _lists(module: nn.Module, names: Sequence[str]) -> Iterator[list[tuple[nn.Module, dict[str, nn.Module]]]]:
    if isinstance(module, nn.ModuleList) and len(module):
        found = [_named(block, names) for block in module]
        if all(len(modules) == 1 for block in found for modules in block.values()):
            yield [
                (block, {name: one[0] for name, one in named.items()})
                for block, named in zip(module, found, strict=True)
            ]
            return
    for child in module.children():
        yield from _lists(child, names)


def _named(block: nn.Module, names: Sequence[str]) -> dict[str, list[nn.Module]]:
    modules = list(block.named_modules())
    return {name: [module for path, module in modules if _last(path) == name] for name in names}


def _last(path: str) -> str:
    return path.rpartition(".")[2]
