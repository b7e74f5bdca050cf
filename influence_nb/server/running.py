"""`serve`: a server that is listened to, in the background or until it is told to end.

It knows sockets, threads and signals; it does not know endpoints. Long imports wait until it listens.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import uvicorn

from influence_nb.arguments import expect_text, whole
from influence_nb.engine import keeping
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InfluenceError, InvalidData, PortInUse
from influence_nb.server.front import Front
from influence_nb.server.guards import Guard, is_here
from influence_nb.server.metrics import Metrics

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.server.service import Service
    from influence_nb.store.models import LocalModel

log = logging.getLogger("influence_nb.server")

GRACE = 10.0
"""Seconds that answers under way are given when a server stops."""

_BACKLOG = 2048


def serve(
    model: Model | str | Path | LocalModel | None = None,
    port: int = 11434,
    background: bool = True,
    host: str = "127.0.0.1",
    api_key: str | None = None,
    *,
    sampling: Sampling | Mapping[str, Any] | None = None,
    keep_alive: float | str | None = "5m",
    library: bool = True,
    pull: bool = True,
    delete: bool = True,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    runtime: str = "auto",
    queue: int = 512,
    body_limit: int = 16 * 2**20,
    time_limit: float = 3600,
) -> Server:
    """Answer other programs over HTTP: Ollama's API, OpenAI's and our own.

    A model that is loaded already is shared; no second copy is made. The server answers /health within moments, and
    other requests once the model is there, which it loads meanwhile.

    Args:
        model: a loaded model, or what `load` takes; None is the model that was loaded last, else "starter/chat".
        port: 0 lets the system choose one; `Server.url` says which.
        background: whether to come back at once. Otherwise it comes back when the server was ended, by Ctrl-C or
            SIGTERM; those need the main thread.
        host: the address to listen at. Others than this machine's own need an `api_key`.
        api_key: what every request then has to carry, as "Authorization: Bearer <key>"; /health needs none.
        sampling: what is taken for what a request leaves out. {parameter of `Sampling`: value} holds in every API that
            has a field for it; a whole `Sampling` in our own API alone, which takes `Sampling()` by default: OpenAI's
            and Ollama's have defaults of their own.
        keep_alive: how long a model stays that was loaded for a request, as `load` takes it. The one given here stays.
        library: whether the other models of the library are offered too, and loaded when asked for.
        pull: whether Ollama's API may fetch models.
        delete: whether it may remove them.
        device: where models are loaded that are not in memory yet, as `load` takes it.
        dtype, quantization, runtime: how `model` is loaded if it is not in memory yet, as `load` takes them.
        queue: prompts that may wait, >= 1; past that a client gets a 429.
        body_limit: bytes that a request may have, >= 1.
        time_limit: seconds that an answer may take, > 0.

    Raises:
        ModelNotFound, BrokenModel: there is no such `model` on this machine, or its folder is not one's.
        PortInUse: another program listens there; the message says which.
        InvalidData: an argument cannot be, or the address is open to others and there is no key.
        InvalidSampling: `sampling` is none.
        DeviceUnavailable: no such address on this machine.
    """
    port = whole("port", port, 0, 65535)
    expect_text(
        host=host, api_key=api_key, device=device, dtype=dtype, quantization=quantization, runtime=runtime
    )
    whole("queue", queue, 1)
    whole("body_limit", body_limit, 1)
    if isinstance(time_limit, bool) or not isinstance(time_limit, int | float) or not time_limit > 0:
        raise InvalidData(f"time_limit={time_limit!r} cannot be.", "Give seconds, above 0.")
    keeping.seconds(keep_alive)
    if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
        raise InvalidData("The api_key is empty, or has characters no header can carry.", "Give ASCII text.")
    if not is_here(host) and api_key is None:
        raise InvalidData(
            f"host={host!r} can be reached by others, and there is no api_key.",
            "Give an api_key, or leave host at 127.0.0.1.",
        )
    given = dict(sampling) if isinstance(sampling, Mapping) else {}
    own = checked(None if isinstance(sampling, Mapping) else sampling, given)
    front, metrics = Front(), Metrics()
    app = Guard(front, loopback=is_here(host), key=api_key, limit=body_limit, metrics=metrics)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, ws="none", lifespan="off",
        http="h11", timeout_graceful_shutdown=1, backlog=_BACKLOG,
    )  # fmt: skip
    server = Server(config, _listen(host, port), host)
    try:
        server._begin()  # from here on /health is answered, while the rest is imported
        from influence_nb.server.app import application
        from influence_nb.server.models import Models
        from influence_nb.server.scheduler import Scheduler
        from influence_nb.server.service import Service

        how = {"dtype": dtype, "quantization": quantization, "runtime": runtime}
        models = Models(model, keep_alive, library, device, how)
        scheduler = Scheduler(queue, time_limit)
        metrics.gauge("waiting", "Prompts that wait.", lambda: scheduler.waiting)
        metrics.gauge("running", "Prompts that are being answered.", lambda: scheduler.running)
        metrics.gauge("loaded_models", "Models in memory.", lambda: len(models.present()))
        service = Service(models, scheduler, metrics, own, bool(pull), bool(delete), given)
        front.open(application(service))
        server._load(service)
    except BaseException:
        server.stop(0)
        raise
    if not background:
        server.wait()
    return server


class Server:
    """A running server. `influence_nb.serve` makes it; a `with` block stops it at its end.

    Attributes:
        host, port: where it listens.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket, host: str) -> None:
        self.host = host
        self.port = int(listening.getsockname()[1])
        self._service: Service | None = None
        self._listening = listening
        self._uvicorn = _Uvicorn(config)
        self._thread = threading.Thread(target=self._run, name=f"influence server {self.port}", daemon=True)
        self._stopping = threading.Lock()
        self._stopped = False

    @property
    def url(self) -> str:
        """Its address as this machine reaches it, such as "http://127.0.0.1:11434"."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """False once it was stopped."""
        return self._thread.is_alive() and not self._stopped

    @property
    def is_ready(self) -> bool:
        """Whether its model is in memory; until then requests wait for it."""
        return self.is_running and self._service is not None and self._service.models.is_ready

    def stop(self, grace: float = GRACE) -> None:
        """Take nothing new, let what runs finish, and end. Calling it again does nothing.

        The model stays loaded for whoever else uses it.

        Args:
            grace: seconds that answers under way are given; what is not done by then is told that the server stops.
        """
        with self._stopping:
            if self._stopped:
                return
            service = self._service
            if service is not None:
                service.scheduler.refuse()
            self._uvicorn.refuse(self._listening)
            if service is not None:
                service.scheduler.drain(grace)
                service.scheduler.end()
            self._uvicorn.should_exit = True
            self._thread.join(timeout=30)
            self._listening.close()
            if service is not None:
                service.models.close()
            self._stopped = True

    def wait(self) -> None:
        """Wait until it has been stopped; Ctrl-C and SIGTERM stop it, where this is the main thread."""
        with _until_signalled() as signalled:
            while self.is_running and not signalled.wait(0.5):
                pass
        self.stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        model = (self._service and self._service.models.default) or "its model being loaded"
        return f"Server({self.url}, {model if self.is_running else 'stopped'})"

    def _begin(self) -> None:
        self._thread.start()
        while not self._uvicorn.up.wait(0.1):
            if not self._thread.is_alive():
                raise InfluenceError("The server did not start.", "Look at what was logged.")

    def _run(self) -> None:
        self._uvicorn.run(sockets=[self._listening])

    def _load(self, service: Service) -> None:
        self._service = service

        def load() -> None:
            try:
                service.models.begin()
            except InfluenceError as error:  # /health says so, and the next request tries again
                log.error("the model cannot be loaded: %s", error.message)

        threading.Thread(target=load, name="influence server loading", daemon=True).start()


class _Uvicorn(uvicorn.Server):
    """uvicorn, which says when it is up, and can stop listening before it ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.up.set()

    def refuse(self, listening: socket.socket) -> None:
        """Take no more connections; those that are there go on."""
        loop = self._loop
        if loop is not None and loop.is_running():
            for server in self.servers:
                loop.call_soon_threadsafe(server.close)


