"""Server-sent events from bytes as they come: pure, one chunk at a time.

It follows https://html.spec.whatwg.org/multipage/server-sent-events.html, but for an event at the very end that no
blank line closes, which is given out too. It does not know connections, nor what the events hold.
"""

from __future__ import annotations

import codecs

LONGEST = 1 << 24
"""Characters of one event; what grows longer is no event."""


class Events:
    """Takes bytes and gives the data of each event that they complete.

    Lines end in CR, LF or both, wherever chunks are cut; several `data` lines make one text, comments and other fields
    are passed over.
    """

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("strict")
        self._line = ""
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[str]:
        """The events that are whole now.

        Raises:
            ValueError: the bytes are not UTF-8, or an event has no end.
        """
        return self._take(self._text.decode(chunk))

    def end(self) -> list[str]:
        """What was under way when the bytes ended.

        Raises:
            ValueError: they ended within a character.
        """
        return self._take(self._text.decode(b"", final=True) + "\n\n")

    def _take(self, text: str) -> list[str]:
        if self._first and text:
            self._first, text = False, text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr, text = False, text.removeprefix("\n")
        if text.endswith("\r"):  # the other half of this line's end may be under way
            self._after_cr = True
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines:
            self._line += rest
            self._grow(len(rest))
            return []
        lines[0], self._line = self._line + lines[0], rest
        self._grow(len(text))
        return [event for line in lines if (event := self._read(line)) is not None]

    def _read(self, line: str) -> str | None:
        if not line:
            data, self._data, self._size = self._data, [], len(self._line)
            return "\n".join(data) if data else None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > LONGEST:
            raise ValueError("an event without an end")
