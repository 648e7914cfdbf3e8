"""What is drawn, read back and judged without any trained model. See `omma.evaluation.drawing.read_back`."""

from omma.evaluation.drawing.prompts import TASKS, Prompt, Wanted, prompts
from omma.evaluation.drawing.read_back import Found, read_back

__all__ = ["TASKS", "Found", "Prompt", "Wanted", "prompts", "read_back"]
