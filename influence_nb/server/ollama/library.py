"""What is here: /api/tags, /api/ps, /api/show, /api/delete, /api/version, and that it runs.

It does not know how models are kept.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict

from influence_nb.engine.model import Model
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import InfluenceError
from influence_nb.server import thinking, tools, wire
from influence_nb.server.refusals import Refused, unsupported
from influence_nb.server.service import Service
from influence_nb.store.heads import read_heads
from influence_nb.store.models import LocalModel

_FOR_EVER = "9999-12-31T23:59:59Z"
_LEVELS = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_PARAMETERS = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "max_new_tokens")


class Named(BaseModel):
    """A model's name; `name` is its older word."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str | None = None
    name: str | None = None

    @property
    def wanted(self) -> str:
        """The name."""
        found = self.model or self.name
        if not found:
            raise Refused(400, "model is required", field="model")
        return found


class Show(Named):
    """A model that is asked about."""

    verbose: bool | None = None


class Copy(BaseModel):
    """A model to be copied, which is not done here."""

    model_config = ConfigDict(extra="ignore", strict=True)

    source: str | None = None
    destination: str | None = None


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter()

    @router.get("/")
    @router.head("/", include_in_schema=False)
    async def running() -> Response:
        """That it runs, in the words that clients look for."""
        return PlainTextResponse("Ollama is running")

    @router.get("/api/version")
    async def version() -> Response:
        """influence_nb's version."""
        return wire.answer({"version": service.version})

    @router.get("/api/tags")
    async def tags() -> Response:
        """The models of the library, and what else is loaded."""
        listed = await to_thread.run_sync(service.models.listed)
        return wire.answer({"models": [_tag(local) for local in listed]})

    @router.get("/api/ps")
    async def loaded() -> Response:
        """The models in memory."""
        return wire.answer({"models": [_running(model) for model in service.models.present()]})

    @router.post("/api/show")
    async def show(body: Show) -> Response:
        """What a model's files say of it."""
        local = await to_thread.run_sync(service.models.files, body.wanted)
        present = next((one for one in service.models.present() if one.name == local.name), None)
        return wire.answer(await to_thread.run_sync(_shown, local, present))

    @router.delete("/api/delete")
    async def delete(body: Named) -> Response:
        """Remove a model from the disk."""
        if not service.delete:
            raise Refused(403, "Removing models is switched off.", "Serve with delete=True.")
        await to_thread.run_sync(service.models.delete, body.wanted)
        return Response(status_code=200)

    @router.post("/api/copy")
    async def copy(body: Copy) -> Response:
        """Not done: a model has one name here."""
        raise unsupported("copy")

    return router


def details(local: LocalModel) -> dict[str, Any]:
    """A model in Ollama's words."""
    family = (local.architecture or "").removesuffix("ForCausalLM").removesuffix("Model").lower()
    level = local.quantization or _LEVELS.get(local.dtype or "", (local.dtype or "").upper())
    return {
        "parent_model": "",
        "format": local.format,
        "family": family,
        "families": [family] if family else [],
        "parameter_size": _amount(local.parameters),
        "quantization_level": level,
    }


def _tag(local: LocalModel) -> dict[str, Any]:
    return {
        "name": local.name,
        "model": local.name,
        "modified_at": _modified(local),
        "size": local.size,
        "digest": _digest(local),
        "details": details(local),
        "capabilities": _capabilities(local),
    }


def _running(model: Model) -> dict[str, Any]:
    local = model.local
    head = (
        _tag(local)
        if local is not None
        else {"name": model.name, "model": model.name, "details": {}, "digest": ""}
    )
    on_gpu = model.device not in ("cpu", "mps") and local is not None
    return {
        **head,
        "size": model.memory,
        "size_vram": model.memory if on_gpu else 0,
        "expires_at": _expires(model),
        "context_length": model.context_length,
    }


def _expires(model: Model) -> str:
    span = model.keep_alive
    if span is None or not math.isfinite(span):
        return _FOR_EVER
    try:
        return (model.last_used + timedelta(seconds=span)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return _FOR_EVER


def _shown(local: LocalModel, present: Model | None) -> dict[str, Any]:
    template = present.chat_template if isinstance(present, TokenModel) else _template(local)
    parameters = "\n".join(
        f"{name} {value}"
        for name, value in _json(local, "generation_config.json").items()
        if name in _PARAMETERS
    )
    lines = [f"FROM {local.name}"]
    lines += [f"PARAMETER {line}" for line in parameters.splitlines()]
    return {
        "license": local.license or "",
        "modelfile": "\n".join(lines),
        "parameters": parameters,
        "template": template or "",
        "details": details(local),
        "model_info": _info(local),
        "capabilities": _capabilities(local),
        "modified_at": _modified(local),
    }


def _info(local: LocalModel) -> dict[str, Any]:
    try:
        config = dict(read_heads(local.path).config)
    except InfluenceError:
        config = {}
    kind = str(config.get("model_type") or details(local)["family"])
    named = {
        "context_length": "max_position_embeddings",
        "embedding_length": "hidden_size",
        "block_count": "num_hidden_layers",
        "feed_forward_length": "intermediate_size",
        "attention.head_count": "num_attention_heads",
        "attention.head_count_kv": "num_key_value_heads",
        "vocab_size": "vocab_size",
    }
    found = {
        f"{kind}.{ours}": config[theirs] for ours, theirs in named.items() if config.get(theirs) is not None
    }
    return {"general.architecture": kind, "general.parameter_count": local.parameters, **found}


def _template(local: LocalModel) -> str | None:
    try:
        return (local.path / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, ValueError):
        said = _json(local, "tokenizer_config.json").get("chat_template")
        return said if isinstance(said, str) else None


def _json(local: LocalModel, name: str) -> dict[str, Any]:
    try:
        found = json.loads((local.path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _capabilities(local: LocalModel) -> list[str]:
    if local.kind == "embedding":
        return ["embedding"]
    template = _template(local)
    more = {"tools": tools.knows(template), "thinking": thinking.knows(template)}
    return ["completion", *(name for name, there in more.items() if there)]


def _modified(local: LocalModel) -> str:
    try:
        stamp = local.path.stat().st_mtime
    except OSError:
        stamp = 0.0
    return datetime.fromtimestamp(stamp, UTC).isoformat().replace("+00:00", "Z")


def _digest(local: LocalModel) -> str:
    """Of name, revision and size: enough to tell models apart, without reading their bytes."""
    return hashlib.sha256(f"{local.name}\n{local.revision}\n{local.size}".encode()).hexdigest()


def _amount(parameters: int | None) -> str:
    if not parameters:
        return ""
    size, letter = (parameters / 1e9, "B") if parameters >= 1e9 else (parameters / 1e6, "M")
    return f"{size:.1f}{letter}" if size < 100 else f"{size:.0f}{letter}"
