"""The one way to the Hub: huggingface_hub's own HTTP client, made patient while a call of ours is under way.

Inside `calling` nothing hangs and everything can be cancelled: time-outs are filled in, questions that can be
asked again are asked again, tokens go to the hub's own host alone, and what finally fails is one of our errors, so
that no retry loop above repeats ours. Outside of it huggingface_hub works as ever. It does not know what is asked.
"""

from __future__ import annotations

import contextvars
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from influence_nb.arguments import expect_event, expect_text, quoted
from influence_nb.errors import HubUnreachable, InvalidData
from influence_nb.hub.call import SLICE, Call, shut, socket_of, under_way
from influence_nb.hub.patience import Patience, asked_to_wait
from influence_nb.settings import settings

if TYPE_CHECKING:
    import httpx2

PORTAL = (
    "Something between here and the hub answers in its place, as the sign-in page of a guest network does. "
    "Open a web page to sign in, then ask again."
)
LATER = "Check the network, or ask again later; INFLUENCE_MIRROR names another hub."

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_PORTAL_TRIES = 3
_ASIDE = "/api/agent-harnesses"
"""huggingface_hub asks its default hub for this, once a day and for itself: nobody shall wait for the answer."""

_installing = threading.Lock()


@contextmanager
def calling(
    mirror: str | None = None,
    token: str | None = None,
    cancel: threading.Event | None = None,
    patience: Patience | None = None,
    on_wait: Callable[[float, str], None] | None = None,
) -> Iterator[Call]:
    """Talk to a hub: inside, requests made by huggingface_hub in this thread follow the call's bounds.

    Args:
        mirror: the hub's address; None is INFLUENCE_MIRROR, else huggingface_hub's own endpoint.
        token: None is huggingface_hub's own (HF_TOKEN, or its login).
        cancel: set it from another thread to give up, which takes effect within a quarter of a second.
        patience: bounds of tries and times; None is `PATIENCE`.
        on_wait: told of each wait between two attempts: its seconds, and why.

    Raises:
        HubUnreachable: INFLUENCE_OFFLINE is set; inside: the hub does not answer.
        DownloadInterrupted: inside: cancelled.
        InvalidData: something that no token or no address can be.
    """
    expect_event(cancel)
    check_online()
    call = Call(endpoint(mirror), find_token(token), cancel, patience, on_wait)
    call.check()
    install()
    with entered(call):
        yield call


def check_online() -> None:
    """Go on only if a hub may be asked.

    Raises:
        HubUnreachable: INFLUENCE_OFFLINE is set.
    """
    if settings().offline:
        raise HubUnreachable(
            "INFLUENCE_OFFLINE forbids asking a hub.",
            "Unset INFLUENCE_OFFLINE in the environment or in .env.",
        )


@contextmanager
def entered(call: Call) -> Iterator[None]:
    """Make this thread's requests follow the call: for threads that work on one begun elsewhere."""
    before = under_way.set(call)
    try:
        yield
    finally:
        under_way.reset(before)


