"""Published checkpoint layouts, in and out."""

from omma.model.interop.exporting import export_transformers
from omma.model.interop.importing import import_transformers

__all__ = ["export_transformers", "import_transformers"]
