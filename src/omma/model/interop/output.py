"""Directories that appear only when they are complete."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from omma.errors import BadInput
from omma.model.interop.weights import reason


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory to fill, which takes its name at the end; after a failure nothing is left.

    Raises:
        BadInput: if the path is taken or cannot be written, or the disk is full.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise BadInput(
            str(path),
            expected="a new or empty directory",
            found="one with files in it" if path.is_dir() else "a file",
            remedy="choose another path or remove it",
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if path.exists():
            path.rmdir()
        partial.rename(path)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        raise BadInput(
            str(path),
            expected="a place that can be written",
            found="a full disk" if full else reason(error),
            remedy="free some space or choose another path",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
