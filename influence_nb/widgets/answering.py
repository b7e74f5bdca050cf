"""The answers of a chat, from the question to the committed text: one, or two at once, on threads of their own.

It does not know what a page or a caller may ask for; `ChatPanel` (`chat.py`) decides when an answer begins.
Whatever an observer or a display raises on the way, the answer's future is completed and the panel is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from influence_nb import api
from influence_nb.engine.batch import Request
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import InfluenceError
from influence_nb.widgets.base import in_background, readable
from influence_nb.widgets.chat_sent import and_sent, made_with, set_up
from influence_nb.widgets.chat_traits import ChatTraits
from influence_nb.widgets.conversation import Conversation, Message
from influence_nb.widgets.reply import Reply, Stream
from influence_nb.widgets.two import Side, seeded, with_differences

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.session import Session, WhenFull
    from influence_nb.engine.token_session import TokenSession

STATUS = {"stop": "done", "length": "length", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Writing:
    """An answer that is being written: by whom and how, and where it goes."""

    model: Model
    sampling: Sampling
    answer: Message
    reply: Reply
    stream: Stream


class Answering(ChatTraits):
    """The conversation of a panel and the answers that are being written in it.

    Args:
        system: the system prompt.
        values: the other traits.
    """

    def __init__(self, system: str, **values: Any) -> None:
        self.conversation = Conversation(system)
        self._writing: dict[str, Writing] = {}
        """The answers that are being written, by id; of two the left one first."""
        self._completions: dict[str, Completion] = {}
        """Of the answers that were written here, by id."""
        self._sessions: dict[int, Session] = {}
        """One a side, whose KV caches serve the next answer too."""
        super().__init__(system=system, **values)

    def _answer(self, ask: Callable[[], str | None], *sides: Side) -> tuple[Reply, ...]:
        """Begin an answer a side to the message whose id `ask` gives; `ask` may add that message first."""
        before = self.conversation
        self.conversation = replace(before, messages=dict(before.messages), chosen=dict(before.chosen))
        try:
            return self._begin(ask(), seeded(sides))
        except BaseException:
            for one in self._writing.values():
                one.stream.end()
            self.conversation, self._writing = before, {}
            self._take("running", "")
            self._take("messages", self._rows())
            raise

    def _begin(self, parent: str | None, sides: Sequence[Side]) -> tuple[Reply, ...]:
        left: str | None = None
        for model, sampling in sides:
            facts = {
                "model": model.name,
                "sampling": sampling.to_dict(),
                "seed": sampling.seed,
                "beside": left,
            }
            sent = made_with(self.system, self.switches)
            answer = self.conversation.add("assistant", "", parent, status="running", sent=sent, **facts)
            left = left or answer.id
            stream = Stream(answer.id, self._post)
            self._writing[answer.id] = Writing(model, sampling, answer, Reply(), stream)
        begun = list(self._writing.values())
        self.conversation.chosen[parent] = begun[0].answer.id
        self.problem = None
        with self.hold_sync():  # an observer of the messages finds the panel busy
            self.running = begun[0].answer.id
            self.messages = self._rows()
        for one in begun:
            in_background(one.stream.keep_sending)
        if len(begun) == 2 and begun[0].model is begun[1].model and isinstance(begun[0].model, TokenModel):
            in_background(lambda: self._write_together(begun))
        else:
            for place, one in enumerate(begun):
                in_background(partial(self._write, one, place))
        return tuple(one.reply for one in begun)

    def _write(self, one: Writing, side: int) -> None:
        result: Completion | InfluenceError
        used: int | None = None
        answer = one.answer
        try:
            with self._awake(one.model) as present:
                session = set_up(self._session_with(present, side), answer.sent or {})
                session.messages = self.conversation.for_model(answer.parent)
                self._show_used(session.context_used)
                tokens = session.reply(one.sampling, cancel=one.reply.stop)
                self._keep_sent(answer, session.dropped, session.prompt_ids)
                for event in tokens:
                    one.stream.add(event)
                # a server says only by answering how much it takes
                self._keep_sent(answer, session.dropped, session.prompt_ids)
                result, used = tokens.completion, session.context_used
        except Exception as error:
            result = readable(error)
        self._finish(one, result, used)

    def _write_together(self, begun: Sequence[Writing]) -> None:
        """Two answers of one model, in one batch where its runtime can."""
        failure = InfluenceError("The model gave no answer.", "Ask again.")
        try:
            with self._awake(begun[0].model) as present:
                session = cast("TokenSession", self._session_with(present, 0))  # as all of a TokenModel's are
                set_up(session, begun[0].answer.sent or {})
                session.messages = self.conversation.for_model(begun[0].answer.parent)
                requests = []
                for one in begun:
                    ids, dropped = session.prompt(one.sampling)
                    self._keep_sent(one.answer, dropped, ids)
                    requests.append(Request(ids, one.sampling, one.reply.stop))
                self._show_used(len(requests[0].prompt))
                with closing(present._batch(requests, None)) as outcomes:
                    for place, outcome in outcomes:
                        one = begun[place]
                        if not isinstance(outcome, TokenEvent):
                            self._finish(one, outcome)
                        else:
                            if outcome.index == 0:
                                one.stream.begin_again()
                            one.stream.add(outcome)
        except Exception as error:
            failure = readable(error)
        for one in begun:
            if not one.reply.done():
                self._finish(one, failure)

    @contextmanager
    def _awake(self, model: Model) -> Iterator[Model]:
        with api.awake(model) as present:
            if present is not model and model is self.model:  # it had gone by itself, and is back
                self._take("model", present)
            yield present

    def _finish(self, one: Writing, result: Completion | InfluenceError, used: int | None = None) -> None:
        """Commit an answer that has ended, and complete its future."""
        try:
            self._commit(one, result, used)
        finally:
            if isinstance(result, InfluenceError):
                one.reply.set_exception(result)
            else:
                one.reply.set_result(result)

    def _keep_sent(self, answer: Message, dropped: int, ids: Iterable[int]) -> None:
        with self._lock:
            self.conversation.update(answer.id, sent=and_sent(answer.sent or {}, dropped, ids))

    def _commit(self, one: Writing, result: Completion | InfluenceError, used: int | None) -> None:
        id, changes = one.answer.id, outcome(result, one.stream.text)
        self._compare(id, changes)
        with self._lock:
            one.stream.end()
            self._writing.pop(id, None)
            if not isinstance(result, InfluenceError):
                self._completions[id] = result
            with self.hold_sync():  # a page sees the whole text and the end of the answer as one change
                self._take("running", next(iter(self._writing), ""))
                self._despite_faults(lambda: self.conversation.update(id, **changes))
                pair = self.conversation.pair(id)
                if pair is not None and not self._writing:
                    if pair[0].status == "error" != pair[1].status:  # who goes on, does so with what there is
                        self.conversation.chosen[one.answer.parent] = pair[1].id
                    self._despite_faults(self._measure)
                elif used is not None:
                    self._show_used(used)
                self._take("messages", self._rows())
        self._despite_faults(self.update_static)

    def _compare(self, id: str, changes: dict[str, Any]) -> None:
        """Find where an answer and a finished one beside it differ, to be kept: it takes time, and no lock is held."""
        for beside in self.conversation.pair(id) or ():
            if beside.id != id:
                other = {"status": beside.status, "content": beside.content}
                with_differences([{**changes, "beside": other}])

    def _rows(self) -> list[dict[str, Any]]:
        """The active path for the page: whether an answer's tokens are `kept`, and where two of them differ."""
        rows = self.conversation.rows()
        for row in rows:
            for one in (row, row["beside"] or row):
                completion = self._completions.get(one["id"])
                one["kept"] = completion is not None and bool(completion.ids)
        with_differences(rows)
        return rows

    def _measure(self) -> None:
        """Count the tokens of the conversation as it stands."""
        model: Model | None = self.model
        used = 0
        messages = self.conversation.for_model()
        if model is not None and messages:
            try:
                session = self._set_up(model.session())
                session.messages = messages
                used = session.context_used
            except InfluenceError:  # the next answer will say what is wrong
                used = self.context["used"] or 0
        self.context = {"used": used, "size": None if model is None else model.context_length}

    def _show_used(self, used: int) -> None:
        with self._lock:
            self._take("context", {**self.context, "used": used})

    def _take(self, trait: str, value: Any) -> None:
        self._despite_faults(lambda: self.set_trait(trait, value))

    def _despite_faults(self, step: Callable[[], object]) -> None:
        """Do `step`; what an observer or a display raises becomes a `problem` and holds nothing up."""
        try:
            step()
        except Exception as error:
            try:
                self._show_problem(
                    InfluenceError(
                        f"{type(error).__name__}: {error}",
                        "Something that follows this panel raised it; the conversation is whole.",
                    )
                )
            except Exception:  # an observer of `problem` itself
                self.log.exception("an observer of a ChatPanel failed")

    def _session_with(self, model: Model, side: int) -> Session:
        session = self._sessions.get(side)
        if session is None or session.model is not model:
            self._sessions[side] = session = model.session()
        return self._set_up(session)

    def _set_up(self, session: Session) -> Session:
        session.when_full = self._full()
        return set_up(session, made_with(self.system, self.switches))

    def _full(self) -> WhenFull:
        return "drop_oldest" if self.when_full == "drop_oldest" else "stop"


def outcome(result: Completion | InfluenceError, text: str = "") -> dict[str, Any]:
    """What becomes of an answer's message: its content, status and figures, or what went wrong after `text`."""
    if isinstance(result, InfluenceError):
        said = {"message": result.message, "hint": result.hint}
        return {"content": text, "status": "error", "error": said}
    usage, timings = result.usage, result.timings
    stats = {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "tokens": usage.completion_tokens,
        "first_token": timings.first_token,
        "tokens_per_second": timings.tokens_per_second or None,
        "finish_reason": result.finish_reason,
    }
    return {"content": result.text, "status": STATUS[result.finish_reason], "stats": stats}
