"""All pictures of a folder, with nothing said of them, or their class."""

from __future__ import annotations

from pathlib import Path

from omma.data.images import FileImage
from omma.data.picture_folder import picture_folder
from omma.data.sample import Sample, user
from omma.errors import BadInput

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Pictures:
    """The picture files below a folder, by path, so that the order is the same everywhere.

    Args:
        classes: whether the folder that a picture lies in, within ``folder``, is its class, as in ImageNet; classes are
            numbered by the names of their folders, and a sample's ``meta`` says the number.

    Raises:
        BadInput: if there is no such folder, no picture in it, or one that is in no class.
    """

    def __init__(self, folder: Path, *, classes: bool = False) -> None:
        self.folder = picture_folder(folder)
        self.files = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
        if not self.files:
            raise BadInput(
                str(folder),
                expected=f"pictures, files that end in {', '.join(ENDINGS)}",
                found="none",
                remedy="correct the path of the folder",
            )

        self.classes: dict[str, int] = {}
        if classes:
            loose = next((file for file in self.files if file.parent == self.folder), None)
            if loose is not None:
                raise BadInput(
                    str(loose),
                    expected="every picture in a folder that is its class",
                    found="one in none",
                    remedy="move it into one, or set classes to false",
                )
            names = sorted({file.relative_to(self.folder).parts[0] for file in self.files})
            self.classes = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        path = file.relative_to(self.folder)
        meta = {"class": self.classes[path.parts[0]]} if self.classes else {}
        return Sample(id=f"pictures/{path.as_posix()}", turns=(user(FileImage(file)),), source="pictures", meta=meta)
