"""What omma raises when the *input* is at fault: one clear sentence, exit code 2, no traceback.

A programming error stays an ordinary Python exception with its traceback. Everything that a user can cause
(a broken picture, an unknown field, a truncated checkpoint, a full disk) is an `OmmaError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class OmmaError(Exception):
    """The input is at fault. The message is one sentence: where, expected, found, and what to do."""

    exit_code = 2


class BadInput(OmmaError):
    """An `OmmaError` built from its four pieces, so that no message forgets one.

    Args:
        where: file, line or field ("train.json, line 7", "recipe field model.projector.type").
        expected: what was expected there.
        found: what was found instead.
        remedy: what to do about it, as an imperative.
    """

    def __init__(self, where: str, *, expected: str, found: str, remedy: str) -> None:
        self.where, self.expected, self.found, self.remedy = where, expected, found, remedy
        super().__init__(f"{where}: expected {expected}, found {found}; {remedy}.")

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and worker processes send these errors home.
        return (_rebuild_bad_input, (self.where, self.expected, self.found, self.remedy))


def _rebuild_bad_input(where: str, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where, expected=expected, found=found, remedy=remedy)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A remedy for an unknown name: the near ones if there are any, and always the whole list."""
    names = sorted(allowed)
    near = get_close_matches(name, names, n=2)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{guess}use one of: {', '.join(names) or '(none)'}"
