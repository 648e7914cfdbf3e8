"""From a sample to token ids and labels, in one pass: the renderer of training, evaluation, chat and serving.

The text between two pictures is tokenized once, as one string; a token is learned if its first character is. So nothing
is tokenized twice to find a label, and the ids are those of LLaVA's reference, which tokenizes between its sentinels.

Data cannot forge structure: special tokens are only recognised where the template wrote them. The renderer's private
copy of the tokenizer knows each special token under a secret random name, which it writes in the template's own text;
what people or data sets type ("</s>", "<image>") is then ordinary text to it, and the ids are the tokenizer's own.

Shapes: L tokens.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from omma.data.sample import ImageSource, Role, Sample, TextSegment, Turn
from omma.errors import BadInput
from omma.model.template import Piece, Template
from omma.parts.backbones.sides import SLOT
from omma.parts.resolution.base import Grid, Size

IGNORE = -100
"""Label of a position that is not learned."""
NOTHING_SAID = (Turn(Role.USER, (TextSegment(""),)), Turn(Role.ASSISTANT, ()))
"""What stands before a picture that nothing is asked of."""


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A tokenized sample.

    Attributes:
        input_ids: int64 [L], `omma.parts.backbones.sides.SLOT` for the slots of a picture that is to be drawn.
        labels: int64 [L], `IGNORE` where not learned; not shifted.
        image_spans: (start, length) of what every picture becomes, in order.
        canvas: how many of its last tokens stand for a picture that is to be drawn.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    image_spans: tuple[tuple[int, int], ...]
    canvas: int = 0


class Renderer:
    """Turns samples into token ids and labels.

    Args:
        tokenizer: a fast tokenizer that knows ``image_token``. It is not changed.
        template: the chat format.
        runs_of: what a picture of a given size becomes: placeholders in a row, and text between them; only needed for
            samples with pictures.
        system: system text instead of the template's own.
        image_token: the placeholder.
        max_length: longer samples are cut at the right, after pictures took their places.

    Raises:
        BadInput: if the tokenizer lacks a token that the template or the pictures need.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: Template,
        *,
        runs_of: Callable[[Size], Sequence[int | str]] | None = None,
        system: str | None = None,
        image_token: str = "<image>",
        max_length: int | None = None,
    ) -> None:
        self.template = template
        self.system = system
        self.runs_of = runs_of
        self.max_length = max_length
        self._vocabulary = vocabulary = tokenizer.get_vocab()
        needed = [*template.special_tokens, image_token, *([tokenizer.eos_token] if template.needs_eos else [])]
        for token in needed:
            if token is None or token not in vocabulary:
                raise BadInput(
                    "tokenizer",
                    expected=f"the token {token or 'for end of sequence'}, which the template {template.name!r} needs",
                    found="none",
                    remedy="add it to the tokenizer as a special token, or choose another template",
                )
        self.image_token_id: int = vocabulary[image_token]
        self.drawing_token_id: int = vocabulary[template.drawn.announced_by or image_token]
        self._padding_id: int | None = tokenizer.pad_token_id
        self.eos: str = tokenizer.eos_token or ""
        self._bos = _automatic_bos(tokenizer)
        # Behind pictures the formats that want it so write it themselves, whatever the tokenizer would do.
        self._bos_behind = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        if template.writes_bos:
            self._bos = self._bos_behind
        self._separators: dict[str, list[int]] = {}
        self._tokenizer, self._secret = _guarded(tokenizer, {token for token in needed if token})
        self._pattern = re.compile("|".join(re.escape(t) for t in sorted(self._secret, key=len, reverse=True)))
        self._borders = tuple(self._structural(border) for border in template.borders)

    def render(self, sample: Sample, *, for_generation: bool = False) -> Rendered:
        """Ids and labels of a sample.

        Args:
            for_generation: only the prompt of its last answer.

        Raises:
            BadInput: if a picture does not fit into ``max_length``, or a turn holds what no template can write.
        """
        try:
            return self.render_turns(sample.turns, for_generation=for_generation)
        except BadInput as error:
            raise BadInput(
                f"sample {sample.id}, {error.where}", expected=error.expected, found=error.found, remedy=error.remedy
            ) from None

    def render_turns(self, turns: Sequence[Turn], *, for_generation: bool = False) -> Rendered:
        """As `render`, for a conversation that is not yet a sample."""
        if for_generation and turns and turns[-1].role is Role.ASSISTANT:
            turns = turns[:-1]
        pieces = self.template.pieces(turns, eos=self.eos, system=self.system, generation_prompt=for_generation)
        return self.render_pieces(pieces, max_length=self.max_length)

    def render_canvas(self, turns: Sequence[Turn], slots: int, grid: Grid = (0, 0)) -> Rendered:
        """Ids of what was said before a picture that is drawn, and of its slots; where it begins, what announces it is learned.

        Args:
            turns: the last one is the assistant's, up to the picture.
            grid: rows and columns of its codes, for formats that say them.

        Raises:
            BadInput: if there is no room for the picture within ``max_length``.
        """
        system = self.system if self.template.drawn.system else ""
        pieces = [*self.template.pieces(turns, eos=self.eos, system=system, open_end=True)]
        if self.template.drawn.opening:
            opening = self.template.drawn.opening.format(rows=grid[0], columns=grid[1])
            pieces.append(Piece(opening, structural=True))
        said = self.render_pieces(pieces)
        length = len(said.input_ids) + slots
        if self.max_length is not None and length > self.max_length:
            raise BadInput(
                "picture to be drawn",
                expected=f"at most {self.max_length} tokens up to its end",
                found=str(length),
                remedy="raise the maximum length, or say less before it",
            )
        canvas = np.full(slots, SLOT, dtype=np.int64)
        labels = np.full(length, IGNORE, dtype=np.int64)
        labels[len(said.input_ids)] = self.drawing_token_id
        return Rendered(np.concatenate([said.input_ids, canvas]), labels, said.image_spans, slots)

    def render_unasked(self, turns: Sequence[Turn], slots: int, grid: Grid = (0, 0)) -> Rendered:
        """As `render_canvas`, but nothing of it is asked for, and no picture is shown.

        Raises:
            BadInput: as `render_canvas`, and if the format pads with a token that the tokenizer does not have.
        """
        if not self.template.drawn.padded:
            nothing = Turn(Role.USER, (TextSegment(self.template.drawn.nothing),))
            return self.render_canvas((nothing, Turn(Role.ASSISTANT, ())), slots, grid)
        if self._padding_id is None:
            raise BadInput(
                "tokenizer",
                expected=f"a padding token, which the template {self.template.name!r} writes where nothing is asked for",
                found="none",
                remedy="give it one, or choose another template",
            )
        asked = self.render_canvas(turns, slots, grid)
        said = asked.input_ids[:-slots]
        padding = np.where(np.isin(said, self._bos_behind), said, self._padding_id)
        return replace(asked, input_ids=np.concatenate([padding, asked.input_ids[-slots:]]), image_spans=())

    def render_pieces(self, pieces: Iterable[Piece | ImageSource], *, max_length: int | None = None) -> Rendered:
        """Ids and labels of text pieces and pictures, whatever wrote them."""
        begun = not self.template.picture_before_bos
        ids: list[int] = list(self._bos) if begun else []
        learned: list[bool] = [False] * len(ids)
        spans: list[tuple[int, int]] = []
        texts: list[str] = []
        flags: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, Piece):
                if not begun and piece.text:
                    self._begin(ids, learned)
                    begun = True
                text = self._structural(piece.text) if piece.structural else piece.text
                texts.append(text)
                flags.append((b"\1" if piece.learn else b"\0") * len(text))
                continue
            before, behind = self._borders
            texts.append(before)
            flags.append(b"\0" * len(before))
            self._flush(texts, flags, ids, learned)
            shown = self._picture(piece)
            spans.append((len(ids), len(shown)))
            ids += shown
            learned += [False] * len(shown)
            texts.append(behind)
            flags.append(b"\0" * len(behind))
        if not begun:
            self._begin(ids, learned)
        self._flush(texts, flags, ids, learned)
        if max_length is not None and len(ids) > max_length:
            needed = sum(spans[-1]) if spans else 0
            if needed > max_length:
                raise BadInput(
                    "pictures",
                    expected=f"at most {max_length} tokens up to the end of the last one",
                    found=str(needed),
                    remedy="raise the maximum length, or show fewer or smaller pictures",
                )
            ids, learned = ids[:max_length], learned[:max_length]
        input_ids = np.array(ids, dtype=np.int64)
        labels = np.where(np.array(learned, dtype=bool), input_ids, IGNORE)
        return Rendered(input_ids, labels, tuple(spans))

    def _begin(self, ids: list[int], learned: list[bool]) -> None:
        """Writes the begin-of-sequence token, behind pictures if there are some already."""
        bos = self._bos_behind if ids else self._bos
        ids += bos
        learned += [False] * len(bos)

    def _flush(self, texts: list[str], flags: list[bytes], ids: list[int], learned: list[bool]) -> None:
        """Tokenizes the text gathered since the last picture."""
        if not any(texts):
            return
        encoding = self._tokenizer.encode("".join(texts), add_special_tokens=False)
        ids += encoding.ids
        # A token without characters may stand after the last one: it goes with it.
        flag = b"".join(flags)
        flag += flag[-1:]
        learned += [flag[start] == 1 for start, _ in encoding.offsets]
        texts.clear()
        flags.clear()

    def _structural(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._secret[match[0]], text)

    def _picture(self, image: ImageSource) -> list[int]:
        """Ids of a picture: placeholders, and the text between its views."""
        if self.runs_of is None:
            raise ValueError("this renderer was made without runs_of, but a sample holds a picture")
        ids: list[int] = []
        for run in self.runs_of(image.size):
            ids += [self.image_token_id] * run if isinstance(run, int) else self._between(run)
        return ids

    def _between(self, text: str) -> list[int]:
        """Ids of a separator: the token of that name, or what it is within a line, without what a tokenizer puts before a
        text's start."""
        known = self._separators.get(text)
        if known is None and text in self._vocabulary:
            known = self._separators[text] = [self._vocabulary[text]]
        if known is None:
            before = self._tokenizer.encode("a", add_special_tokens=False).ids
            known = self._tokenizer.encode(f"a{self._structural(text)}", add_special_tokens=False).ids[len(before) :]
            self._separators[text] = known
        return known


