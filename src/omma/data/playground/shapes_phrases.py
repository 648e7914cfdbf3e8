"""Phrasings of the shapes world's questions, by kind. ``{x}``, ``{a}`` and ``{b}`` are names with "the"."""

from __future__ import annotations

PHRASES: dict[str, tuple[str, ...]] = {
    "color": (
        "What color is {x}?", "What colour is {x}?", "Which color does {x} have?", "What is the color of {x}?",
        "Name the color of {x}.", "Tell me the colour of {x}.", "In what color is {x} drawn?", "{x} is what color?",
        "Give the color of {x}.", "Can you tell the color of {x}?",
    ),
    "shape": (
        "What shape is {x}?", "What is the shape of {x}?", "Which shape does {x} have?", "Name the shape of {x}.",
        "Tell me what shape {x} is.", "What form does {x} have?", "{x} has what shape?", "Give the shape of {x}.",
        "What kind of shape is {x}?", "Can you tell the shape of {x}?",
    ),
    "size": (
        "What size is {x}?", "Is {x} small or large?", "Is {x} large or small?", "How big is {x}, small or large?",
        "What is the size of {x}?", "Name the size of {x}: small or large.", "Tell me the size of {x}.",
        "Say whether {x} is small or large.", "Which size does {x} have?", "Give the size of {x}.",
    ),
    "larger": (
        "Which is larger, {a} or {b}?", "What is bigger, {a} or {b}?", "Which one is the larger one: {a} or {b}?",
        "Name the bigger of the two: {a} or {b}.", "Is {a} or {b} larger?", "Between {a} and {b}, which is bigger?",
        "Tell me which is larger, {a} or {b}.", "Of {a} and {b}, which one is larger?",
    ),
    "smaller": (
        "Which is smaller, {a} or {b}?", "What is smaller, {a} or {b}?", "Which one is the smaller one: {a} or {b}?",
        "Name the smaller of the two: {a} or {b}.", "Is {a} or {b} smaller?", "Between {a} and {b}, which is smaller?",
        "Tell me which is smaller, {a} or {b}.", "Of {a} and {b}, which one is smaller?",
    ),
    "position": (
        "Where is {x}?", "Where in the picture is {x}?", "In which part of the picture is {x}?", "Where can I find {x}?",
        "Name the position of {x}.", "What is the position of {x}?", "Tell me where {x} is.", "Where do you see {x}?",
        "Give the place of {x} in the image.", "In what region of the image is {x}?",
    ),
    "count": (
        "How many {what} are there?", "How many {what} are in the picture?", "How many {what} do you see?",
        "Count the {what}.", "What is the number of {what}?", "Tell me how many {what} there are.",
        "How many {what} does the image show?", "Give the number of {what}.", "How many {what} can you count?",
        "How many {what}?",
    ),
    "exist": (
        "Is there {one}?", "Is there {one} in the picture?", "Does the picture show {one}?", "Do you see {one}?",
        "Can you see any {some}?", "Are there any {some}?", "Is {one} present?", "Does the image contain {one}?",
        "Tell me whether there is {one}.", "Is any object {one}?",
    ),
    "exist any": (
        "Is anything {color}?", "Is there anything {color} in the picture?", "Do you see something {color}?",
        "Are there any {color} objects?", "Is there any {color} shape?", "Does the picture contain the color {color}?",
        "Is one of the figures {color}?", "Tell me whether anything is {color}.",
    ),
    "relation": (
        "Is {a} {relation} {b}?", "Is {a} located {relation} {b}?", "Do you see {a} {relation} {b}?",
        "In the picture, is {a} {relation} {b}?", "Tell me whether {a} is {relation} {b}.", "Does {a} lie {relation} {b}?",
        "Would you say that {a} is {relation} {b}?", "Is it right that {a} is {relation} {b}?", "{a} is {relation} {b}, yes or no?",
    ),
    "neighbor": (
        "What is {relation} {b}?", "Which {noun} is {relation} {b}?", "Name the {noun} {relation} {b}.",
        "What do you see {relation} {b}?", "What {noun} is located {relation} {b}?", "Tell me what is {relation} {b}.",
        "What lies {relation} {b}?", "{relation} {b}, what is there?", "What can be found {relation} {b}?",
    ),
    "compare shapes": (
        "Are there more {a} or {b}?", "Which are there more of, {a} or {b}?", "What is there more of: {a} or {b}?",
        "Do you see more {a} or more {b}?", "Compare the {a} and the {b}: which are more?", "Which are more numerous, {a} or {b}?",
        "More {a} or more {b}?", "Tell me whether there are more {a} or more {b}.", "Does the picture have more {a} or {b}?",
    ),
    "compare colors": (
        "Are there more {a} or {b} {nouns}?", "Are more {nouns} {a} or {b}?", "Which color has more {nouns}, {a} or {b}?",
        "Do you see more {a} or more {b} {nouns}?", "What color is more frequent, {a} or {b}?",
        "More {a} or more {b} {nouns}?", "Tell me whether more {nouns} are {a} or {b}.", "Which colour is more common: {a} or {b}?",
    ),
    "most color": (
        "Which color appears most often?", "What is the most common color of the {nouns}?", "Name the color of most {nouns}.",
        "What color do the largest number of {nouns} have?", "Which colour is the most frequent?", "What color is seen most?",
        "Of which color are there the most {nouns}?", "Tell me the most frequent color.",
    ),
    "most shape": (
        "Which shape appears most often?", "What is the most common shape?", "Name the most frequent shape.",
        "What shape is there the most of?", "Which shape is the most frequent?", "What shape is seen most?",
        "Of which shape are there the most {nouns}?", "Tell me the most common shape.",
    ),
    "only large": (
        "Which {noun} is the only large one?", "What is the only large {noun}?", "Name the only large {noun}.",
        "Just one {noun} is large: which one?", "Which {noun} is the biggest?", "What is the biggest {noun}?",
        "All but one {noun} are small. Which is the large one?", "Tell me which {noun} is large.",
    ),
    "only small": (
        "Which {noun} is the only small one?", "What is the only small {noun}?", "Name the only small {noun}.",
        "Just one {noun} is small: which one?", "Which {noun} is the smallest?", "What is the smallest {noun}?",
        "All but one {noun} are large. Which is the small one?", "Tell me which {noun} is small.",
    ),
    "outermost left": (
        "Which {noun} is furthest to the left?", "What is the leftmost {noun}?", "Name the leftmost {noun}.",
        "What is on the far left?", "Which {noun} is leftmost?", "Going from left to right, what comes first?",
        "Tell me the {noun} furthest left.", "What {noun} is nearest to the left side?",
    ),
    "outermost right": (
        "Which {noun} is furthest to the right?", "What is the rightmost {noun}?", "Name the rightmost {noun}.",
        "What is on the far right?", "Which {noun} is rightmost?", "Going from left to right, what comes last?",
        "Tell me the {noun} furthest right.", "What {noun} is nearest to the right side?",
    ),
    "outermost above": (
        "Which {noun} is the highest?", "What is the topmost {noun}?", "Name the topmost {noun}.",
        "What is highest up in the picture?", "Which {noun} is topmost?", "Going from top to bottom, what comes first?",
        "Tell me the highest {noun}.", "What {noun} is highest up?",
    ),
    "outermost below": (
        "Which {noun} is the lowest?", "What is the bottommost {noun}?", "Name the lowest {noun}.",
        "What is lowest in the picture?", "Which {noun} is furthest down?", "Going from top to bottom, what comes last?",
        "Tell me the lowest {noun}.", "What {noun} is nearest to the bottom?",
    ),
}  # fmt: skip
