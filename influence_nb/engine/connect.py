"""Connecting to a model on a server: what loading is for those that run elsewhere.

It does not know how a server is asked (`runtimes/endpoint/`).
"""

from __future__ import annotations

import threading
import time

from influence_nb.engine import keeping, registry
from influence_nb.engine.load import Stage
from influence_nb.engine.runtimes.endpoint.address import parse
from influence_nb.engine.runtimes.endpoint.discovery import find
from influence_nb.engine.runtimes.endpoint.model import EndpointModel

_connecting = threading.Lock()


def connect(
    endpoint: str, name: object = None, key: str | None = None, on_progress: Stage | None = None
) -> EndpointModel:
    """Find a model on a server and put it on the list of loaded models, or hand out the one that is there.

    Args:
        endpoint: the server's address, such as "http://127.0.0.1:8000/v1".
        name: the model's name there; None is the only one.
        key: what the server wants for a key; None is INFLUENCE_ENDPOINT_KEY.
        on_progress: told the stages "files" and "ready".

    Raises:
        InvalidData: the address, the name or the key is none.
        ModelNotFound: the server has no such model; or none was named, and it has several.
        EndpointError: the server cannot be reached, refuses, or is none of the kind.
    """
    tell = on_progress or (lambda stage, done: None)
    address = parse(endpoint, key)
    started = time.perf_counter()
    tell("files", None)
    served = find(address, name)
    with _connecting:
        for present in registry.loaded():
            if isinstance(present, EndpointModel) and present.is_at(address, served.name):
                tell("ready", 1.0)
                return present
        model = EndpointModel(address, served, time.perf_counter() - started)
        keeping.admit(model)
    tell("ready", 1.0)
    return model
