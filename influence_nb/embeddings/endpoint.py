"""Encoders on a server: texts are sent to its `/v1/embeddings`, as OpenAI's protocol has it, and vectors come back.

It does not know what runs there: vLLM, Ollama, llama.cpp's server, text-embeddings-inference, `influence serve`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from influence_nb.embeddings.text_encoder import Part, TextEncoder, Vectors
from influence_nb.engine.runtimes.endpoint.address import Address, parse
from influence_nb.engine.runtimes.endpoint.discovery import find
from influence_nb.engine.runtimes.endpoint.refusals import error_of
from influence_nb.engine.runtimes.endpoint.wire import Answered, Exchange
from influence_nb.errors import CapabilityMissing, EndpointError

AT_ONCE = 64
"""Texts in one request when no batch size is given."""
_PATH = "/embeddings"
_NONE = re.compile(r"not support (the )?embed", re.I)
"""How servers say that a model makes none."""


def connect_encoder(endpoint: str, model: object = None, key: str | None = None) -> EndpointEncoder:
    """Find an encoder on a server.

    Args:
        endpoint: the server's address, such as "http://127.0.0.1:11434/v1".
        model: its name there; None is the only one.
        key: what the server wants for a key; None is INFLUENCE_ENDPOINT_KEY.

    Raises:
        InvalidData: the address, the name or the key is none.
        ModelNotFound: the server has no such model; or none was named, and it has several.
        EndpointError: the server cannot be reached, refuses, or gives no vectors.
    """
    address = parse(endpoint, key)
    return EndpointEncoder(address, find(address, model).name)


class EndpointEncoder(TextEncoder):
    """An encoder on a server, connected by `inb.load_encoder(name, endpoint=...)`.

    Attributes:
        name: as the server calls it.
        dimension: the length d of a vector, found by asking for one.
        max_tokens: None: the server knows, and cuts longer texts or refuses them.
        prompts: none; a prompt of one's own is put before each text.
        url: the server's address.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self.name = name
        self.url = address.url
        self.max_tokens = None
        self.prompts = {}
        self.default_prompt = None
        self.dimension = 0
        self.dimension = self._asked(["a"], bool).shape[1]

    def parts(
        self, texts: list[str], prompt: str, batch_size: int | None, stopped: Callable[[], bool]
    ) -> Iterator[Part]:
        """The vectors of texts, those of a request at a time."""
        step = batch_size or AT_ONCE
        for begin in range(0, len(texts), step):
            if stopped():
                return
            some = texts[begin : begin + step]
            vectors = self._asked([prompt + text for text in some], stopped)
            if stopped() and not len(vectors):
                return
            yield Part(list(range(begin, begin + len(some))), vectors, [False] * len(some))

    def facts(self) -> dict[str, Any]:
        """The server's address and the model's name: what runs there under that name is the server's affair."""
        return {"model": self.name, "endpoint": self.url}

    def unload(self) -> None:
        """Nothing: the model stays with its server."""

    def __repr__(self) -> str:
        return f"EndpointEncoder({self.name}: {self.dimension} dimensions, on {self._address.host})"

    def _asked(self, texts: list[str], stopped: Callable[[], bool]) -> Vectors:
        """The vectors of some texts, (n, d); none once `stopped()`."""
        body = {"model": self.name, "input": texts, "encoding_format": "float"}
        try:
            answer = "".join(Exchange(self._address, self.url + _PATH, body).items(stopped))
        except Answered as answered:
            if answered.status in (400, 404, 422, 501) and _NONE.search(answered.text):
                raise CapabilityMissing(
                    f"{self.name} on {self._address.host} makes no embeddings.",
                    "Name a model there that does.",
                ) from None
            raise error_of(answered, self._address, self.name, _PATH) from None
        if not answer and stopped():
            return np.zeros((0, self.dimension), np.float32)
        try:
            rows = json.loads(answer)["data"]
            found: dict[int, Any] = {
                int(row.get("index", place)): row["embedding"] for place, row in enumerate(rows)
            }
            vectors = np.array([found[place] for place in range(len(texts))], np.float32)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise self._odd("answers with something else than a vector for each text") from error
        if vectors.ndim != 2 or not vectors.shape[1] or len(rows) != len(texts):
            raise self._odd("answers with something else than a vector for each text")
        if self.dimension and vectors.shape[1] != self.dimension:
            raise self._odd(f"gave vectors of {self.dimension} numbers before, and now of {vectors.shape[1]}")
        if not np.isfinite(vectors).all():
            raise self._odd("gives vectors that hold NaN or infinite numbers")
        return vectors

    def _odd(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self._address.host} {what}.",
            f"See the server's log; check that {self.name} makes embeddings, and that the address ends in /v1.",
        )
