"""`ChatPanel`: talk to a loaded model in a notebook, by hand or from Python.

It knows sessions and the page's messages; how text is generated is the engine's business, how it is
painted the page's (`widgets/chat/`). Everything a page shows is in the traits and in the running answer's
snapshot, so a reloaded page or a second view shows the same.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import reprlib
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from influence_nb.engine.prompts import sorted_out
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InfluenceError, InvalidData, ModelNotFound
from influence_nb.widgets.adopted import adopted
from influence_nb.widgets.answering import Answering
from influence_nb.widgets.base import readable, static_block, strict
from influence_nb.widgets.chat_sent import made_with, what_was_sent
from influence_nb.widgets.conversation import Conversation
from influence_nb.widgets.reply import Reply
from influence_nb.widgets.state import State
from influence_nb.widgets.transcript import transcript

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt


class ChatPanel(Answering):
    """A chat with a loaded model.

    Every control of the page has a method here: `send`, `stop`, `regenerate`, `edit`, `switch`, `clear`,
    `save`, `load`. Answers are written in the background; a message's earlier versions stay reachable.

    Args:
        model: a loaded `Model` or its name; it stays when others are loaded. None takes the model loaded last,
            and follows later loads. Either way, one that went by its `keep_alive`, or because another needed its room,
            is loaded again for the next message; one that somebody unloads is not: the next one loaded takes its place.
        system: the system prompt; "" for none.
        sampling: a `Sampling`; None for the defaults.
        when_full: what happens when the conversation no longer fits the model's context: "stop" (an error
            says so) or "drop_oldest" (the oldest turns are not sent).
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
        state: State | None = None,
    ) -> None:
        self._actions: dict[str, Callable[..., object]] = {
            "hello": self._hello,
            "send": self.send,
            "stop": self.stop,
            "regenerate": self.regenerate,
            "edit": self.edit,
            "version": self.switch,
            "clear": self.clear,
            "model": self._choose,
            "save": self._save_to_page,
            "load": self._load_text,
            "inspect": self._inspect,
        }
        super().__init__(system=system, sampling=sampling or Sampling(), when_full=when_full)
        self._own_state = state is None
        self.state = state or State(follow=model is None)
        if model is not None:
            self.model = model
        self.state.observe(self._follow, ["loaded", "selected"])
        self._follow()
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
            last = self._last()
            return self._answer(model, sampling, lambda: self.conversation.add("user", text, last).id)

    def regenerate(self, id: str | None = None, **overrides: Any) -> Reply:
        """Write another version of an answer, the last one unless `id` names one; see `send`."""
        with self._lock:
            model, sampling = self._ready(), self.sampling.replace(**overrides)
            answers = [message.id for message in self.conversation.path() if message.role == "assistant"]
            if id is None and not answers:
                raise InvalidData("There is no answer yet.", 'Send a message first: chat.send("...").')
            answer = self.conversation[answers[-1] if id is None else id]
            if answer.role != "assistant":
                raise InvalidData(
                    "Only an answer can be regenerated.", "Use chat.edit(id, text) for your own message."
                )
            return self._answer(model, sampling, lambda: answer.parent)

    def edit(self, id: str, text: str, **overrides: Any) -> Reply | None:
        """Make a version of a message with another text; the earlier one stays reachable.

        Returns:
            For a user's message the future of its new answer; for an answer None.
        """
        with self._lock:
            if self.conversation[id].role == "user":
                model, sampling = self._ready(), self.sampling.replace(**overrides)
                return self._answer(model, sampling, lambda: self.conversation.edit(id, text).id)
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
        kind, said = sorted_out(prompt)
        if kind == "ids":
            raise InvalidData(
                "A prompt of token ids cannot be shown in a chat.", "Give it as text or messages."
            )
        turns = said if kind == "messages" else [{"role": "user", "content": said}]
        with self._lock:
            self._not_running()
            self.conversation, self.system = adopted(self.conversation, turns, completion)
            self._show_conversation()

    def stop(self) -> None:
        """Stop the answer that is being written, at the next token. Does nothing when none is."""
        reply = self._reply  # no lock: a stop must never wait
        if reply is not None:
            reply.cancel()

    def clear(self) -> None:
        """Begin an empty conversation with the same settings."""
        with self._lock:
            self._not_running()
            self.conversation = Conversation(self.system)
            self._show_conversation()

    def save(self, path: str | Path) -> Path:
        """Write the conversation, all versions and settings of each answer included, as JSON.

        A file that is there is replaced once the new one is whole, and kept when writing fails.

        Returns:
            The file's path.

        Raises:
            InvalidData: the file cannot be written, or a text in the conversation cannot.
        """
        target = Path(path)
        part = target.resolve().with_name(f".{uuid.uuid4().hex}.part")
        with self._lock:
            json = self.conversation.to_json()
        try:
            whole = json.encode()
        except UnicodeEncodeError as error:
            raise InvalidData(
                "The conversation has text that cannot be written as UTF-8: half of a surrogate pair.",
                "Edit or regenerate that message, then save again.",
            ) from error
        try:
            part.write_bytes(whole)
            os.replace(part, target.resolve())
        except OSError as error:
            raise InvalidData(
                f"The conversation cannot be written to {target}: {error.strerror}.",
                "Choose a file in a folder that exists and that you may write to.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return target

    def load(self, path: str | Path) -> None:
        """Go on with a conversation that `save` wrote.

        Raises:
            InvalidData: there is no such file, or it is not a saved conversation.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidData(f"{path} cannot be read: {error}.", "Check the path.") from error
        self._load_text(text)

    def static_html(self) -> str:
        """The conversation so far, for a reader without a kernel."""
        title = f"Chat with {self.model.name}" if self.model is not None else "Chat"
        return static_block(title, transcript(self.messages, self.system))

    def close(self) -> None:
        """Stop, and leave the page. Closing again does nothing."""
        if hasattr(self, "state"):  # a constructor that refused its arguments leaves none
            self.stop()
            with contextlib.suppress(ValueError):  # it is not observed any more, or not yet
                self.state.unobserve(self._follow, ["loaded", "selected"])
            if self._own_state:
                self.state.close()
        super().close()

    # What the page asks for

    def _on_page(self, _: Any, content: Any, buffers: Any) -> None:
        try:
            self._asked(content)()
        except Exception as error:
            self._show_problem(readable(error))

    def _asked(self, content: Any) -> Callable[[], object]:
        """What a message of the page asks for, once it is known to be well formed."""
        kind = content.get("type") if isinstance(content, dict) else None
        action = self._actions.get(kind) if isinstance(kind, str) else None
        hint = "Reload the page; if that does not help, restart the kernel."
        if action is None:
            raise InvalidData(f"The page asked for something unknown: {reprlib.repr(content)}.", hint)
        arguments = {name: value for name, value in content.items() if name != "type"}
        try:
            inspect.signature(action).bind(**arguments)
        except TypeError as error:
            raise InvalidData(f"The page asked for {kind!r} in the wrong way: {error}.", hint) from None
        return lambda: action(**arguments)

    def _hello(self) -> None:
        stream = self._stream
        if stream is not None:
            stream.snapshot()

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

    def _not_running(self) -> None:
        if self.running:
            raise InfluenceError("An answer is still being written.", "Wait for it, or stop it: chat.stop().")

    def _ready(self) -> Model:
        self._not_running()
        return self._chosen_model()

    def _last(self) -> str | None:
        path = self.conversation.path()
        return path[-1].id if path else None

    def _show_conversation(self) -> None:
        self.problem = None
        self.messages = self.conversation.rows()
        self._measure()
        self.update_static()

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

    # What follows the loaded models and the settings

    def _follow(self, _: Any = None) -> None:
        with self._lock:
            self.model = self.state.selected
            with self.hold_sync():  # a page sees the list and what is chosen of it as one change
                self.loaded = list(self.state.loaded)
                self.chosen = self.state.label(self.model)

    @traitlets.validate("model")
    def _known(self, proposal: Any) -> Model | None:
        model = proposal["value"]
        if not isinstance(model, str):
            return model  # type: ignore[no-any-return]
        return self.state.named(model)

    @traitlets.observe("model")
    def _model_changed(self, change: Any) -> None:
        with self._lock:
            model = change["new"]
            self._session = None
            self.state.selected = model
            self.chosen = self.state.label(model)
            if model is not None and self.problem is not None and "field" not in self.problem:
                self.problem = None  # "No model is loaded." is true no longer
            known = {} if model is None else model.template_switches()
            if model is not None and _is_back(model, change["old"]):
                known.update({one["name"]: one["value"] for one in self.switches if one["name"] in known})
            self.switches = [
                {"name": name, "label": name.replace("_", " ").capitalize(), "value": value}
                for name, value in known.items()
            ]
            self._measure()
        self.update_static()

    @traitlets.observe("system")
    def _system_changed(self, change: Any) -> None:
        self.conversation.system = change["new"]


def _is_back(model: Model, before: Model | None) -> bool:
    """Whether it is the one before, which went by itself, loaded again."""
    return before is not None and before.use.left and before.name == model.name
