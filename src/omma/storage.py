"""Files and directories that are either whole or not there: what every writer of omma goes through.

Everything is written beside its final place, flushed to the disk, and renamed; a process killed at any moment leaves what
was there before as it was.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from omma.errors import BadInput, OmmaError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_full_disk(error: BaseException) -> bool:
    """Whether an error means that no more can be written: a full disk, a spent quota, a limit on file sizes."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    # safetensors reports the number within its message alone.
    found = re.search(r"os error (\d+)", str(error)) if isinstance(error, SafetensorError) else None
    return found is not None and int(found[1]) in _FULL


def unwritable(path: Path, error: OSError | SafetensorError) -> BadInput:
    """The one sentence for a place that cannot be written, from the operating system's reason."""
    reason = getattr(error, "strerror", None) or str(error)
    return BadInput(
        str(path),
        expected="a place with free space that can be written",
        found="a full disk" if is_full_disk(error) else reason.lower(),
        remedy="free some space or choose another folder",
    )


def write_atomically(path: Path, data: bytes | str) -> None:
    """Replace a file as a whole: whoever reads it, whenever, finds the old one or the new one. Makes missing folders.

    Raises:
        BadInput: if the disk is full or the place cannot be written; the previous file, if any, is untouched.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
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


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """A directory to fill, which takes its name, and the place of an older one, when everything in it is on the disk.

    Raises:
        OmmaError: if the disk is full, with nothing left behind.
    """
    try:
        with _filled(path) as temporary:
            yield temporary
    except (OSError, SafetensorError) as error:
        if is_full_disk(error):
            raise OmmaError(
                f"{path}: expected room on the disk, found none left; free some space and run the same command again, "
                "it goes on from the last checkpoint."
            ) from None
        raise


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """As `whole_directory`, for what is made at one go and has nothing to go on from.

    Raises:
        BadInput: if the disk is full or the place cannot be written; what was there is untouched.
    """
    try:
        with _filled(path) as temporary:
            yield temporary
    except (OSError, SafetensorError) as error:
        raise unwritable(path, error) from error


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """As `whole_directory`, for a path that must be free.

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
    with replaced_directory(path) as temporary:
        yield temporary


@contextmanager
def _filled(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        _sync(temporary)
        remove_directory(path)
        temporary.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_directory(path: Path) -> None:
    """Remove a directory if it is there, and never leave one of that name half removed."""
    doomed = path.with_name(f".{path.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    if path.exists():
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def held(file: Path, patience: float = 0) -> Iterator[bool]:
    """Hold a file against other processes, which it is there for; makes missing folders. Gives whether nobody else holds it.

    A lock of this process alone: worker processes that outlive it by a moment do not hold it, and its own threads all do.

    Args:
        patience: seconds to wait for another process to let go.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w") as lock:
        give_up = time.monotonic() + patience
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    alone = False
                    break
                time.sleep(0.2)
        yield alone


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written or half removed in a folder."""
    for pattern in (".*.partial", ".*.removed"):
        for left in folder.glob(pattern):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
