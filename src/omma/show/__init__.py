"""How strategies cut a picture: counts, costs, and pages that draw them. `omma show --image` writes the pages."""

from omma.show.cost import Cost, cost_of
from omma.show.cutting import Cutting, cutting_of
from omma.show.drawing import drawing_of
from omma.show.page import Shown, comparison_page, recipe_page, write_page

__all__ = [
    "Cost",
    "Cutting",
    "Shown",
    "comparison_page",
    "cost_of",
    "cutting_of",
    "drawing_of",
    "recipe_page",
    "write_page",
]