class _until_signalled:
    """An event that Ctrl-C and SIGTERM set while the block runs, where this is the main thread."""

    def __enter__(self) -> threading.Event:
        import signal

        self._event = threading.Event()
        self._before = []
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before.append((number, signal.signal(number, lambda *_: self._event.set())))
        return self._event

    def __exit__(self, *error: object) -> None:
        import signal

        for number, handler in self._before:
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InvalidData(f"host={host!r} is no address.", "Leave host at 127.0.0.1.") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if isinstance(error, PermissionError):
            raise InvalidData(f"Port {port} may not be listened at.", "Choose one from 1024 on.") from error
        if holder := _holder(port):
            raise PortInUse(
                f"Port {port} is in use by {holder}.",
                "End that program, or choose another port; port=0 takes any free one.",
            ) from error
        raise PortInUse(
            f"{host}:{port} cannot be listened at: {error.strerror}.", "Choose another port or host."
        ) from error
    return listening


def _holder(port: int) -> str | None:
    """Who listens at a port: a program and its process id; None where nobody does."""
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return "another program"
    found = [
        one
        for one in connections
        if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
    ]
    if not found:
        return None
    pid = found[0].pid
    if pid is None:
        return "a program of another user"
    if pid == psutil.Process().pid:
        return "this process: a Server that was not stopped (server.stop())"
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
