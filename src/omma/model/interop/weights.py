"""Weights of a checkpoint directory, read and rewritten one shard at a time.

Only safetensors are opened: pickles can run code. Names, shapes and dtypes come from the headers, so everything is
checked before the first tensor is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from omma.errors import BadInput
from omma.parts.weights import weights_file

STEM = "model"
"""Of the names of files of weights."""
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""What weights may be stored as, by safetensors' names."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor is, and what."""

    shard: Path
    shape: tuple[int, ...]
    dtype: str


def reason(error: Exception) -> str:
    """An exception of another library as a short phrase on one line."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]} ..."


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises BadInput if it is missing or no such thing."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            str(path), expected="a file of the checkpoint", found="no such file", remedy="copy the whole checkpoint"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            str(path),
            expected="JSON",
            found=f"what cannot be read ({reason(error)})",
            remedy="copy the checkpoint again",
        ) from None
    if not isinstance(data, dict):
        raise BadInput(
            str(path), expected="a JSON object", found=type(data).__name__, remedy="copy the checkpoint again"
        )
    return data


class Weights:
    """All tensors of a directory, by name, from the headers of its safetensors files.

    Args:
        stem: of the names of its files.

    Raises:
        BadInput: for a missing, truncated or damaged file, pickled weights, or a dtype that is no plain float; the counters of
            batch norms may be whole numbers.
    """

    def __init__(self, directory: Path, *, stem: str = STEM) -> None:
        self.directory = directory
        self.tensors: dict[str, Stored] = {}
        for shard in _shards(directory, f"{stem}.safetensors"):
            try:
                with safe_open(shard, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 - no mapping
                        view = file.get_slice(name)
                        self._add(name, Stored(shard, tuple(view.get_shape()), view.get_dtype()))
            except (OSError, SafetensorError) as error:
                raise BadInput(
                    str(shard),
                    expected="a whole safetensors file",
                    found="no such file"
                    if isinstance(error, FileNotFoundError)
                    else f"a damaged one ({reason(error)})",
                    remedy="copy the checkpoint again",
                ) from None

    def _add(self, name: str, stored: Stored) -> None:
        # Batch norms count what they have seen.
        counter = (stored.dtype, stored.shape) == ("I64", ())
        if stored.dtype not in DTYPES and not counter:
            raise BadInput(
                f"{stored.shard}, tensor {name}",
                expected=f"one of the dtypes {', '.join(DTYPES)}",
                found=stored.dtype,
                remedy="use the checkpoint that is not quantized",
            )
        if name in self.tensors:
            raise BadInput(
                f"{stored.shard}, tensor {name}",
                expected="every tensor once",
                found=f"it in {self.tensors[name].shard.name} as well",
                remedy="copy the checkpoint again, into an empty directory",
            )
        self.tensors[name] = stored

    def dtype(self) -> str:
        """The dtype of most tensors, by torch's name."""
        found = [stored.dtype for stored in self.tensors.values()]
        return DTYPES[max(DTYPES, key=found.count)]

    def read(self, names: Mapping[str, str]) -> dict[str, Tensor]:
        """The tensors in ``names`` (stored name to new), by their new names, all in memory."""
        found: dict[str, Tensor] = {}
        for shard in sorted({self.tensors[name].shard for name in names}):
            with safe_open(shard, framework="pt") as file:
                found |= {new: file.get_tensor(old) for old, new in names.items() if self.tensors[old].shard == shard}
        return found

    def rewrite(
        self,
        target: Path,
        names: Mapping[str, str],
        *,
        stem: Callable[[str], str] = lambda name: STEM,
        change: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor,
        more: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the tensors in ``names`` (old name to new) to another directory; one shard is in memory at a time.

        Args:
            stem: the first part of the file name that a tensor goes to, by its new name.
            change: what becomes of a tensor, by its new name.
            more: tensors that are new, by name; they go into the first file of their stem.
        """
        groups: dict[tuple[str, Path | None], list[str]] = {}
        for old, new in names.items():
            groups.setdefault((stem(new), self.tensors[old].shard), []).append(old)
        for part in {stem(new) for new in more or {}} - {part for part, _ in groups}:
            groups[part, None] = []
        stems = Counter(part for part, _ in groups)
        written: Counter[str] = Counter()
        placed: dict[str, str] = {}
        total, unplaced = 0, dict(more or {})
        for (part, shard), members in sorted(groups.items(), key=lambda group: (group[0][0], str(group[0][1]))):
            written[part] += 1
            count = f"-{written[part]:05d}-of-{stems[part]:05d}" if stems[part] > 1 else ""
            file_name = f"{part}{count}.safetensors"
            tensors = {name: unplaced.pop(name) for name in [*unplaced] if stem(name) == part}
            if shard is not None:
                with safe_open(shard, framework="pt") as file:
                    tensors |= {names[old]: change(names[old], file.get_tensor(old)).contiguous() for old in members}
            save_file(tensors, target / file_name, metadata={"format": "pt"})
            placed |= dict.fromkeys(tensors, file_name)
            total += sum(tensor.nbytes for tensor in tensors.values())
        if set(placed.values()) != {f"{STEM}.safetensors"}:
            index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))}
            (target / f"{STEM}.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _shards(directory: Path, single: str) -> Iterator[Path]:
    index = directory / f"{single}.index.json"
    if index.is_file():
        named = read_json(index).get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(shard, str) for shard in named.values()):
            raise BadInput(
                str(index),
                expected="weight_map, from tensors to files",
                found=type(named).__name__,
                remedy="copy the checkpoint again",
            )
        for name in sorted(set(named.values())):
            yield weights_file(index, name)
        return
    if not (directory / single).is_file():
        pickled = sorted(p.name for p in directory.glob("*") if p.suffix in (".bin", ".pt", ".pth"))
        raise BadInput(
            str(directory),
            expected=f"{single} or {index.name}",
            found=f"{pickled[0]}, a pickle, which could run any code" if pickled else "neither",
            remedy="convert it with the save_pretrained of transformers" if pickled else "copy the whole checkpoint",
        )
    yield directory / single
