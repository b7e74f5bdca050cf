"""A conversation as a tree: every edit and every regenerated answer is a version beside the earlier ones.

It knows neither models nor widgets: messages are plain values, and what a model said about an answer
(sampling, seed, figures) is carried along as it came; only what is read from a file is checked.
"""

from __future__ import annotations

import json
import operator
import reprlib
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from influence_nb.engine.sampling import MOST_SEED, Sampling
from influence_nb.errors import InvalidData

FORMAT = "influence_nb.conversation"
VERSION = 1
ROLES = ("user", "assistant")
STATUSES = ("done", "running", "cancelled", "length", "error")
_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "parent": (str, type(None)),
    "role": (str,),
    "content": (str,),
    "status": (str,),
    "model": (str, type(None)),
    "sampling": (dict, type(None)),
    "seed": (int, type(None)),
    "stats": (dict, type(None)),
    "error": (dict, type(None)),
    "sent": (dict, type(None)),
    "beside": (str, type(None)),
}
_STATS: dict[str, tuple[type, ...]] = {
    "prompt_tokens": (int, type(None)),
    "cached_tokens": (int,),
    "tokens": (int,),
    "first_token": (int, float, type(None)),
    "tokens_per_second": (int, float, type(None)),
    "finish_reason": (str,),
}
_MOST = 2**53  # of any figure: what a page's numbers hold


@dataclass(frozen=True)
class Message:
    """One version of one turn.

    Attributes:
        id: unique in the conversation.
        parent: the id of the message it answers; None for a first message.
        role: "user" or "assistant".
        content: plain text, Markdown by custom.
        status: one of `STATUSES`; "length" is an answer cut at its token limit.
        model, sampling, seed, stats: how an answer came about; None on a user's message.
        error: {"message", "hint"} when the answer failed.
        sent: what the answer's prompt was made with: {"system": text, "switches": {name: bool}}, and once it was
            sent also {"left_out": how many of the oldest messages, "ids": a digest of its token ids}. None on a
            user's message, and in files that tell nothing of it.
        beside: the id of an earlier version, where this answer stands to the right of that one and neither was chosen.
    """

    id: str
    parent: str | None
    role: str
    content: str
    status: str = "done"
    model: str | None = None
    sampling: dict[str, Any] | None = None
    seed: int | None = None
    stats: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    sent: dict[str, Any] | None = None
    beside: str | None = None


