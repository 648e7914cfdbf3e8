"""Resolution strategies: planners only. See `omma.parts.resolution.base`."""

from omma.parts.resolution import square as square
from omma.parts.resolution.base import RESOLUTIONS, Plan, Resolution, cut

__all__ = ["RESOLUTIONS", "Plan", "Resolution", "cut"]
