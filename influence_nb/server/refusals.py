"""What a client is told when something goes wrong: a status, and a body in the shape of the API that was asked.

It does not know what was asked for; errors of the tree come in, plain values go out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influence_nb import errors
from influence_nb.arguments import quoted
from influence_nb.errors import InfluenceError

_STATUS: tuple[tuple[type[InfluenceError], int], ...] = (
    (errors.ModelNotFound, 404),
    (errors.GatedModel, 403),
    (errors.HubUnreachable, 502),
    (errors.DownloadInterrupted, 502),
    (errors.IntegrityError, 502),
    (errors.EndpointError, 502),
    (errors.NotEnoughDisk, 507),
    (errors.OutOfMemory, 503),
    (errors.MissingExtra, 501),
    (errors.InvalidData, 400),
    (errors.InvalidSampling, 400),
    (errors.ContextTooLong, 400),
    (errors.CapabilityMissing, 400),
    (errors.UnsupportedModel, 400),
)

_CODES: tuple[tuple[type[InfluenceError], str], ...] = (
    (errors.ModelNotFound, "model_not_found"),
    (errors.ContextTooLong, "context_length_exceeded"),
)

_TYPES = {
    "int_type": "integer", "int_from_float": "integer", "float_type": "float32", "bool_type": "boolean",
    "list_type": "array", "string_type": "array",
}  # fmt: skip
"""What Ollama calls the type that a value should have had, by pydantic's name for the mistake."""

_UNIONS = ("bool", "str", "int", "float")
"""What pydantic adds to a place where a value may be of several types."""

_FIELDS = {"max_new_tokens": "max_tokens", "grammar": "response_format"}
"""What a parameter of ours is called by OpenAI's clients, where it is called something else."""


class Refused(InfluenceError):
    """What the server itself refuses: with a status, a code for OpenAI's clients, the field, and headers."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code
        self.field = field
        self.headers = dict(headers or {})


def unsupported(field: str, why: str = "") -> Refused:
    """What is said to a client that asks for what is not there."""
    return Refused(
        400,
        f"{field} is not supported{why}.",
        "docs/server.md lists what is supported of each API.",
        code="unsupported_parameter",
        field=field,
    )


def status(error: InfluenceError) -> int:
    """The status that an error is answered with; 500 for what no request is to blame for."""
    if isinstance(error, Refused):
        return error.status
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def body(path: str, error: InfluenceError) -> dict[str, Any]:
    """The error in the shape of the API that `path` belongs to."""
    if path.startswith("/api/"):
        return ollama(error)
    return openai(error) if is_openai(path) else native(error)


def is_openai(path: str) -> bool:
    """Whether a path belongs to OpenAI's API."""
    return path.startswith("/v1/") and not path.startswith("/v1/generate")


def native(error: InfluenceError) -> dict[str, Any]:
    """{"error": {"type", "message", "hint", "field"}}."""
    return {
        "error": {
            "type": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "field": getattr(error, "field", None) or None,
        }
    }


def openai(error: InfluenceError) -> dict[str, Any]:
    """{"error": {"message", "type", "param", "code"}}."""
    said = status(error)
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        said, "invalid_request_error" if said < 500 else "server_error"
    )
    field = getattr(error, "field", None) or None
    code = getattr(error, "code", None) or next(
        (code for one, code in _CODES if isinstance(error, one)), None
    )
    return {
        "error": {
            "message": _one_line(error),
            "type": kind,
            "param": _FIELDS.get(field, field) if field else None,
            "code": code,
        }
    }


def ollama(error: InfluenceError) -> dict[str, Any]:
    """{"error": text}."""
    return {"error": error.message if isinstance(error, errors.ModelNotFound) else _one_line(error)}


def invalid(found: Mapping[str, Any], path: str) -> Refused:
    """What pydantic found wrong with a body, as ours: the field, its value and what is wrong with it."""
    place = [
        str(part)
        for part in found["loc"][1:]
        if part not in _UNIONS and not str(part).startswith(("function-", "list[", "dict["))
    ]
    kind, said = str(found["type"]), str(found["msg"])
    if kind == "json_invalid":
        reason = found.get("ctx", {}).get("error", said)
        return Refused(400, f"The body is not JSON: {reason}.", "Send a JSON object.", code="invalid_json")
    if not place:
        return Refused(400, f"The body is not a JSON object: {said}.", "Send a JSON object in the body.")
    field = ".".join(place)
    if path.startswith("/api/") and place[0] == "options" and len(place) > 1 and kind in _TYPES:
        return Refused(400, f'option "{place[1]}" must be of type {_TYPES[kind]}')
    if kind == "extra_forbidden":
        return Refused(
            400, f"Unrecognized request argument supplied: {field}.", "Leave it out.",
            code="unknown_parameter", field=field,
        )  # fmt: skip
    if kind == "missing":
        return Refused(
            400, f"{field} is missing.", "Give it in the body.", code="missing_parameter", field=field
        )
    return Refused(
        400,
        f"{field}={quoted(found.get('input'))} cannot be: {said}.",
        "docs/server.md has an example of each call.",
        code="invalid_type",
        field=place[0],
    )


def _one_line(error: InfluenceError) -> str:
    """Message and hint as sentences after one another; Ollama's own words for a missing model have no full stop."""
    message = error.message
    if error.hint and message[-1:].isalnum():
        message += "."
    return " ".join(f"{message} {error.hint}".split("\n")).strip()
