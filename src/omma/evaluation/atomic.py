"""Files that are either the old version or the whole new one, never a half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from omma.errors import BadInput


def write_atomically(path: Path, data: bytes) -> None:
    """Writes through a temporary file beside ``path``, synced and renamed; makes missing folders.

    Raises:
        BadInput: if the disk is full or the place cannot be written; the previous file, if any, is untouched.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner reads; results are ordinary files.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> BadInput:
    """The one sentence for a place that cannot be written, from the operating system's reason."""
    return BadInput(
        str(path),
        expected="a place with free space that can be written",
        found=(error.strerror or str(error)).lower(),
        remedy="free some space or choose another folder",
    )
