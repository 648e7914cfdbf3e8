"""The model as a citizen of `transformers`. Importing this package registers it with the auto classes and pipelines."""

from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from omma.model.config import OmmaConfig
from omma.model.image_processing import OmmaImageProcessor
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import OmmaProcessor

AutoConfig.register(OmmaConfig.model_type, OmmaConfig)
AutoModelForImageTextToText.register(OmmaConfig, OmmaForConditionalGeneration)
AutoImageProcessor.register(OmmaConfig, image_processor_classes={"pil": OmmaImageProcessor})
AutoProcessor.register(OmmaConfig, OmmaProcessor)

__all__ = ["OmmaConfig", "OmmaForConditionalGeneration", "OmmaImageProcessor", "OmmaProcessor"]
