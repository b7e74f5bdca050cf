"""Texts as an encoder takes them: whatever was given, as a list of strings, or a refusal that names the rows.

It does not know what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidData

_NAMED = 5
"""So many rows are named where many are at fault."""


def listed(texts: str | Iterable[Any]) -> list[str]:
    """The texts, one or many, as a list.

    Raises:
        InvalidData: no texts, something among them that is no string, or half of a character.
    """
    one_by_one = isinstance(texts, Iterable) and not isinstance(texts, (bytes, Mapping))
    if not one_by_one or getattr(texts, "ndim", 1) != 1:  # a DataFrame has two
        raise InvalidData(
            f"An encoder takes a text or many, and {quoted(texts)} is neither.",
            "Give a str or a list of them; of a DataFrame its column of texts, such as frame['text'].",
        )
    return checked([texts] if isinstance(texts, str) else list(texts))


def checked(rows: list[Any], first: int = 0) -> list[str]:
    """The rows, once each is text that can be written; they are counted from `first` in messages.

    Raises:
        InvalidData: says at which index.
    """
    wrong = [row for row, text in enumerate(rows) if not isinstance(text, str)]
    if wrong:
        kind = type(rows[wrong[0]]).__name__
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        places = f" (those at {named([first + row for row in wrong])})" if len(wrong) > 1 else ""
        raise InvalidData(
            f"The text at index {first + wrong[0]} is not a string but {kind}{more}{places}.",
            "Leave such rows out, or turn them into strings first.",
        )
    for row, text in enumerate(rows):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidData(
                f"The text at index {first + row} holds {text[error.start]!r}, half of a character.",
                "Replace it: text.encode(errors='replace').decode().",
            ) from error
    return rows


def named(numbers: Sequence[int]) -> str:
    """Numbers as a message lists them: the first few, and how many more."""
    shown = ", ".join(f"{number:,}" for number in numbers[:_NAMED])
    more = len(numbers) - _NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


def batches(lengths: list[int], budget: int, batch_size: int | None) -> Iterator[list[int]]:
    """Places of texts, the longest first, as many at once as the budget of padded tokens allows."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        most = batch_size or max(1, budget // lengths[batch[0] if batch else place])
        if len(batch) >= most:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
