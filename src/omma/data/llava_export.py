"""Samples written in the LLaVA conversation format, pictures as PNG beside: to train elsewhere on what omma generates."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from omma.data.llava_json import IMAGE_SENTINEL, RESERVED
from omma.data.sample import ImageSegment, ImageSource, Role, Sample, TextSegment, Turn
from omma.errors import BadInput

_NAMES = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}


def write_llava_json(
    samples: Iterable[Sample], path: str | os.PathLike[str], image_folder: str | os.PathLike[str]
) -> int:
    """Write samples as a JSON array, one record a line, and their pictures as PNG into the folder (made if missing).

    `LlavaJson` reads the same conversations back: ids, turns, pictures to the pixel, and ``meta``. Boxes, masks and words
    that no turn says have no place in the format, nor has `Turn.learn`: every answer counts as learned when read back.
    A picture that several samples show is written once. The JSON file appears whole or not at all; a crash may leave
    pictures behind.

    Args:
        samples: at least one; read once, none kept.
        path: the JSON file, replaced if it exists.
        image_folder: what the image paths in the file will be relative to.

    Returns:
        How many samples were written.

    Raises:
        BadInput: for a sample that this format cannot hold, a picture that cannot be read, a disk that is full.
    """
    path, folder = Path(path), Path(image_folder)
    count = 0

    def write(stream: IO[bytes]) -> None:
        nonlocal count
        for sample in samples:
            stream.write(b",\n" if count else b"[\n")
            stream.write(json.dumps(_record(sample, folder), ensure_ascii=False).encode())
            count += 1
        if not count:
            raise BadInput(str(path), expected="at least one sample", found="none", remedy="check where they come from")
        stream.write(b"\n]\n")

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, write)
    except OSError as error:
        raise BadInput(
            str(error.filename or path),
            expected="a place to write to",
            found=(error.strerror or str(error)).lower(),
            remedy="free some space or choose another place",
        ) from error
    return count


def _replace(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file beside its final name and move it there when it is whole."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _record(sample: Sample, folder: Path) -> dict[str, Any]:
    where = f"sample {sample.id!r}"
    if clash := sorted(set(sample.meta) & set(RESERVED)):
        raise BadInput(
            where, expected="meta without the format's own fields", found=f"meta field {clash[0]}", remedy="rename it"
        )
    paths: list[str] = []
    conversations = [{"from": _NAMES[turn.role], "value": _text(turn, paths, folder, where)} for turn in sample.turns]
    record: dict[str, Any] = {"id": sample.id}
    if paths:
        record["image"] = paths[0] if len(paths) == 1 else paths
    return record | {"conversations": conversations} | dict(sample.meta)


def _text(turn: Turn, paths: list[str], folder: Path, where: str) -> str:
    """The turn with a sentinel for each picture; the pictures' paths are appended."""
    pieces = []
    for segment in turn.content:
        if isinstance(segment, TextSegment) and IMAGE_SENTINEL not in segment.text:
            pieces.append(segment.text)
        elif isinstance(segment, ImageSegment) and turn.role is not Role.SYSTEM:
            pieces.append(IMAGE_SENTINEL)
            paths.append(_saved(segment.image, folder))
        else:
            raise BadInput(
                where,
                expected=f"texts without {IMAGE_SENTINEL}, and pictures of the user and the assistant only",
                found=f"a {type(segment).__name__} of the {turn.role}",
                remedy="turn boxes and masks into text first, and leave out what the format cannot hold",
            )
    return "".join(pieces)


def _saved(image: ImageSource, folder: Path) -> str:
    name = hashlib.blake2b(image.key.encode(), digest_size=16).hexdigest() + ".png"
    if not (folder / name).exists():
        picture = image.load()
        _replace(folder / name, lambda stream: picture.save(stream, "PNG"))
    return name
