"""`ChatPanel`: talk to a loaded model in a notebook, by hand or from Python.

It knows sessions and the page's messages; how text is generated is the engine's business, how it is
painted the page's (`widgets/chat/`). Everything a page shows is in the traits and in the running answer's
snapshot, so a reloaded page or a second view shows the same.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted, whole
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InfluenceError, InvalidData, ModelNotFound
from influence_nb.widgets import chat_file
from influence_nb.widgets.adopted import adopted
from influence_nb.widgets.asked import asked
from influence_nb.widgets.base import readable, static_block, strict
from influence_nb.widgets.chat_sent import made_with, what_was_sent
from influence_nb.widgets.conversation import Conversation, Message
from influence_nb.widgets.following import Following
from influence_nb.widgets.reply import Reply
from influence_nb.widgets.transcript import transcript

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.widgets.state import State


class ChatPanel(Following):
    """A chat with a loaded model.

    Every control of the page has a method here: `send`, `compare`, `choose`, `stop`, `regenerate`, `edit`, `switch`,
    `clear`, `save`, `load`. Answers are written in the background; a message's earlier versions stay reachable.

    Args:
        model: a loaded `Model` or its name; it stays when others are loaded. None takes the model loaded last,
            and follows later loads. Either way, one that went by its `keep_alive`, or because another needed its room,
            is loaded again for the next message; one that somebody unloads is not: the next one loaded takes its place.
        system: the system prompt; "" for none.
        sampling: a `Sampling`; None for the defaults.
        when_full: what happens when the conversation no longer fits the model's context: "stop" (an error
            says so) or "drop_oldest" (the oldest turns are not sent).
        open_with: where an answer can be looked at more closely: {name: a call that takes its prompt and its
            completion}, such as the `inspect` of a `TokenInspector` behind one that drops the prompt.
        state: the selection shared with other panels; None for one of its own.

    Raises:
        TypeError: an unknown keyword.
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    @strict
    def __init__(
        self,
        *,
        model: Model | str | None = None,
        system: str = "",
        sampling: Sampling | None = None,
        when_full: str = "stop",
        open_with: Mapping[str, Callable[[Prompt, Completion], object]] | None = None,
        state: State | None = None,
    ) -> None:
        self._actions: dict[str, Callable[..., object]] = {
            "hello": self._hello,
            "send": self.send,
            "compare": self.compare,
            "choose": self.choose,
            "stop": self.stop,
            "regenerate": self.regenerate,
            "edit": self.edit,
            "version": self.switch,
            "clear": self.clear,
            "model": self._choose,
            "save": self._save_to_page,
            "load": self._load_text,
            "inspect": self._inspect,
            "open": self.open_in,
        }
        self._open_with = dict(open_with or {})
        shown = {"opens": list(self._open_with), "when_full": when_full}
        super().__init__(model, state, system=system, sampling=sampling or Sampling(), **shown)
        self.on_msg(self._on_page)

    def send(self, text: str, **overrides: Any) -> Reply:
        """Send a message; the answer is written in the background.

        Args:
            text: what to say.
            overrides: sampling parameters for this answer only, such as temperature=0.

        Returns:
            A future: `.result()` waits and gives the `Completion`, `.cancel()` stops it.

        Raises:
            InfluenceError: an answer is still being written, or no model is loaded.
            InvalidSampling: an override is unknown or out of range.
            InvalidData: `text` is not text, or has half of a surrogate pair in it.
        """
        with self._lock:
            model, sampling = self._ready(), self.sampling.replace(**overrides)
            return self._answer(self._said(text), (model, sampling))[0]

    def compare(
        self,
        text: str | None = None,
        sampling: Sampling | None = None,
        model: Model | str | None = None,
        id: str | None = None,
        **overrides: Any,
    ) -> tuple[Reply, Reply]:
        """Send a message and have it answered twice, under two settings or by two models, beside each other.

        The left answer is by the panel's model under its `sampling`, the right one by another or under other settings.
        One model writes both in one batch, or one after the other where its runtime cannot. An answer whose settings
        have no seed takes the other's, or one is drawn for both, so that both see the same noise; where nothing else
        differs each has its own. `choose` says with which one to go on; until then it is the left one, unless only that
        one failed.

        Args:
            text: what to say; None has a message answered again.
            sampling: a `Sampling` for the right answer; None for `other_sampling`, or where that is None too for the
                left one's.
            model: a loaded `Model` or its name for the right answer; None for `other_model`.
            id: of the message of yours that `text` is a version of, or without a text of an answer to the one that is
                answered again; None for a new message, or the last one.
            overrides: sampling parameters for the right answer only, such as temperature=1.2.

        Returns:
            The futures of both, left and right, see `send`. One that fails leaves the other.

        Raises:
            InfluenceError: an answer is still being written, or no model is loaded.
            InvalidSampling: an override is unknown or out of range.
            InvalidData: `text` is not text, or has half of a surrogate pair in it; there is no such message; `model` is
                none.
            ModelNotFound: `model` is a name, and no loaded model has it.
        """
        with self._lock:
            first = self._ready()
            named = model if model is not None else self._other or self.other_model
            second = self.state.named(named) if isinstance(named, str) and named else named
            if second and not hasattr(second, "session"):
                raise InvalidData(f"{quoted(model)} is no model.", "Give a loaded model or its name.")
            usual = self.other_sampling or self.sampling
            other = checked(usual if sampling is None else sampling, overrides)
            sides = (first, self.sampling), (second or first, other)
            ask = self._again(id) if text is None else self._said(text, id)
            left, right = self._answer(ask, *sides)
            return left, right

    def choose(self, which: int, id: str | None = None) -> None:
        """Go on with one of two answers beside each other; the other one stays as a version of it.

        Args:
            which: 0 for the left one, 1 for the right one.
            id: the id of one of the two; None for the last two.

        Raises:
            InfluenceError: an answer is still being written.
            InvalidData: there are no such answers, or `which` is neither 0 nor 1.
        """
        with self._lock:
            self._not_running()
            ids = [message.id for message in self.conversation.path()] if id is None else [id]
            pairs = [pair for pair in map(self.conversation.pair, ids) if pair is not None]
            if not pairs:
                raise InvalidData(
                    "There are no two answers to choose from.",
                    'Have one message answered twice: chat.compare("...").',
                )
            self.conversation.settle(pairs[-1][whole("which", which, 0, 1)].id)
            self._show_conversation()

    def regenerate(self, id: str | None = None, **overrides: Any) -> Reply:
        """Write another version of an answer, the last one unless `id` names one; see `send`."""
        with self._lock:
            model, sampling = self._ready(), self.sampling.replace(**overrides)
            return self._answer(self._again(id), (model, sampling))[0]

    def edit(self, id: str, text: str, **overrides: Any) -> Reply | None:
        """Make a version of a message with another text; the earlier one stays reachable.

        Returns:
            For a user's message the future of its new answer; for an answer None.
        """
        with self._lock:
            if self.conversation[id].role == "user":
                model, sampling = self._ready(), self.sampling.replace(**overrides)
                return self._answer(self._said(text, id), (model, sampling))[0]
            self._not_running()
            self.conversation.edit(id, text)
            self._show_conversation()
            return None

    def switch(self, id: str, index: int) -> None:
        """Go to version `index` (from 0) of the message `id`."""
        with self._lock:
            self._not_running()
            self.conversation.switch(id, index)
            self._show_conversation()

    def adopt(self, prompt: Prompt, completion: Completion) -> None:
        """Begin with what was written elsewhere, such as a cell of a grid or a branch of a tree, to go on from it.

        What was said here before stays reachable as another version of the first message.

        Args:
            prompt: what was answered: messages, whose system message becomes the system prompt here, or a text, which
                becomes a message of its own.
            completion: the answer.

        Raises:
            InfluenceError: an answer is still being written.
            InvalidData: `prompt` is token ids, or holds something else than text.
        """
        with self._lock:
            self._not_running()
            self.conversation, self.system = adopted(self.conversation, prompt, completion)
            self._completions[self.conversation.path()[-1].id] = completion
            self._show_conversation()

    def open_in(self, where: str, id: str | None = None) -> Any:
        """Take up an answer elsewhere, in one of `opens`; what that gives.

        Args:
            where: the name of a place in `open_with`.
            id: the answer's; the last one by default.

        Raises:
            InvalidData: there is no such place or answer, or its tokens are not here: it came from a file or a server,
                or was written by hand.
        """
        if where not in self._open_with:
            raise InvalidData(
                f"Answers do not open in {quoted(where)}.", f"There are: {', '.join(self.opens) or 'none'}."
            )
        with self._lock:
            answer = self._answer_at(id, "Only an answer has tokens to look at.", "Take the id of an answer.")
            completion = self._completions.get(answer.id)
            if completion is None or not completion.ids:
                raise InvalidData(
                    "The tokens of this answer are not here: it came from a file or a server, or was written by hand.",
                    "Regenerate it with a model that runs here.",
                )
            sent = answer.sent or {}
            system = [{"role": "system", "content": sent["system"]}] if sent.get("system") else []
            said = self.conversation.for_model(answer.parent)[sent.get("left_out", 0) :]
        return self._open_with[where]([*system, *said], completion)

    def stop(self) -> None:
        """Stop the answer that is being written, or both, at the next token. Does nothing when none is."""
        for one in list(self._writing.values()):  # no lock: a stop must never wait
            one.reply.cancel()

    def clear(self) -> None:
        """Begin an empty conversation with the same settings."""
        with self._lock:
            self._not_running()
            self.conversation = Conversation(self.system)
            self._completions.clear()
            self._show_conversation()

    def save(self, path: str | Path) -> Path:
        """Write the conversation, all versions and settings of each answer included, as JSON.

        A file that is there is replaced once the new one is whole, and kept when writing fails.

        Returns:
            The file's path.

        Raises:
            InvalidData: the file cannot be written, or a text in the conversation cannot.
        """
        with self._lock:
            json = self.conversation.to_json()
        return chat_file.write(path, json)

    def load(self, path: str | Path) -> None:
        """Go on with a conversation that `save` wrote.

        Raises:
            InvalidData: there is no such file, or it is not a saved conversation.
        """
        self._load_text(chat_file.read(path))

    def static_html(self) -> str:
        """The conversation so far, for a reader without a kernel."""
        title = f"Chat with {self.model.name}" if self.model is not None else "Chat"
        return static_block(title, transcript(self.messages, self.system))

    def close(self) -> None:
        """Stop, and leave the page. Closing again does nothing."""
        if hasattr(self, "_writing"):  # a constructor that refused its arguments leaves none
            self.stop()
        super().close()

    # What the page asks for

    def _on_page(self, _: Any, content: Any, buffers: Any) -> None:
        try:
            asked(self._actions, content)()
        except Exception as error:
            self._show_problem(readable(error))

    def _hello(self) -> None:
        for one in list(self._writing.values()):
            one.stream.snapshot()

    def _choose(self, name: str) -> None:
        if not isinstance(name, str):
            raise InvalidData(f"{reprlib.repr(name)} is not the name of a model.", "Choose a loaded model.")
        self.model = name

    def _save_to_page(self) -> None:
        filename = f"chat-{datetime.now():%Y-%m-%d-%H%M}.json"
        self._post({"type": "saved", "filename": filename, "json": self.conversation.to_json()})

    def _load_text(self, json: str) -> None:
        with self._lock:
            self._not_running()
            self.conversation = loaded = Conversation.from_json(json)
            self.system = loaded.system
            self._completions.clear()
            self._show_conversation()

    def _inspect(self, id: str | None = None) -> None:
        """Show what was sent for the answer `id`, or for the last one."""
        with self._lock:
            answers = [message for message in self.conversation.path() if message.role == "assistant"]
            answer = (answers[-1] if answers else None) if id is None else self.conversation[id]
            if answer is not None and answer.role != "assistant":
                raise InvalidData("For a message of your own nothing was sent.", "Inspect the answer to it.")
            chosen = self._chosen_model()
            models = [chosen, *(model for model in self.state.models().values() if model is not chosen)]
            present = made_with(self.system, self.switches)
            self._post(what_was_sent(self.conversation, answer, models, present, self._full()))

    # What must hold

    def _chosen_model(self) -> Model:
        if self.model is None:
            raise ModelNotFound("No model is loaded.", "Load one: inb.load(), or the LoadPanel.")
        return self.model  # type: ignore[no-any-return]

    def _answer_at(self, id: str | None, refusal: str, hint: str) -> Message:
        """The answer `id`, or the last one; a message of one's own is refused."""
        answers = [message.id for message in self.conversation.path() if message.role == "assistant"]
        if id is None and not answers:
            raise InvalidData("There is no answer yet.", 'Send a message first: chat.send("...").')
        answer = self.conversation[answers[-1] if id is None else id]
        if answer.role != "assistant":
            raise InvalidData(refusal, hint)
        return answer

    def _not_running(self) -> None:
        if self.running:
            raise InfluenceError("An answer is still being written.", "Wait for it, or stop it: chat.stop().")

    def _ready(self) -> Model:
        self._not_running()
        return self._chosen_model()

    def _said(self, text: str, id: str | None = None) -> Callable[[], str]:
        """What says `text`, as a version of the message `id` if there is one; it gives the message's id."""
        if id is not None:
            if self.conversation[id].role != "user":
                raise InvalidData(
                    "An answer is not answered.", "Use chat.edit(id, text) to write another one."
                )
            return lambda: self.conversation.edit(id, text).id
        path = self.conversation.path()
        last = path[-1].id if path else None
        return lambda: self.conversation.add("user", text, last).id

    def _again(self, id: str | None) -> Callable[[], str | None]:
        """What gives the id of the message that `id` answers, or the last answer."""
        hint = "Use chat.edit(id, text) for your own message."
        answer = self._answer_at(id, "Only an answer can be regenerated.", hint)
        return lambda: answer.parent

    def _show_conversation(self) -> None:
        self.problem = None
        self.messages = self._rows()
        self._measure()
        self.update_static()
