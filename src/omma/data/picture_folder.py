"""Pictures that a data file names by a path within one folder, which they must not leave."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from omma.data.images import FileImage
from omma.errors import BadInput


def picture_in(folder: Path, path: str, *, where: str) -> FileImage:
    """The file at a path within the folder. Links within the folder may lead anywhere: its owner made them.

    Args:
        where: the file, record and field that name the path, for complaints.

    Raises:
        BadInput: for a path that leaves the folder, and for one where no file is.
    """
    drive = PureWindowsPath(path)
    if (
        PurePosixPath(path).is_absolute()
        or drive.drive
        or drive.root
        or os.path.normpath(path).split(os.sep)[0] == ".."
    ):
        raise BadInput(
            where,
            expected=f"a path within {folder}",
            found=repr(path),
            remedy="make the path relative to the image folder",
        )
    file = folder / path
    try:
        exists = file.is_file()
    except (ValueError, OSError):  # a null character in the path, or one too long for any file system
        exists = False
    if not exists:
        raise BadInput(
            where,
            expected=f"a file in {folder}",
            found=f"nothing at {path!r}",
            remedy="fetch the picture, correct the path or leave the record out",
        )
    return FileImage(file)


def picture_folder(path: Path) -> Path:
    """The path if it is a folder. Raises BadInput for anything else."""
    if not path.is_dir():
        raise BadInput(
            str(path),
            expected="the folder that image paths are relative to",
            found="a file" if path.exists() else "nothing of that name",
            remedy="correct the path of the image folder",
        )
    return path
