"""What a server's refusals mean: HTTP statuses and the words of their bodies, as errors of ours.

It does not know requests; no error of it holds a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from influence_nb.engine.runtimes.endpoint.address import Address
from influence_nb.engine.runtimes.endpoint.wire import Answered
from influence_nb.errors import (
    CapabilityMissing,
    ContextTooLong,
    EndpointError,
    InfluenceError,
    ModelNotFound,
)

_LONGEST = 300
_CONTEXT = re.compile(
    r"context[_ ](length|size|window)|maximum context|too long for the context|exceeds? .*context", re.I
)


def words_of(text: str) -> str:
    """What a body says to a person: OpenAI's {"error": {"message"}}, FastAPI's {"detail"}, or its text; one line."""
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        said = "" if "<" in text[:200] else text
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and name in said:
            said = said[name]
            if isinstance(said, dict):
                said = said.get("message", said)
    words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False) if said else ""
    return " ".join(words.split())


def named(answered: Answered, fields: Collection[str]) -> set[str]:
    """Which of the request's fields a refusal complains of."""
    if answered.status not in (400, 422):
        return set()
    return {name for name in fields if re.search(rf"\b{re.escape(name)}\b", answered.text)}


def error_of(answered: Answered, address: Address, model: str | None, path: str) -> InfluenceError:
    """The error that a refusal is.

    Args:
        answered: what came.
        address: of the server.
        model: the model that was asked for; None where none was.
        path: what was asked, such as "/chat/completions".
    """
    host, status = address.host, answered.status
    words = address.scrub(words_of(answered.text))[:_LONGEST].rstrip(".")
    says = f": {words}." if words else "."
    if status < 300:
        return EndpointError(
            f"{host} answered with a web page.", "Check the address: it usually ends in /v1."
        )
    if status < 400:
        target = urlsplit(answered.headers.get("location", ""))
        return EndpointError(
            f"{host} redirects to {target.hostname or 'another path'}, and redirects are not followed.",
            "Give the address that it redirects to, if you trust it.",
        )
    if status in (401, 403):
        key = "refuses the key" if address.authorization else "wants a key"
        return EndpointError(
            f"{host} {key} ({status}){says}", "Give it by key=..., or set INFLUENCE_ENDPOINT_KEY."
        )
    if model is not None and status in (400, 404, 422) and "chat template" in words.lower():
        return CapabilityMissing(
            f"{host} has no chat template for {model}, so it cannot hold a conversation{says}",
            "Continue plain text: model.generate('Once upon a time').",
        )
    if status in (400, 413, 422, 500) and _CONTEXT.search(words):
        return ContextTooLong(
            f"The prompt is too long for {model} on {host}{says}", "Shorten it, or ask for fewer new tokens."
        )
    if model is not None and status in (400, 404) and "model" in words.lower() and "not" in words.lower():
        return ModelNotFound(f"{host} has no model {model!r}{says}", "Look at which models the server has.")
    if status in (404, 405, 501):
        if path == "/completions":
            return CapabilityMissing(
                f"{host} has no /completions, so it cannot continue plain text.",
                "Give messages: [{'role': 'user', 'content': '...'}].",
            )
        return EndpointError(
            f"{host} has no {path} ({status}).", "Check the address: it usually ends in /v1."
        )
    if status == 429:
        return EndpointError(
            f"{host} is too busy, or its quota is used up ({status}){says}", "Ask again later."
        )
    if status >= 500:
        return EndpointError(f"{host} failed ({status}){says}", "See the server's log.")
    return EndpointError(
        f"{host} refuses the request ({status}){says}", "See the server's log for the reason."
    )
