"""All pictures of a folder, with nothing said of them."""

from __future__ import annotations

from pathlib import Path

from omma.data.images import FileImage
from omma.data.picture_folder import picture_folder
from omma.data.sample import Sample, user
from omma.errors import BadInput

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Pictures:
    """The picture files below a folder, by path, so that the order is the same everywhere.

    Raises:
        BadInput: if there is no such folder, or no picture in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = picture_folder(folder)
        self.files = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
        if not self.files:
            raise BadInput(
                str(folder),
                expected=f"pictures, files that end in {', '.join(ENDINGS)}",
                found="none",
                remedy="correct the path of the folder",
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        return Sample(
            id=f"pictures/{file.relative_to(self.folder).as_posix()}", turns=(user(FileImage(file)),), source="pictures"
        )
