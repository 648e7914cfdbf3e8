"""The small language model's tokenizer: byte-level BPE, trained on the playground's words.

    python -m omma.zoo.tokenizer OUT

Digits are always single tokens, so that numbers are read and written digit by digit; every byte has a token, so nothing is
unknown. The same command always gives the same file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from omma.data.playground import WORLDS

VOCABULARY = 2048
SCENES = 2000
"""Training scenes of each world whose words are counted."""
WORDS_OF = ("arithmetic", "charts", "digits", "documents", "language", "panels", "shapes")
"""The worlds whose words are counted. Changing this changes every token: the shipped parts would have to be trained anew."""
SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>"]


def texts() -> Iterator[str]:
    """Every passage, question and answer of the first training scenes of those worlds."""
    for name in WORDS_OF:
        world = WORLDS.get(name, where="world").Config().build()
        for index in range(SCENES):
            scene = world.scene("train", index)
            yield scene.description
            yield scene.caption
            for question in scene.questions:
                # As the Vicuna template writes it, so that the names of the roles become single tokens.
                yield f"USER: {question.text} ASSISTANT: {question.answer}"
        yield "Human: Assistant: system user assistant"


def train_tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """A tokenizer of that many tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A space stays with the word that follows, but never with a digit: " 12" is " ", "1", "2".
            pre_tokenizers.Split(Regex(r"\d| ?[^\s\d\p{P}\p{S}]+| ?[\p{P}\p{S}]+|\s"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<image>", "<|im_start|>", "<|im_end|>"],
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


if __name__ == "__main__":
    train_tokenizer().save_pretrained(Path(sys.argv[1]))
