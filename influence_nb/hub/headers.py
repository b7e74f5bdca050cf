"""What a model on a hub says of itself, before a byte of its weights is fetched: config.json and headers.

Headers stand at the beginning of weight files, so a few ranges are asked for. Files that are here already are read
from disk by whoever knows the disk; it does not know what the headers amount to.
"""

from __future__ import annotations

import io
import json
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from influence_nb.errors import BrokenModel, HubUnreachable
from influence_nb.hub.call import Call
from influence_nb.hub.faults import Asked, translating
from influence_nb.hub.plan import DownloadPlan
from influence_nb.hub.transport import LATER, PORTAL, calling, entered, is_page
from influence_nb.memory.gguf import MAGIC, CutOff, GGUFHeader, parse
from influence_nb.memory.headers import Headers
from influence_nb.memory.weights import Tensor

T = TypeVar("T")

FIRST = 128 * 1024
"""Bytes of the first range: the whole header of most safetensors files."""
GROWTH = 8
"""How much further each later range goes; a GGUF's vocabulary takes some megabytes."""
LONGEST = 512 * 1024 * 1024
"""No header is longer."""
TOGETHER = 4
"""Files whose headers are asked for at the same time."""


def read_headers(
    plan: DownloadPlan,
    *,
    token: str | None = None,
    cancel: threading.Event | None = None,
) -> Headers:
    """The config and the headers of the weights of a plan.

    Args:
        plan: of the download; its weights decide which headers are asked for.
        token: as in `influence_nb.plan`.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound, GatedModel, HubUnreachable, DownloadInterrupted: as their names say.
        BrokenModel: a file is not what its name says.
    """
    revision = plan.at or plan.commit
    names = [file.name for file in plan.files]
    weights = [name for name in names if name.endswith(".safetensors") and not name.startswith("adapter_")]
    ggufs = sorted(name for name in names if name.endswith(".gguf"))
    with calling(plan.endpoint, token, cancel) as call:
        asked = Asked(plan.repo_id, plan.endpoint, revision, call.has_token)

        def beginning(name: str) -> _Beginning:
            return _Beginning(call, asked, name, revision)

        with translating(asked):
            config = _config(beginning("config.json")) if "config.json" in names else {}
            tensors = _together(call, lambda name: _safetensors(beginning(name)), weights)
            headers = [] if weights else _together(call, lambda name: _gguf(beginning(name)), ggufs)
    pickled = (
        0 if weights or ggufs else sum(file.size or 0 for file in plan.files if file.name.endswith(".bin"))
    )
    return Headers(config, tuple(tensor for part in tensors for tensor in part), tuple(headers), pickled)


def _together(call: Call, work: Callable[[str], T], names: Iterable[str]) -> list[T]:
    """Do it for several files at a time; results in their order."""

    def inside(name: str) -> T:
        with entered(call):
            return work(name)

    with ThreadPoolExecutor(TOGETHER) as pool:
        try:
            return list(pool.map(inside, names))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Beginning:
    """The first bytes of a file on a hub, as far as they have been asked for."""

    def __init__(self, call: Call, asked: Asked, name: str, revision: str) -> None:
        from huggingface_hub import hf_hub_url

        self.name, self.asked, self._call = name, asked, call
        self._url = hf_hub_url(asked.repo_id, name, revision=revision, endpoint=call.endpoint)
        self.data = b""
        self.whole = False

    def reach(self, size: int) -> None:
        """Have at least that many bytes, or all there are."""
        tries = 0
        while len(self.data) < size and not self.whole:
            before = len(self.data)
            problem = self._ask(size)
            self._call.check()
            if len(self.data) <= before and not self.whole:
                problem = problem or "no bytes came"
                tries += 1
                if tries >= self._call.patience.tries:
                    raise HubUnreachable(
                        f"The header of {self.name} of {self.asked.repo_id} did not come: {problem}.", LATER
                    )
                self._call.pause(self._call.patience.wait(tries), problem)

    def _ask(self, size: int) -> str | None:
        """Ask once for what is missing; what was wrong, None where nothing was."""
        import httpx2
        from huggingface_hub import get_session, hf_raise_for_status

        have = len(self.data)
        headers = {**self._call.headers, "Accept-Encoding": "identity", "Range": f"bytes={have}-{size - 1}"}
        try:
            with get_session().stream("GET", self._url, headers=headers) as response:
                if response.status_code == 416:
                    self.whole = True
                    return None
                if response.status_code >= 400 and not self._call.own(response.url):
                    return f"the link to the bytes was refused ({response.status_code})"
                hf_raise_for_status(response)
                if is_page(response):
                    raise HubUnreachable(f"A web page came instead of {self.name}.", PORTAL)
                self._take(response, size)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return str(error) or type(error).__name__
        return None

    def _take(self, response: Any, size: int) -> None:
        """Add what comes, up to the size: a server that ignores ranges would send the whole file."""
        span = response.headers.get("Content-Range", "")
        if response.status_code != 206 or not span.startswith(f"bytes {len(self.data)}-"):
            self.data = b""  # it comes from the beginning
            if response.status_code == 206:
                raise HubUnreachable(f"Other bytes of {self.name} came than those asked for.", LATER)
        for piece in response.iter_bytes():
            self._call.check()
            self.data += piece
            if len(self.data) >= size:
                self.data = self.data[:size]
                return
        end = span.rpartition("/")[2]
        self.whole = response.status_code == 200 or (end.isdecimal() and len(self.data) >= int(end))


def _config(beginning: _Beginning) -> dict[str, Any]:
    beginning.reach(1 << 24)
    try:
        config = json.loads(beginning.data)
    except ValueError as error:
        raise _broken(beginning, f"cannot be read as JSON ({error})") from error
    if not isinstance(config, dict):
        raise _broken(beginning, f"holds a {type(config).__name__}, expected an object")
    return config


def _safetensors(beginning: _Beginning) -> tuple[Tensor, ...]:
    """The tensors of a safetensors file (https://github.com/huggingface/safetensors#format)."""
    beginning.reach(FIRST)
    if len(beginning.data) < 8:
        raise _broken(beginning, f"has {len(beginning.data)} bytes, expected at least 8")
    (length,) = struct.unpack("<Q", beginning.data[:8])
    if length > LONGEST:
        raise _broken(beginning, f"says that its header has {length} bytes")
    beginning.reach(8 + length)
    try:
        entries = json.loads(beginning.data[8 : 8 + length])
        entries.pop("__metadata__", None)
        return tuple(
            Tensor(name, str(entry["dtype"]), tuple(int(axis) for axis in entry["shape"]))
            for name, entry in entries.items()
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _broken(beginning, f"has a header that is not readable ({error})") from error


def _gguf(beginning: _Beginning) -> GGUFHeader:
    size = FIRST
    while True:
        beginning.reach(size)
        if not beginning.data.startswith(MAGIC):
            raise _broken(beginning, f"begins with {beginning.data[:4]!r}, expected {MAGIC!r}")
        stream = io.BytesIO(beginning.data)
        stream.seek(len(MAGIC))
        try:
            return parse(stream)
        except CutOff as error:
            if beginning.whole or size >= LONGEST:
                raise _broken(beginning, "ends before its header does") from error
            size *= GROWTH
        except ValueError as error:
            raise _broken(beginning, f"has a header that is not readable ({error})") from error


def _broken(beginning: _Beginning, what: str) -> BrokenModel:
    return BrokenModel(
        f"{beginning.name} of {beginning.asked.repo_id} {what}.",
        f"Tell its owner, at {beginning.asked.page}, or take another model.",
    )
