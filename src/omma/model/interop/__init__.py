"""Published checkpoint layouts, in and out."""

from omma.model.interop.llava_export import export_transformers
from omma.model.interop.llava_import import import_llava

__all__ = ["export_transformers", "import_llava"]
