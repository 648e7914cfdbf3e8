"""Resolution strategies: planners only. See `omma.parts.resolution.base`."""

from omma.parts.resolution import anyres as anyres
from omma.parts.resolution import closest_aspect as closest_aspect
from omma.parts.resolution import iou_grid as iou_grid
from omma.parts.resolution import keep_ratio as keep_ratio
from omma.parts.resolution import native as native
from omma.parts.resolution import padded_grid as padded_grid
from omma.parts.resolution import pixel_budget as pixel_budget
from omma.parts.resolution import slices as slices
from omma.parts.resolution import square as square
from omma.parts.resolution import two_branches as two_branches
from omma.parts.resolution import windows as windows
from omma.parts.resolution.base import RESOLUTIONS, Plan, Resolution, cut

__all__ = ["RESOLUTIONS", "Plan", "Resolution", "cut"]
