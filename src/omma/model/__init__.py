"""The model as a citizen of `transformers`. Importing this package registers it with the auto classes and pipelines."""

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # 5.17 hides it without torchvision

from omma.model.config import OmmaConfig
from omma.model.image_processing import OmmaImageProcessor
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import OmmaProcessor

AutoConfig.register(OmmaConfig.model_type, OmmaConfig)
AutoModelForImageTextToText.register(OmmaConfig, OmmaForConditionalGeneration)
AutoImageProcessor.register(OmmaConfig, image_processor_classes={"pil": OmmaImageProcessor})
AutoProcessor.register(OmmaConfig, OmmaProcessor)

__all__ = ["OmmaConfig", "OmmaForConditionalGeneration", "OmmaImageProcessor", "OmmaProcessor"]
