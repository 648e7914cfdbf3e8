"""How a free-text answer is compared with the truth.

The normalisation is declared here and nowhere else: what a number in a report means can be read in one function.
"""

from __future__ import annotations

import unicodedata


def normalised(text: str) -> str:
    """NFKC, lower case, outer white space dropped, inner white space collapsed, one final full stop dropped.

    Nothing more: articles, number words and punctuation stay, so "two" is not "2" and "a cat" is not "cat". A text that
    is only a full stop keeps it.
    """
    collapsed = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return collapsed[:-1].rstrip() if collapsed.endswith(".") and len(collapsed) > 1 else collapsed


def exact_match(prediction: str, answer: str) -> bool:
    """Whether both are the same after `normalised`."""
    return normalised(prediction) == normalised(answer)
