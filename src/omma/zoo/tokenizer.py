"""The small language model's tokenizer: byte-level BPE whose merges only make whole words.

    python -m omma.zoo.tokenizer OUT

A word is one token if it is frequent on the playground and rarely printed there, and spelled if it is not: a space with its
first letter, then letter by letter. What an encoder sees of a printed word are its letters, and to read it is to say them after;
as what token a frequent word counts, or where a usual BPE would cut a rare one, depends on the whole of it, and no patch knows
that (docs/log.md). Digits are always single tokens, so that numbers are read and written digit by digit; every
byte has a token, so nothing is unknown. The same command always gives the same file.
"""

from __future__ import annotations

import re
import string
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from omma.data.playground import WORLDS
from omma.data.playground.base import Scene

VOCABULARY = 1104
SCENES = 2000
"""Training scenes of each world whose words are counted."""
WORDS_OF = ("arithmetic", "charts", "digits", "documents", "language", "panels", "shapes")
"""The worlds whose words are counted. Changing this changes every token: the shipped parts would have to be trained anew."""
PRINTED = 0.02
"""How often a word that is one token is printed, at most, for each time that it is said in lower case, as print is read."""
SPACE = "\u0120"
"""A space, as bytes are written in a vocabulary."""
SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>"]


def scenes() -> Iterator[Scene]:
    """The first training scenes of those worlds."""
    for name in WORDS_OF:
        world = WORLDS.get(name, where="world").Config().build()
        for index in range(SCENES):
            yield world.scene("train", index)


def texts(scene: Scene) -> Iterator[str]:
    """Every passage, question and answer of a scene, and the names of the roles as templates write them."""
    yield scene.description
    yield scene.caption
    for question in scene.questions:
        yield f"USER: {question.text} ASSISTANT: {question.answer}"
    yield "Human: Assistant: system user assistant"


def train_tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """A tokenizer of that many tokens."""
    pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A space stays with the word that follows, but never with a digit: " 12" is " ", "1", "2".
            pre_tokenizers.Split(Regex(r"\d| ?[^\s\d\p{P}\p{S}]+| ?[\p{P}\p{S}]+|\s"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    counts, printed = Counter[str](), Counter[str]()
    for scene in scenes():
        counts.update(word for text in texts(scene) for word, _ in pre_tokenizer.pre_tokenize_str(text))
        printed.update(SPACE + word for box in scene.words for word in re.findall("[a-z]+", box.label.lower()))
    merges = [(SPACE, letter) for letter in string.ascii_letters]
    tokens = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges)]
    known = set(tokens)
    words = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if word not in known and printed[word] <= PRINTED * count
    ]
    tokens += words[: vocabulary - len(tokens)]
    tokenizer = Tokenizer(
        models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges, ignore_merges=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
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
