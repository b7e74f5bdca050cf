"""One answer of a chat, from the question to the committed text, on a thread of its own.

It does not know what a page or a caller may ask for; `ChatPanel` (`chat.py`) decides when an answer begins.
Whatever an observer or a display raises on the way, the answer's future is completed and the panel is free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from influence_nb import api
from influence_nb.engine.noise import draw_seed
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InfluenceError
from influence_nb.widgets.base import in_background, readable
from influence_nb.widgets.chat_sent import and_sent, made_with, set_up
from influence_nb.widgets.chat_traits import ChatTraits
from influence_nb.widgets.conversation import Conversation, Message
from influence_nb.widgets.reply import Reply, Stream

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.session import Session, WhenFull

STATUS = {"stop": "done", "length": "length", "cancelled": "cancelled"}


class Answering(ChatTraits):
    """The conversation of a panel and the answer that is being written in it.

    Args:
        system: the system prompt.
        values: the other traits.
    """

    def __init__(self, system: str, **values: Any) -> None:
        self.conversation = Conversation(system)
        self._reply: Reply | None = None
        self._stream: Stream | None = None
        self._session: tuple[Model, Session] | None = None
        super().__init__(system=system, **values)

    def _answer(self, model: Model, sampling: Sampling, ask: Callable[[], str | None]) -> Reply:
        """Begin the answer to the message whose id `ask` gives; `ask` may add that message first."""
        before = self.conversation
        self.conversation = replace(before, messages=dict(before.messages), chosen=dict(before.chosen))
        try:
            return self._begin(model, sampling, ask())
        except BaseException:
            if self._stream is not None:
                self._stream.end()
            self.conversation, self._reply, self._stream = before, None, None
            self._take("running", "")
            self._take("messages", before.rows())
            raise

    def _begin(self, model: Model, sampling: Sampling, parent: str | None) -> Reply:
        if sampling.seed is None:
            sampling = sampling.replace(seed=draw_seed())
        facts = {"model": model.name, "sampling": sampling.to_dict(), "seed": sampling.seed}
        sent = made_with(self.system, self.switches)
        answer = self.conversation.add("assistant", "", parent, status="running", sent=sent, **facts)
        self._reply = reply = Reply()
        self._stream = stream = Stream(answer.id, self._post)
        self.problem = None
        with self.hold_sync():  # an observer of the messages finds the panel busy
            self.running = answer.id
            self.messages = self.conversation.rows()
        in_background(stream.keep_sending)
        in_background(lambda: self._write(model, answer, sampling, reply, stream))
        return reply

    def _write(self, model: Model, answer: Message, sampling: Sampling, reply: Reply, stream: Stream) -> None:
        completion: Completion | None = None
        failure: InfluenceError | None = None
        used: int | None = None
        try:
            with api.awake(model) as present:
                if present is not model:  # it had gone by itself, and is back
                    self._take("model", present)
                session = set_up(self._session_with(present), answer.sent or {})
                session.messages = self.conversation.for_model(answer.parent)
                self._show_used(session.context_used)
                tokens = session.reply(sampling, cancel=reply.stop)
                self._keep_sent(answer, session)
                for event in tokens:
                    stream.add(event)
                self._keep_sent(answer, session)  # a server says only by answering how much it takes
                completion, used = tokens.completion, session.context_used
        except Exception as error:
            failure = readable(error)
        try:
            self._commit(answer.id, outcome(completion, failure, stream.text), used)
        finally:
            if failure is not None:
                reply.set_exception(failure)
            else:
                reply.set_result(completion)  # type: ignore[arg-type]  # one of the two is there

    def _keep_sent(self, answer: Message, session: Session) -> None:
        sent = and_sent(answer.sent or {}, session.dropped, session.prompt_ids)
        with self._lock:
            self.conversation.update(answer.id, sent=sent)

    def _commit(self, id: str, changes: dict[str, Any], used: int | None) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.end()
            self._reply = self._stream = None
            with self.hold_sync():  # a page sees the whole text and the end of the answer as one change
                self._take("running", "")
                self._despite_faults(lambda: self.conversation.update(id, **changes))
                if used is not None:
                    self._show_used(used)
                self._take("messages", self.conversation.rows())
        self._despite_faults(self.update_static)

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

    def _session_with(self, model: Model) -> Session:
        if self._session is None or self._session[0] is not model:
            self._session = (model, model.session())
        return self._set_up(self._session[1])

    def _set_up(self, session: Session) -> Session:
        session.when_full = self._full()
        return set_up(session, made_with(self.system, self.switches))

    def _full(self) -> WhenFull:
        return "drop_oldest" if self.when_full == "drop_oldest" else "stop"


def outcome(completion: Completion | None, failure: InfluenceError | None, text: str) -> dict[str, Any]:
    """What becomes of an answer's message: its content, status and figures, or what went wrong after `text`."""
    if completion is None or failure is not None:
        said = {"message": failure.message, "hint": failure.hint} if failure is not None else None
        return {"content": text, "status": "error", "error": said}
    usage, timings = completion.usage, completion.timings
    stats = {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "tokens": usage.completion_tokens,
        "first_token": timings.first_token,
        "tokens_per_second": timings.tokens_per_second or None,
        "finish_reason": completion.finish_reason,
    }
    return {"content": completion.text, "status": STATUS[completion.finish_reason], "stats": stats}
