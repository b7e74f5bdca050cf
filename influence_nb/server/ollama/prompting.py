"""The prompt that Ollama's fields come to: through the model's chat template, a client's own, or filling in.

It does not know how an answer is put.
"""

from __future__ import annotations

from typing import Any

from influence_nb.engine import prompts
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.token_model import TokenModel
from influence_nb.server import infill, thinking, tools
from influence_nb.server.ollama import go_template
from influence_nb.server.ollama.bodies import Body, Chat, Generate
from influence_nb.server.refusals import Refused
from influence_nb.server.service import with_tokens


def of_text(body: Generate, model: Model) -> Prompt:
    """The prompt of /api/generate: as it stands, or as a conversation's first message, after the tokens of `context`.

    Raises:
        Refused: the model cannot do what is asked for.
    """
    _check_thinking(body, model)
    text = body.prompt or ""
    if body.raw:
        return text
    prompt: Prompt
    if body.template:
        parts = {".System": body.system or "", ".Prompt": text, ".Suffix": body.suffix or ""}
        if body.suffix and ".Suffix" not in body.template:
            raise _cannot(body, model, "insert")
        prompt = go_template.rendered(body.template, parts)
    elif body.suffix:
        begins = not body.context
        found = infill.prompt(model, text, body.suffix, begins) if isinstance(model, TokenModel) else None
        if found is None:
            raise _cannot(body, model, "insert")
        prompt = found
    elif isinstance(model, TokenModel) and not model.chat_template:
        prompt = f"{body.system}\n\n{text}" if body.system else text
    else:
        messages = [{"role": "system", "content": body.system}] if body.system else []
        prompt = _templated(body, model, [*messages, {"role": "user", "content": text}])
    if not body.context:
        return prompt
    known = with_tokens(model, "go on from a context")
    # no text begins in the middle of one
    ids = known.encode(prompt, special=False) if isinstance(prompt, str) else prompts.ids(prompt, known)
    return [*body.context, *ids]


def of_messages(body: Chat, model: Model) -> Prompt:
    """The prompt of /api/chat.

    Raises:
        Refused: the model cannot do what is asked for.
        CapabilityMissing: it knows no tools, and there are some.
    """
    _check_thinking(body, model)
    if body.tools:
        return tools.prompt(model, body.plain, body.tools, _switches(body, tools.with_tools(model)))
    return _templated(body, model, body.plain)


def _check_thinking(body: Body, model: Model) -> None:
    thinks = isinstance(model, TokenModel) and thinking.knows(model.chat_template)
    if body.think and not thinks:
        raise _cannot(body, model, "thinking")


def _cannot(body: Body, model: Model, what: str) -> Refused:
    """In Ollama's words, which its clients look for."""
    return Refused(400, f'"{body.model or model.name}" does not support {what}')


def _switches(body: Body, model: TokenModel) -> dict[str, Any]:
    """What the chat template is told; an answer that is held to a format has no place for thoughts."""
    return thinking.switches(model.chat_template, False if body.format else body.think)


def _templated(body: Body, model: Model, messages: list[dict[str, Any]]) -> Prompt:
    """Messages; of a model that thinks as tokens, since how they end tells whether a thought has begun."""
    if isinstance(model, TokenModel) and thinking.knows(model.chat_template):
        return model.encode(model.render(messages, _switches(body, model)), special=False)
    return messages
