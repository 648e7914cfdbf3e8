"""The playground: generated worlds with perfect ground truth. See `omma.data.playground.base` and docs/playground.md."""

from omma.data.playground import arithmetic as arithmetic
from omma.data.playground import charts as charts
from omma.data.playground import concepts as concepts
from omma.data.playground import creatures as creatures
from omma.data.playground import customs as customs
from omma.data.playground import digits as digits
from omma.data.playground import documents as documents
from omma.data.playground import language as language
from omma.data.playground import montage as montage
from omma.data.playground import panels as panels
from omma.data.playground import reading as reading
from omma.data.playground import recall as recall
from omma.data.playground import shapes as shapes
from omma.data.playground import sheets as sheets
from omma.data.playground.base import SPLITS, WORLDS, Question, Scene, World

__all__ = ["SPLITS", "WORLDS", "Question", "Scene", "World"]
