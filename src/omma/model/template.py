"""Chat formats as typed data: how a conversation becomes text.

A `Template` frames every turn by its role and flags which text the loss covers. The renderer reads its `pieces`; other
programs read the same format as a Jinja chat template (`Template.jinja`). Both give the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from omma.data.sample import ImageSegment, ImageSource, Role, TextSegment, Turn
from omma.errors import BadInput
from omma.model.jinja import BEGUN, CONVERSATION, quoted


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text.

    Attributes:
        learn: whether the loss covers it.
        structural: written by the template, so special tokens in it are meant; otherwise it is data, in which the same
            characters are just characters.
    """

    text: str
    learn: bool = False
    structural: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the words of one role: ``opening lead words end after``.

    ``lead`` and ``end`` are learned with the words, ``opening`` and ``after`` never are. An ``end`` of None is the
    tokenizer's end-of-sequence token.
    """

    opening: str = ""
    lead: str = ""
    end: str | None = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """How pictures are asked for that the assistant draws.

    Attributes:
        announced_by: the token that announces one; the image token if None.
        lead: whether the assistant's lead stands before one that its turn begins with.
        padded: whether nothing asked for is padding, token for token; else it is an empty conversation.
        system: whether the system text stands before what is asked for.
        nothing: what a conversation that asks for nothing says.
        opening: what stands before the token that announces one; {rows} and {columns} are those of its codes.
        row_end: the token behind each row of codes, for painters that end rows.
    """

    announced_by: str | None = None
    lead: bool = True
    padded: bool = False
    system: bool = True
    nothing: str = ""
    opening: str = ""
    row_end: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A chat format.

    Attributes:
        name: its exact name in `TEMPLATES`.
        system, user, assistant: the frames of the three roles.
        default_system: system text of conversations that bring none; an empty one leaves its whole frame out.
        special_tokens: what the frames hold that must be single tokens of the tokenizer (besides end of sequence).
        user_words: whether what the user says is shown; pictures always are.
        picture_line: whether a line break follows a picture that something else in its turn follows.
        borders: what stands before and behind every picture. They are single tokens if the tokenizer has them. A picture's
            placeholder in `text` and `jinja` stands for them, too: the renderer writes them.
        picture_before_bos: whether the pictures that a conversation begins with stand before the begin-of-sequence token.
        drawn: how pictures are asked for.
        writes_bos: whether a begin-of-sequence token stands first whatever the tokenizer does by itself.
    """

    name: str
    system: Frame
    user: Frame
    assistant: Frame
    default_system: str = ""
    special_tokens: tuple[str, ...] = ()
    user_words: bool = True
    picture_line: bool = True
    borders: tuple[str, str] = ("", "")
    picture_before_bos: bool = False
    drawn: Drawn = Drawn()
    writes_bos: bool = False

    @property
    def needs_eos(self) -> bool:
        """Whether answers end with the tokenizer's end-of-sequence token."""
        return self.assistant.end is None

    def stop(self, eos: str) -> str:
        """The text that ends an answer."""
        return eos if self.assistant.end is None else self.assistant.end

    def pieces(
        self,
        turns: Sequence[Turn],
        *,
        eos: str,
        system: str | None = None,
        generation_prompt: bool = False,
        open_end: bool = False,
    ) -> Iterator[Piece | ImageSource]:
        """The conversation as text pieces and pictures, in order.

        Args:
            turns: a first system turn replaces the system text.
            eos: the tokenizer's end-of-sequence token.
            system: system text instead of the template's own; may be empty.
            generation_prompt: end with what opens the assistant's turn. Continuing that with the answer gives the
                text of the complete conversation.
            open_end: leave out what ends the last turn, so that generation continues it.

        Raises:
            BadInput: for boxes or masks in a turn.
        """
        if turns and turns[0].role is Role.SYSTEM:
            yield from self._turn(turns[0], self.system, eos)
            turns = turns[1:]
        else:
            text = self.default_system if system is None else system
            if text:
                yield from self._turn(Turn(Role.SYSTEM, (TextSegment(text),)), self.system, eos)
        frames = {Role.SYSTEM: self.system, Role.USER: self.user, Role.ASSISTANT: self.assistant}
        for i, turn in enumerate(turns):
            frame = frames[turn.role]
            if open_end and i == len(turns) - 1:
                frame = replace(frame, end="", after="")
            yield from self._turn(turn, frame, eos)
        if generation_prompt and self.assistant.opening:
            yield Piece(self.assistant.opening, structural=True)

    def _turn(self, turn: Turn, frame: Frame, eos: str) -> Iterator[Piece | ImageSource]:
        words = self.user_words or turn.role is Role.ASSISTANT
        if not words:
            yield from (segment.image for segment in turn.content if isinstance(segment, ImageSegment))
            return
        if turn.role is Role.SYSTEM and all(isinstance(s, TextSegment) and not s.text for s in turn.content):
            return
        if frame.opening:
            yield Piece(frame.opening, structural=True)
        if frame.lead and (self.drawn.lead or turn.role is not Role.ASSISTANT or _speaks(turn)):
            yield Piece(frame.lead, turn.learn, structural=True)
        for i, segment in enumerate(turn.content):
            if isinstance(segment, TextSegment):
                if segment.text:
                    yield Piece(segment.text, turn.learn)
            elif isinstance(segment, ImageSegment):
                yield segment.image
                if self.picture_line and i + 1 < len(turn.content):
                    following = turn.content[i + 1]
                    if not (isinstance(following, TextSegment) and following.text.startswith("\n")):
                        yield Piece("\n", turn.learn, structural=True)
            else:
                raise BadInput(
                    f"{turn.role} turn",
                    expected="text and pictures",
                    found=type(segment).__name__,
                    remedy="write boxes and masks as text; no codec for them is configured",
                )
        end = eos if frame.end is None else frame.end
        if end:
            yield Piece(end, turn.learn, structural=True)
        if frame.after:
            yield Piece(frame.after, structural=True)

    def text(
        self,
        turns: Sequence[Turn],
        *,
        eos: str,
        system: str | None = None,
        image_token: str = "<image>",
        generation_prompt: bool = False,
    ) -> str:
        """The conversation as one string, each picture as ``image_token``."""
        pieces = self.pieces(turns, eos=eos, system=system, generation_prompt=generation_prompt)
        return "".join(piece.text if isinstance(piece, Piece) else image_token for piece in pieces)

    def jinja(self, *, system: str | None = None, image_token: str = "<image>") -> str:
        """The same format as a Jinja chat template, for messages whose content is a string or a list of typed items.

        It gives the text of `text` for the same conversation, and reads ``messages``, ``add_generation_prompt`` and
        ``eos_token``, which `transformers` sets.
        """
        default = self.default_system if system is None else system
        words = "true" if self.user_words else "false"
        assistant = self._framed(self.assistant, "said(message.content, true)")
        if not self.drawn.lead:
            lead = f"({quoted(self.assistant.lead)} if begun(message.content) == 'words' else '')"
            assistant = self._framed(replace(self.assistant, lead=""), f"{lead} ~ said(message.content, true)")
        return ("" if self.drawn.lead else BEGUN) + CONVERSATION.substitute(
            image=quoted(image_token),
            line="'\\n'" if self.picture_line else "''",
            words=words,
            default=self._framed(self.system, quoted(default)) if default and self.user_words else "''",
            system=self._framed(self.system, f"said(message.content, {words})"),
            user=self._framed(self.user, f"said(message.content, {words})"),
            assistant=assistant,
            generation=quoted(self.assistant.opening),
        )

    @staticmethod
    def _framed(frame: Frame, content: str) -> str:
        end = "eos_token" if frame.end is None else quoted(frame.end)
        return f"{quoted(frame.opening + frame.lead)} ~ {content} ~ {end} ~ {quoted(frame.after)}"


def _speaks(turn: Turn) -> bool:
    """Whether words come first in it."""
    first = next((s for s in turn.content if not isinstance(s, TextSegment) or s.text), None)
    return isinstance(first, TextSegment)
