"""What the tests of ChatPanel share: a page that talks to it, and an observer that fails."""

from __future__ import annotations

from typing import Any

import pytest

from influence_nb.widgets.chat import ChatPanel

WAIT = 60


class Page:
    """What a page would send to a panel, and the messages it got."""

    def __init__(self, chat: ChatPanel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chat = chat
        self.got: list[dict[str, Any]] = []
        monkeypatch.setattr(chat, "_send", self._receive)

    def _receive(self, message: dict[str, Any], buffers: Any = None) -> None:
        if message["method"] == "custom":
            self.got.append(message["content"])

    def send(self, type: str, **content: Any) -> None:
        data = {"method": "custom", "content": {"type": type, **content}}
        self.chat._handle_msg({"content": {"data": data}, "buffers": []})

    def raw(self, content: Any) -> None:
        data = {"method": "custom", "content": content}
        self.chat._handle_msg({"content": {"data": data}, "buffers": []})

    def set(self, **state: Any) -> None:
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.chat._handle_msg({"content": {"data": data}, "buffers": []})

    def last(self, type: str) -> dict[str, Any]:
        return [message for message in self.got if message["type"] == type][-1]


class Observer:
    """Raises whenever it is called."""

    called = False

    def __call__(self, *_: Any) -> None:
        self.called = True
        raise RuntimeError("the observer raised")


def contents(chat: ChatPanel) -> list[str]:
    return [message["content"] for message in chat.messages]


def finish(chat: ChatPanel) -> None:
    """Wait for the answer that a page asked for, or for both."""
    for one in list(chat._writing.values()):
        one.reply.exception(WAIT)
