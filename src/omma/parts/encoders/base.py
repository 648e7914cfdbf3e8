"""Encoders: what turns the pixels of a view into a grid of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import Part, PartConfig, Registry
from omma.parts.resolution.base import Grid, Resolution, Size

if TYPE_CHECKING:
    from omma.parts.painters.heads import CodeHead
    from omma.parts.tokenizers.base import ImageTokenizer

Triple = tuple[float, float, float]
Normalization = tuple[Triple, Triple]
"""Mean and standard deviation of pixels in [0, 1]."""

NORMALIZATIONS: dict[str, Normalization] = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
""""half" is SigLIP's and Fuyu's."""


class Encoder(Part, nn.Module):
    """A vision encoder. Features come out row by row, so that token order and `grid` agree.

    Attributes:
        width: channels C of its features.
        mean, std: what pixels in [0, 1] are normalised with.
        branches: how many encoders it is; a plan's views say by which they are read (`View.branch`).
        patch: side in pixels of the squares that a view is read in, whatever of it is beyond the last whole one being lost; None
            for those that are not of one patch size.
        exact: whether it wants pixels in float32, whatever the model computes in.
    """

    width: int
    mean: Triple
    std: Triple
    branches: int = 1
    patch: int | None = None
    exact: bool = False

    class Config(PartConfig):
        pass

    @property
    def normalizations(self) -> tuple[Normalization, ...]:
        """Of every branch: what its pixels are normalised with."""
        return ((self.mean, self.std),)

    def check(self, resolution: Resolution) -> None:
        """See that a strategy cuts views as it can read them together.

        Raises:
            BadInput: if not.
        """
        if resolution.branches != self.branches:
            raise BadInput(
                "model.resolution",
                expected=f"views for as many encoders as there are, {self.branches}",
                found=f"{resolution.config.type}, whose views are for {resolution.branches}",
                remedy="use a strategy and an encoder that belong together",
            )
        if self.patch is not None:
            own: dict[str, int] = resolution.config.model_dump()
            suited = resolution.for_patches(self.patch)
            changed = [name for name, value in suited.items() if own[name] != value]
            if changed:
                raise BadInput(
                    f"model.resolution.{changed[0]}",
                    expected=f"a multiple of {self.patch}, the side of the encoder's patches in pixels",
                    found=str(own[changed[0]]),
                    remedy="use " + " and ".join(f"{name} {suited[name]}" for name in changed),
                )

    def share(self, tokenizer: ImageTokenizer | None, head: CodeHead | None, width: int) -> None:
        """Take over what it has in common with what the model draws with.

        Args:
            tokenizer, head: the image tokenizer, and what embeds its codes; None where there is none.
            width: the language model's.

        Raises:
            BadInput: if it needs what is not there.
        """

    @property
    def learns(self) -> bool:
        """Whether anything is learned through its features."""
        return any(parameter.requires_grad for parameter in self.parameters())

    def grid(self, size: Size, branch: int = 0) -> Grid:
        """(rows, columns) of features for a view of that size (a leading CLS feature counts as its own row).

        (0, 0) for a view whose features are joined to those of another.
        """
        raise NotImplementedError

    def read(self, pixels_NCHW: Tensor, branch: int, cells_N2: Tensor) -> Tensor:
        """Features [N, rows * columns, C] of views of one size and branch.

        Args:
            cells_N2: (row, column) of each view among those of its canvas; -1 for a view of the whole picture.
        """
        return self(pixels_NCHW)

    def join(self, features: list[Tensor], branches: Sequence[int]) -> list[Tensor]:
        """What becomes of the features [T, C] of all views, in order; those that are joined to others come back empty."""
        return features

    def hidden_states(self, pixels_NCHW: Tensor) -> tuple[Tensor, ...]:
        """What its own pretraining reads: all hidden states [N, T, C], and last the final output after the norm."""
        raise NotImplementedError

    def summary(self, final_NTC: Tensor) -> Tensor:
        """What is said of views as a whole [N, C], from their final output: the CLS feature, or the mean of all without one."""
        raise NotImplementedError

    def extent(self, size: Size, tap: int) -> tuple[int, int, int]:
        """(rows, columns, channels) of a hidden state of a view of that size."""
        return *self.grid(size), self.width

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        """Features [N, rows * columns, C] of normalised pixels [N, 3, height, width]."""
        raise NotImplementedError


ENCODERS: Registry[type[Encoder]] = Registry("encoder")
