"""How good the shipped language model is: questions about what is described in words, from splits never trained on.

    python -m omma.zoo.quality DIRECTORY

DIRECTORY is a saved language model, such as the ``model`` of a finished ``lm-small`` run. Prints a table that its card
quotes: accuracy by exact match with a 95% interval, by world and split.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from omma.data.playground import WORLDS
from omma.data.playground.laid_out import laid_out
from omma.data.sample import Sample, user
from omma.evaluation import Item, evaluate, judged, score
from omma.evaluation.conditions import Condition
from omma.model.composition import load_tokenizer
from omma.model.output import Output
from omma.model.segments import Renderer
from omma.model.templates import template_named

WORDS = ("shapes", "documents", "charts", "digits", "panels", "arithmetic", "language", "recall")
"""Worlds whose descriptions the language model learns to answer about."""
LAID_OUT = ("shapes", "documents", "charts", "digits")
"""Those that are asked as words at their places, too, which the shipped model was not trained on."""
SPLITS = ("fresh", "compositional")


class WordsAnswerer:
    """Answers prompts without pictures by a language model alone (an `omma.evaluation.Answerer`): greedy, left-padded."""

    def __init__(
        self,
        model: PreTrainedModel,
        renderer: Renderer,
        tokenizer: PreTrainedTokenizerBase,
        max_new_tokens: int = 24,
    ) -> None:
        self.model, self.renderer, self.tokenizer, self.max_new_tokens = model, renderer, tokenizer, max_new_tokens

    @torch.inference_mode()
    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        rows = [self.renderer.render(prompt, for_generation=True).input_ids for prompt in prompts]
        length = max(map(len, rows))
        ids = np.stack([np.pad(row, (length - len(row), 0)) for row in rows])
        mask = np.stack([np.arange(length) >= length - len(row) for row in rows])
        replies = self.model.generate(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask.astype(np.int64)),
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
        )
        texts = self.tokenizer.batch_decode(replies[:, length:], skip_special_tokens=True)
        return [Output(text.strip()) for text in texts]


def described(world: str, split: str, scenes: int, *, at_places: bool = False) -> list[Item]:
    """Items in which the description, or the words at their places, stand in place of the pictures."""
    source = WORLDS.get(world, where="world").Config().build()
    name = f"{world}, laid out" if at_places else world
    items = []
    for index in range(scenes):
        scene = source.scene(split, index)
        words = laid_out(scene) if at_places else scene.description
        for number, question in enumerate(scene.questions):
            prompt = user(words, f"\n{question.text}") if words else user(question.text)
            place = f"{name}/{split}/{index}"
            items.append(Item(f"{place}/{number}", (prompt,), question.answer, question.kind, name, split, place))
    return items


def main(directory: Path, scenes: int = 60) -> None:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(str(directory.resolve()), where="directory")
    answerer = WordsAnswerer(model, Renderer(tokenizer, template_named("vicuna-v1"), system=""), tokenizer)
    items = [item for world in WORDS for split in SPLITS for item in described(world, split, scenes)]
    items += [item for world in LAID_OUT for split in SPLITS for item in described(world, split, scenes, at_places=True)]
    conditions: tuple[Condition, ...] = ("sighted",)
    predictions = evaluate(answerer, items, conditions=conditions, batch_size=128)
    scores = score(judged(items, predictions, conditions))
    print("| world | split | questions | accuracy | 95% interval |")
    print("| --- | --- | --- | --- | --- |")
    for cell in scores.cells:
        if cell.kind is None:
            right = cell.accuracy
            print(f"| {cell.world} | {cell.split} | {cell.items} | {right.value:.3f} | {right.low:.3f} to {right.high:.3f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
