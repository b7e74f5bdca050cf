"""What a server is and which models it has, by asking it.

It knows how kinds of servers give themselves away; it does not know how they generate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from influence_nb.engine.runtimes.endpoint.address import Address
from influence_nb.engine.runtimes.endpoint.kinds import LLAMA_CPP, OLLAMA, OTHER, TRANSFORMERS, VLLM, Kind
from influence_nb.engine.runtimes.endpoint.refusals import error_of
from influence_nb.engine.runtimes.endpoint.wire import Answered, Exchange
from influence_nb.errors import EndpointError, InvalidData, ModelNotFound

PROBE_SECONDS = 5.0
"""For each question that tells kinds of servers apart; one that is slower counts as no."""
_SHOWN = 20
_NO_LIST = (404, 405, 500, 501)
"""What servers without a list of models answer; 500 is that of transformers serve on a machine without a Hub cache."""


@dataclass(frozen=True)
class Served:
    """A model on a server.

    Attributes:
        name: as the server calls it.
        kind: of the server.
        version: of the server's program; None where it does not tell.
        context_length: tokens; None where it does not tell.
        parameters: how many the model has; None where it does not tell.
    """

    name: str
    kind: Kind
    version: str | None = None
    context_length: int | None = None
    parameters: int | None = None


def find(address: Address, name: object) -> Served:
    """The model of that name on a server; None is the only one that it has.

    Raises:
        InvalidData: the name is none.
        ModelNotFound: the server does not list it; or none was named, and it lists several or none.
        EndpointError: the server cannot be reached, refuses, or answers with something else.
    """
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise InvalidData(
            "On a server, a model is known by its name.",
            "Give it as the server lists it, or None for the only one.",
        )
    listed = _listed(address, name is None)
    kind, version, props = _kind(address, listed)
    found = _entry(listed, name)
    if name is None and len(listed) != 1:
        raise ModelNotFound(
            f"{address.host} has {len(listed) or 'no'} models: one has to be named.", _hint(listed)
        )
    if name is not None and listed and found is None and not kind.any_name:
        raise ModelNotFound(f"{address.host} has no model {name!r}.", _hint(listed))
    entry = found or {}
    meta = entry.get("meta") if isinstance(entry.get("meta"), dict) else {}
    settings = props.get("default_generation_settings")
    context = entry.get("max_model_len") or (settings.get("n_ctx") if isinstance(settings, dict) else None)
    return Served(
        str(entry.get("id", name)), kind, version, _count(context), _count((meta or {}).get("n_params"))
    )


def _listed(address: Address, needed: bool) -> list[dict[str, Any]]:
    """The models that the server lists, as it describes them; [] where it lists none."""
    try:
        said = _ask(address, f"{address.url}/models")
    except Answered as answered:
        if answered.status in _NO_LIST and not needed:
            return []
        raise error_of(answered, address, None, "/models") from None
    data = said.get("data") if isinstance(said, dict) else None
    if data is None and isinstance(said, dict) and "data" in said:
        return []  # Ollama's answer where it has none
    if not isinstance(data, list):
        raise EndpointError(
            f"{address.host} answers with something else than a list of models.",
            "Check the address: it usually ends in /v1.",
        )
    return [one for one in data if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _kind(
    address: Address, listed: Sequence[Mapping[str, Any]]
) -> tuple[Kind, str | None, Mapping[str, Any]]:
    """The kind of server, its version, and what llama.cpp's tells of itself."""
    owners = {one.get("owned_by") for one in listed}
    if "vllm" in owners:
        return VLLM, _text(_probe(address, "/version").get("version")), {}
    props = _probe(address, "/props")
    if "llamacpp" in owners or "default_generation_settings" in props:
        return LLAMA_CPP, _text(props.get("build_info")), props
    if version := _text(_probe(address, "/api/version").get("version")):
        return OLLAMA, version, {}
    described = _probe(address, "/openapi.json")
    paths = described.get("paths")
    if isinstance(paths, dict) and {"/load_model", "/v1/chat/completions"} <= set(paths):
        return TRANSFORMERS, None, {}
    return OTHER, None, {}


def _probe(address: Address, path: str) -> Mapping[str, Any]:
    try:
        said = _ask(address, address.root + path, tries=1, silence=PROBE_SECONDS)
    except (Answered, EndpointError):
        return {}
    return said if isinstance(said, dict) else {}


def _ask(address: Address, url: str, tries: int | None = None, silence: float | None = None) -> Any:
    text = "".join(Exchange(address, url, tries=tries, silence=silence).items())
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise EndpointError(
            f"{address.host} answers with something else than JSON.",
            "Check the address: it usually ends in /v1.",
        ) from None


def _entry(listed: Sequence[dict[str, Any]], name: str | None) -> dict[str, Any] | None:
    """The entry of that name; Ollama's ":latest" may be left out. Without a name the only one."""
    if name is None:
        return listed[0] if len(listed) == 1 else None
    by_name = {one["id"]: one for one in listed}
    return by_name.get(name) or by_name.get(f"{name}:latest")


def _hint(listed: Sequence[Mapping[str, Any]]) -> str:
    names = [repr(one["id"]) for one in listed]
    if not names:
        return "Have the server load one, or name the one that it should load."
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"It has {', '.join(names[:_SHOWN])}{more}."


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
