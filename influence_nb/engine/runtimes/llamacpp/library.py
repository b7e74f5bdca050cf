"""A GGUF file opened by llama.cpp, and requests to it: the one place that knows the package xllamacpp.

It does not know sampling, text or events.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from influence_nb.errors import BrokenModel, MissingExtra

if TYPE_CHECKING:
    import httpx2

PACKAGE = "xllamacpp"
_LOOK = 0.05
"""Seconds between two looks at whether to stop, while nothing comes."""
_AT_ONCE = 256
"""Tokens of a prompt between two places where it can be stopped."""
_KEPT = 512
"""MiB in which llama.cpp may keep the caches of conversations that are not the last one."""


def installed() -> str | None:
    """The version of xllamacpp; None where it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def expect_installed() -> None:
    """Go on only where xllamacpp is installed.

    Raises:
        MissingExtra: it is not.
    """
    if installed() is None:
        raise MissingExtra(
            "The llama.cpp runtime needs the package xllamacpp, which is not installed.",
            "Install it: pip install 'influence_nb[llamacpp]'. Then restart the kernel.",
        )


def has_gpu() -> bool:
    """Whether the installed build of llama.cpp can use a GPU of this machine."""
    import xllamacpp

    return any("CPU" not in device["name"] for device in xllamacpp.get_device_info())


@dataclass
class Failure(Exception):
    """What llama.cpp answered in place of an answer: its kind, such as "exceed_context_size_error", and its words."""

    kind: str
    message: str


class Library:
    """One open file. Requests from several threads wait for each other inside llama.cpp.

    llama.cpp tokenizes only over HTTP, so it listens at a port of 127.0.0.1 that the system chooses, with a key that
    nobody but this object knows.

    Args:
        file: the GGUF file, or the first of its parts.
        context: tokens to make room for.
        threads: of the CPU.
        gpu: the GPU to use; None for the CPU alone.

    Raises:
        BrokenModel: llama.cpp cannot load the file.
    """

    def __init__(self, file: Path, context: int, threads: int, gpu: int | None = None) -> None:
        import httpx2
        import xllamacpp

        key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.n_ctx, params.n_parallel = context, 1
        params.n_batch = params.n_ubatch = min(_AT_ONCE, context)
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_gpu_layers = 0 if gpu is None else 999
        params.main_gpu = gpu or 0
        params.fit_params = False  # else it may take a smaller context than was asked for
        params.ctx_shift = False
        params.cache_ram_mib = _KEPT
        params.warmup = False  # loading runs the model once
        params.verbosity = 0
        params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
        params.endpoint_slots = params.ui = False
        try:
            self._server: Any = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise BrokenModel(
                f"llama.cpp cannot load {file.name}: the file is damaged or not whole, of an architecture that it "
                "does not know, or too large for the memory.",
                "Verify the model or fetch it again; a newer xllamacpp may know it; unload other models.",
            ) from error
        self._client: httpx2.Client = httpx2.Client(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=None,
            trust_env=False,
        )
        self._running: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def ask(self, path: str, **fields: Any) -> Any:
        """What tokenizing and its reverse come to: "/tokenize", "/detokenize"."""
        return self._client.post(path, json=fields).raise_for_status().json()

    def chunks(
        self, body: Mapping[str, Any], stopped: Callable[[], bool]
    ) -> Generator[dict[str, Any], None, None]:
        """Run a request and give its chunks as they come; ends early when `stopped`, or when closed.

        Raises:
            Failure: llama.cpp refuses, or fails.
        """
        out: SimpleQueue[dict[str, Any] | BaseException | None] = SimpleQueue()
        over = threading.Event()
        server = self._server

        def hear(chunk: dict[str, Any]) -> bool:
            out.put(chunk)
            return over.is_set()

        def work() -> None:
            try:
                server.handle_completions({**body, "stream": True}, hear)
                out.put(None)
            except BaseException as error:
                out.put(error)
            finally:
                with self._lock:
                    self._running.discard(threading.current_thread())

        thread = threading.Thread(target=work, name="influence llama.cpp", daemon=True)
        with self._lock:
            self._running.add(thread)
        thread.start()
        try:
            while not stopped():
                try:
                    chunk = out.get(timeout=_LOOK)
                except Empty:
                    continue
                if chunk is None:
                    return
                if isinstance(chunk, BaseException):
                    raise Failure("", str(chunk)) from chunk
                if (error := chunk.get("error")) is not None:
                    raise Failure(str(error.get("type", "")), str(error.get("message", error)))
                yield chunk
        finally:
            over.set()  # llama.cpp sees it with its next chunk, of a prompt too

    def close(self) -> None:
        """Wait for what is running, which must have been told to stop, and free all memory."""
        with self._lock:
            running = list(self._running)
        for thread in running:
            thread.join()
        self._client.close()
        self._server = None
