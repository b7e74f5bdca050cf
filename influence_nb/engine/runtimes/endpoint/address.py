"""Where a server is and what it may be told: its address, and the key, which nothing else ever sees.

It does not know what is asked of the server.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from influence_nb.errors import InvalidData
from influence_nb.settings import settings

_BARE = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d+(?:/\S*)?")
"""A name and a port, perhaps with a path: no scheme, which is then http."""


@dataclass(frozen=True)
class Address:
    """A server's address.

    Attributes:
        url: where its paths begin, without user, password or a slash at the end: "http://127.0.0.1:8000/v1".
        authorization: the header that requests carry; None for none.
        secrets: what is cut out of everything that the server says.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def host(self) -> str:
        """The server's name and port, such as "127.0.0.1:8000"."""
        return urlsplit(self.url).netloc

    @property
    def root(self) -> str:
        """The address without the "/v1" at its end: where servers keep what is theirs alone."""
        return self.url.removesuffix("/v1")

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, where no proxy leads."""
        name = urlsplit(self.url).hostname or ""
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {} if self.authorization is None else {"Authorization": self.authorization}

    def scrub(self, text: str) -> str:
        """The text without the key."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text


def parse(endpoint: object, key: object = None) -> Address:
    """The address that a person wrote.

    Args:
        endpoint: such as "http://127.0.0.1:8000/v1"; without a path, "/v1" is meant, and "localhost:8000" is
            "http://localhost:8000/v1". A user and password in it are sent as HTTP's basic authentication.
        key: sent as a bearer token; None takes INFLUENCE_ENDPOINT_KEY where there is one.

    Raises:
        InvalidData: it is no address of a server, or the key is none.
    """
    parts = _split(endpoint)
    user, _, place = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/") or "/v1"
    url = urlunsplit((parts.scheme.lower(), place.lower(), path, "", ""))
    if user and key is not None:
        raise InvalidData(
            "A key was given beside an address with a user or a password in it.", "Give one of the two."
        )
    if user:
        name, _, password = user.partition(":")
        words = f"{unquote(name)}:{unquote(password)}"
        coded = base64.b64encode(words.encode()).decode()
        return Address(url, f"Basic {coded}", _known(coded, unquote(password), password))
    if key is None:
        kept = settings().endpoint_key
        key = None if kept is None else kept.get_secret_value()
    if key is None:
        return Address(url)
    if not isinstance(key, str) or not key or not all("!" <= letter <= "~" for letter in key):
        raise InvalidData(
            "The endpoint's key is empty, or holds a space or a character that no key has.",
            "Copy it again: key='...', or INFLUENCE_ENDPOINT_KEY.",
        )
    return Address(url, f"Bearer {key}", _known(key))


def _known(*secrets: str) -> tuple[str, ...]:
    return tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))


def _split(endpoint: object) -> SplitResult:
    wrong = InvalidData(
        "This is not the address of a server.", "Write it like http://127.0.0.1:8000/v1, without ? and #."
    )
    if not isinstance(endpoint, str) or any(letter <= " " for letter in endpoint.strip()):
        raise wrong
    written = endpoint.strip()
    if _BARE.fullmatch(written):
        written = f"http://{written}"
    try:
        parts = urlsplit(written)
        _ = parts.port  # which raises for one out of range
    except ValueError:
        raise wrong from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong
    return parts