@dataclass
class Conversation:
    """A tree of messages with one active path through it.

    Attributes:
        system: the system prompt, "" for none.
        messages: every version by its id, parents before children.
        chosen: for each message (None: the beginning) the child that is on the path.
    """

    system: str = ""
    messages: dict[str, Message] = field(default_factory=dict)
    chosen: dict[str | None, str] = field(default_factory=dict)

    def path(self, end: str | None = None) -> list[Message]:
        """The active path, or the path from the beginning to the message `end`, that one included."""
        if end is None:
            return list(self._down())
        found = []
        at: str | None = end
        while at is not None:
            found.append(self[at])
            at = found[-1].parent
        return found[::-1]

    def _down(self) -> Iterator[Message]:
        at = self.chosen.get(None)
        while at is not None:
            yield self.messages[at]
            at = self.chosen.get(at)

    def __getitem__(self, id: str) -> Message:
        try:
            return self.messages[id]
        except (KeyError, TypeError):
            raise InvalidData(
                f"The conversation has no message {id!r}.", "Take an id from the conversation's messages."
            ) from None

    def siblings(self, id: str) -> list[Message]:
        """All versions of the message `id`, oldest first."""
        parent = self[id].parent
        return [message for message in self.messages.values() if message.parent == parent]

    def pair(self, id: str) -> tuple[Message, Message] | None:
        """The two answers beside each other, left and right, of which the message `id` is one; None if it is alone."""
        for one in self.siblings(id):
            if one.beside is not None and id in (one.id, one.beside):
                return self[one.beside], one
        return None

    def settle(self, id: str) -> Message:
        """Put one of two answers beside each other on the path; the other one is a version of it from now on."""
        for one in self.pair(id) or ():
            self.update(one.id, beside=None)
        self.chosen[self[id].parent] = id
        return self[id]

    def add(self, role: str, content: str, parent: str | None, **facts: Any) -> Message:
        """A new version below `parent`, made the active one.

        Raises:
            InvalidData: `content` is not text, or text that cannot be written as UTF-8.
        """
        message = Message(uuid.uuid4().hex[:12], parent, role, plain_text(content), **facts)
        self.messages[message.id] = message
        self.chosen[parent] = message.id
        return message

    def edit(self, id: str, content: str) -> Message:
        """A new version of the message `id` with another text; the old one stays reachable."""
        return self.add(self[id].role, content, self[id].parent)

    def update(self, id: str, **changes: Any) -> Message:
        """Change the message `id` in place: an answer that grew or ended."""
        self.messages[id] = replace(self[id], **changes)
        return self.messages[id]

    def switch(self, id: str, index: int) -> Message:
        """Put version `index` of the message `id` on the active path.

        Raises:
            InvalidData: there is no such version.
        """
        versions = self.siblings(id)
        try:
            number = operator.index(index)
        except TypeError:
            number = -1
        if not 0 <= number < len(versions):
            raise InvalidData(
                f"The message {id!r} has no version {index!r}.", f"It has versions 0 to {len(versions) - 1}."
            )
        self.chosen[versions[number].parent] = versions[number].id
        return versions[number]

    def for_model(self, end: str | None = None) -> list[dict[str, str]]:
        """The path as a model reads it: {"role", "content"}.

        Questions whose answer failed are left out, and so are answers without a word: a model that is shown an
        empty turn of its own tends to write another.

        Args:
            end: the last message; None takes the active path.
        """
        path = self.path(end)
        failed = {message.parent for message in path if message.status == "error"}
        kept = [one for one in path if one.id not in failed and one.status != "error"]
        said = [one for one in kept if one.role == "user" or one.content]
        return [{"role": one.role, "content": one.content} for one in said]

    def rows(self) -> list[dict[str, Any]]:
        """The active path for a view: each message with its version and the number of versions.

        `beside` is there the row of the answer that stands beside it, left of it where that has the lower version;
        None for a message that stands alone.
        """
        rows = []
        for message in self.path():
            others = [one for one in self.pair(message.id) or () if one is not message]
            rows.append(self._row(message) | {"beside": self._row(others[0]) if others else None})
        return rows

    def _row(self, message: Message) -> dict[str, Any]:
        versions = [version.id for version in self.siblings(message.id)]
        row = asdict(message) | {"version": versions.index(message.id), "versions": len(versions)}
        return {name: value for name, value in row.items() if name not in ("parent", "sent", "beside")}

    def to_json(self) -> str:
        """The whole tree as JSON text, every version included."""
        whole = {
            "format": FORMAT,
            "version": VERSION,
            "system": self.system,
            "messages": [asdict(message) for message in self.messages.values()],
            "path": [message.id for message in self.path()],
        }
        return json.dumps(whole, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Conversation:
        """The inverse of `to_json`.

        Raises:
            InvalidData: not JSON, not a conversation, of a later format, or damaged; says where.
        """
        try:
            whole = json.loads(text)
            json.dumps(whole, ensure_ascii=False).encode()  # an escaped lone surrogate is valid JSON
        except UnicodeEncodeError:
            raise _refused("it has text that cannot be written as UTF-8") from None
        except (TypeError, ValueError) as error:
            raise _refused(f"it is not JSON ({error})") from None
        except RecursionError:
            raise _refused("it is nested too deeply") from None
        if not isinstance(whole, dict) or whole.get("format") != FORMAT:
            raise _refused(f'it has no "format": "{FORMAT}"')
        if whole.get("version") != VERSION:
            raise InvalidData(
                f"The conversation has format version {reprlib.repr(whole.get('version'))}, not {VERSION}.",
                "Open it with the version of influence_nb that saved it, or a newer one.",
            )
        system, messages, path = whole.get("system"), whole.get("messages"), whole.get("path")
        if not isinstance(system, str) or not isinstance(messages, list) or not isinstance(path, list):
            raise _refused('"system" must be text, "messages" and "path" lists')
        conversation = cls(system)
        for number, values in enumerate(messages):
            message = _message(values, number, conversation)
            conversation.messages[message.id] = message
            conversation.chosen[message.parent] = message.id
        before: str | None = None
        for id in path:
            if not isinstance(id, str) or id not in conversation.messages:
                raise _refused(f'"path" names the unknown message {reprlib.repr(id)}')
            if conversation.messages[id].parent != before:
                raise _refused(f'in "path", the message {id!r} does not follow the one before it')
            conversation.chosen[before] = before = id
        return conversation


def _message(values: Any, number: int, earlier: Conversation) -> Message:
    where = f"message {number}"
    if not isinstance(values, dict):
        raise _refused(f"{where} is not an object")
    names = {one.name for one in fields(Message)}
    for name in ("id", "parent", "role", "content"):
        if name not in values:
            raise _refused(f'{where} has no "{name}"')
    known = {name: value for name, value in values.items() if name in names}
    for name, value in known.items():
        if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise _refused(f'{where} has {reprlib.repr(value)} as its "{name}"')
    message = Message(**known)
    parent = earlier.messages.get(message.parent) if message.parent is not None else None
    if message.id in earlier.messages:
        raise _refused(f"{where} has the id {message.id!r} of an earlier one")
    if message.parent is not None and parent is None:
        raise _refused(f"{where} answers the unknown message {message.parent!r}")
    if message.role not in ROLES or message.role == (parent.role if parent else "assistant"):
        raise _refused(f"{where} has the role {message.role!r} out of turn")
    if message.status not in STATUSES:
        raise _refused(f"{where} has the unknown status {message.status!r}")
    left = earlier.messages.get(message.beside) if message.beside is not None else None
    fits = left is not None and left.parent == message.parent and left.role == "assistant"
    if message.beside is not None and not (fits and earlier.pair(message.beside) is None):
        raise _refused(
            f"{where} stands beside {reprlib.repr(message.beside)}, which is no other answer alone"
        )
    error = message.error
    if error is not None and not all(
        isinstance(error.get(name), str) for name in ("message", "hint", *error)
    ):
        raise _refused(f"{where} has an error without message and hint")
    if message.seed is not None and not 0 <= message.seed <= MOST_SEED:
        raise _refused(f'{where} has {reprlib.repr(message.seed)} as its "seed"')
    _check_stats(message.stats, where)
    _check_sampling(message.sampling, where)
    _check_sent(message.sent, where)
    return replace(message, status="cancelled") if message.status == "running" else message


def _check_stats(stats: dict[str, Any] | None, where: str) -> None:
    if stats is not None and "tokens" not in stats:
        raise _refused(f'{where} has "stats" without "tokens"')
    for name, value in (stats or {}).items():
        fits = isinstance(value, _STATS.get(name, ())) and not isinstance(value, bool)
        if not fits or (isinstance(value, int | float) and not 0 <= value <= _MOST):
            raise _refused(f'{where} has {reprlib.repr(value)} as its "{name}" in "stats"')


def _check_sampling(sampling: dict[str, Any] | None, where: str) -> None:
    try:
        Sampling.from_dict(sampling or {})
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        why = getattr(error, "message", str(error))
        raise _refused(f'{where} has "sampling" that is not valid: {why}') from None


def _check_sent(sent: dict[str, Any] | None, where: str) -> None:
    if sent is None:
        return
    left_out, ids = sent.get("left_out", 0), sent.get("ids")
    switches = sent.get("switches")
    fits = {
        "system": isinstance(sent.get("system"), str),
        "switches": isinstance(switches, dict) and all(isinstance(one, bool) for one in switches.values()),
        "left_out": isinstance(left_out, int) and not isinstance(left_out, bool) and left_out >= 0,
        "ids": isinstance(ids, str) if "left_out" in sent else ids is None,
    }
    for name, good in fits.items():
        if not good:
            raise _refused(f'{where} has {reprlib.repr(sent.get(name))} as its "{name}" in "sent"')


def plain_text(value: Any) -> str:
    """`value`, once it is known to be text that can be sent and saved.

    Raises:
        InvalidData: it is not a string, or has half of a surrogate pair in it.
    """
    if not isinstance(value, str):
        raise InvalidData(f"{reprlib.repr(value)} is not text.", 'Give a string: "...".')
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(
            f"The text cannot be written as UTF-8: character {error.start} is half of a surrogate pair.",
            'Leave that character out: text.encode(errors="ignore").decode().',
        ) from None
    return value


def _refused(why: str) -> InvalidData:
    return InvalidData(
        f"This is not a saved conversation: {why}.", "Choose a file that the ChatPanel's Save made."
    )