def endpoint(mirror: str | None = None) -> str:
    """The hub's address: the argument, else INFLUENCE_MIRROR, else huggingface_hub's (HF_ENDPOINT).

    Raises:
        InvalidData: not an address.
    """
    from huggingface_hub import constants

    expect_text(mirror=mirror)
    address = (mirror or settings().mirror or constants.ENDPOINT).strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidData(
            f"{quoted(address)} is not the address of a hub.",
            'Give one such as "https://huggingface.co", as argument or as INFLUENCE_MIRROR.',
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidData(
            f"The address of the hub at {parts.hostname} holds more than a host and a path.",
            "Leave out names, passwords, ? and #; give a token as `token`.",
        )
    return address


def find_token(token: str | None = None) -> str | None:
    """The token to use: the argument, else huggingface_hub's own; None where there is none.

    Raises:
        InvalidData: it holds what no token holds (and an HTTP header could not carry).
    """
    from huggingface_hub import get_token

    expect_text(token=token)
    found = (token or get_token() or "").strip()
    if not all("!" <= character <= "~" for character in found):
        raise InvalidData(
            "The token holds a space or a character that no token has.",
            "Copy it again from the hub's settings page; it looks like hf_ and letters.",
        )
    return found or None


def install() -> None:
    """Make huggingface_hub's client one that heeds `calling`; whoever set a factory of their own keeps theirs."""
    from huggingface_hub import get_session, set_client_factory
    from huggingface_hub.utils import _http

    with _installing:
        if "influence_nb" not in get_session().__dict__:
            ordinary = _http._GLOBAL_CLIENT_FACTORY  # there is no public way to ask for it
            set_client_factory(lambda: _heeding(ordinary()))


def _heeding(client: httpx2.Client) -> httpx2.Client:
    """The same client, whose every request goes by the call under way, if there is one."""
    ordinary = client.send

    @functools.wraps(ordinary)
    def send(request: httpx2.Request, *, stream: bool = False, **more: Any) -> httpx2.Response:
        call = under_way.get()
        work = functools.partial(ordinary, request, stream=stream, **more)
        return work() if call is None else _patiently(call, request, work, stream)

    hooks = client.event_hooks
    client.event_hooks = {**hooks, "request": [*hooks.get("request", []), _keep_token_at_home]}
    client.__dict__.update(send=send, influence_nb=True)
    return client


def _keep_token_at_home(request: httpx2.Request) -> None:
    """Runs for each hop of a redirect: no host but the hub's own sees the token."""
    call = under_way.get()
    if call is not None and not call.own(request.url):
        request.headers.pop("Authorization", None)


@dataclass(frozen=True)
class _Trouble:
    """Why an attempt failed, in words that follow a host's name; how long the server wants to be left alone."""

    what: str
    hint: str = LATER
    asked: float | None = None
    tries: int | None = None
    cause: Exception | None = None


def _patiently(
    call: Call, request: httpx2.Request, work: Callable[[], httpx2.Response], stream: bool
) -> httpx2.Response:
    """Send until there is an answer worth having, within the call's bounds."""
    import httpx2

    patience = call.patience
    given = request.extensions.get("timeout") or {}
    filled = {
        "connect": patience.connect_seconds,
        "read": patience.read_seconds,
        "write": patience.read_seconds,
        "pool": patience.answer_seconds,
    }
    filled.update({kind: min(value, filled[kind]) for kind, value in given.items() if value is not None})
    request.extensions = {**request.extensions, "timeout": filled}
    aside = request.url.path.endswith(_ASIDE)
    if aside and not call.own(request.url):
        raise HubUnreachable(f"{request.url.host} is not the hub that was asked for.")
    may_repeat = request.method in ("GET", "HEAD", "OPTIONS") and not aside
    began, failures = time.monotonic(), 0
    while True:
        call.check()
        response = None
        try:
            response = _apart(call, request, work)
            trouble = _trouble_with(response, stream)
            if trouble is None:
                return response
            response.close()
        except httpx2.TransportError as error:
            call.check()  # we may have shut the connection ourselves
            trouble = _broken(error)
        failures += 1
        wait = patience.wait(failures, trouble.asked)
        spent = time.monotonic() - began
        if (
            not may_repeat
            or failures >= min(patience.tries, trouble.tries or patience.tries)
            or spent + wait > patience.total_seconds
        ):
            times = f" ({failures} tries in {spent:.0f} s)" if failures > 1 else ""
            raise HubUnreachable(
                f"{_host(str(request.url))} {trouble.what}{times}.", trouble.hint
            ) from trouble.cause
        call.pause(wait, trouble.what)


def _trouble_with(response: httpx2.Response, stream: bool) -> _Trouble | None:
    status = response.status_code
    if status in _RETRIED:
        asked = asked_to_wait(response.headers)
        if status == 429:
            wants = "" if asked is None else f" and asks to wait {asked:.0f} s"
            return _Trouble(
                f"says that it is asked too often{wants}", "Ask again later; a token raises the limit.", asked
            )
        return _Trouble(f"answered {status} {response.reason_phrase}".rstrip(), LATER, asked)
    first = response.history[0].request.url if response.history else response.request.url
    if not stream and status == 200 and "/api/" in first.path and is_page(response):
        return _Trouble("answered with a web page instead of data", PORTAL, tries=_PORTAL_TRIES)
    return None


def is_page(response: httpx2.Response) -> bool:
    """Whether an answer is a web page, which no answer of a hub's API and no model file is."""
    return bool(
        response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))
    )


def _broken(error: httpx2.TransportError) -> _Trouble:
    import httpx2

    said = str(error)
    if "CERTIFICATE" in said.upper():
        return _Trouble(
            f"cannot be trusted: {said}",
            "Check the clock; behind a proxy that reads along, point SSL_CERT_FILE at its certificate.",
            tries=1,
            cause=error,
        )
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return _Trouble(f"cannot be asked: {said}", LATER, tries=1, cause=error)
    if isinstance(error, httpx2.TimeoutException):
        return _Trouble("did not answer in time", LATER, cause=error)
    if isinstance(error, httpx2.ProxyError):
        return _Trouble(
            f"cannot be reached through the proxy: {said}", "Check HTTPS_PROXY and HTTP_PROXY.", cause=error
        )
    if isinstance(error, httpx2.ConnectError):
        return _Trouble(f"cannot be reached: {said}", LATER, cause=error)
    return _Trouble(f"broke off: {said or type(error).__name__}", LATER, cause=error)


class _Attempt:
    """One request in a thread of its own, which can be left behind: looking up a name cannot be interrupted."""

    def __init__(self, work: Callable[[], httpx2.Response]) -> None:
        self.work = work
        self.done = threading.Event()
        self.response: httpx2.Response | None = None
        self.error: BaseException | None = None
        self._opened: list[socket.socket] = []
        self._lock = threading.Lock()
        self._left = False

    def run(self) -> None:
        try:
            response = self.work()
        except BaseException as error:
            self.error = error
        else:
            with self._lock:
                if self._left:
                    response.close()
                self.response = response
        self.done.set()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn of the connections that are made for this attempt."""
        opened = socket_of(info.get("return_value")) if event == "connection.connect_tcp.complete" else None
        if opened is not None:
            with self._lock:
                self._opened.append(opened)
                if self._left:
                    shut(opened)

    def leave(self) -> None:
        """Nobody waits any more: an answer that comes, or has come, is closed, and what was opened is shut."""
        with self._lock:
            self._left = True
            for opened in self._opened:
                shut(opened)
            if self.response is not None:
                self.response.close()


def _apart(call: Call, request: httpx2.Request, work: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Do it in another thread and wait for it: until it is done, cancelled, or has taken too long."""
    import httpx2

    attempt = _Attempt(work)
    request.extensions = {**request.extensions, "trace": attempt.trace}
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(attempt.run,), name="hub-request", daemon=True).start()
    until = time.monotonic() + call.patience.answer_seconds
    try:
        while not attempt.done.wait(SLICE):
            call.check()
            if time.monotonic() > until:
                raise httpx2.ReadTimeout("the answer took too long")
        call.check()
    except BaseException:
        attempt.leave()
        raise
    if attempt.error is not None:
        raise attempt.error
    assert attempt.response is not None
    return attempt.response


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]