def _automatic_bos(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The begin-of-sequence id if the tokenizer puts one before a text by itself, as Llama's does."""
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else []


def _guarded(tokenizer: PreTrainedTokenizerBase, needed: set[str]) -> tuple[Tokenizer, dict[str, str]]:
    """A copy of the tokenizer whose special tokens have secret names, and those names by the known ones."""
    if not tokenizer.is_fast:
        raise BadInput(
            "tokenizer", expected="a fast one (tokenizer.json)", found=type(tokenizer).__name__, remedy="convert it"
        )
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    nonce = secrets.token_hex(8)
    names = needed | {token["content"] for token in data["added_tokens"] if token["special"]}
    secret = {name: f"\ue000{nonce}{i}\ue001" for i, name in enumerate(sorted(names))}
    known = {token["content"] for token in data["added_tokens"]}
    ids = tokenizer.get_vocab()
    data["added_tokens"] += [_added(ids[name], name) for name in needed - known]
    for token in data["added_tokens"]:
        if token["content"] in secret:
            token.update(content=secret[token["content"]], special=True, normalized=False)
    model = data["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {secret.get(name, name): i for name, i in model["vocab"].items()}
    else:
        model["vocab"] = [[secret.get(name, name), score] for name, score in model["vocab"]]
    if "merges" in model:
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [[a, b] for a, b in pairs if secret.keys().isdisjoint((a, b, a + b))]
    if model.get("unk_token") in secret:
        model["unk_token"] = secret[model["unk_token"]]
    data.update(post_processor=None, truncation=None, padding=None)
    return Tokenizer.from_str(json.dumps(data)), secret


def _added(index: int, content: str) -> dict[str, object]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}
