"""Search the Hub for models: a query in words, checked before it is sent, and its answer page by page.

It does not know whether a model fits a device: whoever does hands that in (`SearchResults.judged`).

`HfApi.list_models` ends after `limit` models and forgets where the next page begins, so the pages are asked for
here, one request each, with huggingface_hub's own session, headers and errors.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from influence_nb.errors import HubUnreachable, InfluenceError, InvalidData
from influence_nb.hub.call import Call
from influence_nb.hub.hits import PROPERTIES, ModelHit, read_hit
from influence_nb.hub.patience import Patience
from influence_nb.hub.results import SearchResults
from influence_nb.hub.transport import PORTAL, calling, endpoint

__all__ = ["SORTS", "ModelHit", "SearchResults", "parse_parameters", "search"]

SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "trending": "trendingScore",
    "updated": "lastModified",
    "created": "createdAt",
}
"""What results can be sorted by, highest or newest first, and the Hub's name for it."""

MOST = 1000
"""The largest page that the Hub serves."""

PATIENCE = Patience(
    tries=3, total_seconds=15, connect_seconds=5, read_seconds=10, answer_seconds=12, longest_wait=2
)
"""Somebody looks at the screen: a search gives up sooner than a download."""

API = "/api/models"

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmbt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


def search(
    text: str | None = None,
    *,
    author: str | None = None,
    task: str | None = None,
    library: str | None = None,
    license: str | None = None,
    language: str | None = None,
    min_params: int | str | None = None,
    max_params: int | str | None = None,
    gated: bool | None = None,
    sort: str = "downloads",
    limit: int = 20,
    token: str | None = None,
    mirror: str | None = None,
    cancel: threading.Event | None = None,
) -> SearchResults:
    """Find models on the Hub. What is not given does not narrow the search.

    Args:
        text: words that the model's name has in it.
        author: the person or organisation that owns it.
        task: a pipeline tag, such as "text-generation".
        library: such as "transformers" or "gguf".
        license: a licence's tag, such as "apache-2.0".
        language: a language's code, such as "en".
        min_params: the fewest parameters, as a number or like "135M", "1.5B".
        max_params: the most.
        gated: True for models behind a licence only, False for those open to all only.
        sort: "downloads" (of the last 30 days), "likes", "trending", "updated" or "created"; highest or newest
            first.
        limit: hits on a page, 1 to 1000.
        token: for the models that only you see; None takes the one huggingface_hub is logged in with.
        mirror: the address of another hub; None is INFLUENCE_MIRROR, else huggingface_hub's own.
        cancel: set it from another thread to give up.

    Returns:
        The first page. Nothing beyond it is fetched before `.next()` asks.

    Raises:
        InvalidData: an argument cannot be; the hint says what can.
        HubUnreachable: the hub does not answer, or what answers is not a hub.
        DownloadInterrupted: `cancel` was set.
    """
    parameters = _parameters(
        text=text,
        author=author,
        task=task,
        tags=(library, license and f"license:{license.removeprefix('license:')}", language),
        least=parse_parameters(min_params, "min_params"),
        most=parse_parameters(max_params, "max_params"),
        gated=gated,
        sort=sort,
        limit=limit,
    )
    hub = endpoint(mirror)
    return _page(hub, token, _Place(hub + API, parameters), limit, cancel)


def parse_parameters(value: int | float | str | None, name: str = "value") -> int | None:
    """A number of parameters: a number, or text such as "135M", "1.5b"; None and "" are None.

    Raises:
        InvalidData: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        found = _AMOUNT.fullmatch(value.strip().replace(",", ""))
        if found:
            return round(float(found[1]) * _UNITS[found[2].lower()])
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return int(value)
    raise InvalidData(
        f"{name}={value!r} is not a number of parameters.",
        'Give a number, or text such as "135M" or "1.5B" (K, M, B and T are thousands to trillions).',
    )


def _parameters(
    *,
    text: str | None,
    author: str | None,
    task: str | None,
    tags: tuple[str | None, ...],
    least: int | None,
    most: int | None,
    gated: bool | None,
    sort: str,
    limit: int,
) -> dict[str, Any]:
    """The query as the Hub takes it, in the words of its API."""
    if least is not None and most is not None and least > most:
        raise InvalidData(
            f"min_params is more than max_params: {least:,} and {most:,}.", "Swap them, or leave one out."
        )
    if sort not in SORTS:
        raise InvalidData(f"Results cannot be sorted by {sort!r}.", f"Sort by one of: {', '.join(SORTS)}.")
    if gated not in (None, True, False):
        raise InvalidData(f"gated={gated!r} is not a choice.", "Give True, False, or None for both.")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise InvalidData(
            f"limit={limit!r} is not a page's length.", f"Give a whole number from 1 to {MOST}."
        )
    wanted = {"search": text, "author": author, "pipeline_tag": task}
    parameters: dict[str, Any] = {name: _plain(value) for name, value in wanted.items() if value}
    if filters := [_plain(tag) for tag in tags if tag]:
        parameters["filter"] = filters
    if least is not None or most is not None:
        ends = (("min", least or 0), ("max", most))
        parameters["num_parameters"] = ",".join(f"{end}:{_amount(n)}" for end, n in ends if n is not None)
    if gated is not None:
        parameters["gated"] = gated
    return {**parameters, "sort": SORTS[sort], "limit": limit, "expand": list(PROPERTIES)}


def _plain(value: Any) -> str:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidData(f"{value!r} is not text to search for.", "Give a string.") from None
    return str(value).strip()


def _amount(parameters: int) -> str:
    """As the Hub's own pages write it, without decimals: 7B, 1500M."""
    for unit in ("b", "m", "k"):
        if parameters and parameters % _UNITS[unit] == 0:
            return f"{parameters // _UNITS[unit]}{unit.upper()}"
    return str(parameters)


# Pages


@dataclass(frozen=True)
class _Place:
    """Where a page begins: hits that came already with an earlier one, then an address with its parameters."""

    address: str | None
    parameters: dict[str, Any] | None = None
    left_over: tuple[ModelHit, ...] = ()


def _page(
    hub: str, token: str | None, place: _Place, limit: int, cancel: threading.Event | None
) -> SearchResults:
    """The `limit` hits from `place` on, with no more requests than the hub's own paging makes necessary."""
    hits, address, parameters = place.left_over, place.address, place.parameters
    asked = set()
    with calling(hub, token, cancel, PATIENCE) as call:
        while address is not None and len(hits) < limit:
            asked.add(address)
            said, following = _ask(call, address, parameters)
            hits += tuple(hit for one in said if (hit := read_hit(one)) is not None)
            address, parameters = (None if following in asked else following), None
    after = _Place(address, None, hits[limit:])

    def turn(cancel: threading.Event | None) -> SearchResults:
        return _page(hub, token, after, limit, cancel)

    ends = address is None and not after.left_over
    return SearchResults(hits[:limit], None if ends else turn, hub)


def _ask(call: Call, address: str, parameters: dict[str, Any] | None) -> tuple[list[Any], str | None]:
    """One request: the entries in the answer, and the address of the next page."""
    from huggingface_hub import get_session, hf_raise_for_status
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        response = get_session().get(address, params=parameters, headers=call.headers)
        hf_raise_for_status(response)
        said = response.json()
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(
            "HF_HUB_OFFLINE forbids asking a hub.", "Unset it in the environment."
        ) from error
    except HfHubHTTPError as error:
        raise _refused(call, error.response.status_code, str(error)) from error
    except ValueError as error:
        raise _no_hub(call) from error
    if not isinstance(said, list):
        raise _no_hub(call)
    following = response.links.get("next", {}).get("url")
    return said, None if following is None else _own_address(call, following)


def _own_address(call: Call, address: str) -> str:
    """The address on the hub that was asked: a mirror may hand on links to the hub that it copies."""
    if call.own(address):
        return address
    query = urlsplit(address).query
    return f"{call.endpoint}{API}" + (f"?{query}" if query else "")


def _refused(call: Call, status: int, said: str) -> InfluenceError:
    if status in (401, 403):
        hint = "Check the token, or search without one." if call.has_token else "Give a token."
        return HubUnreachable(f"{call.endpoint} refuses the search ({status}).", hint)
    if status == 400:
        return InvalidData(f"{call.endpoint} does not understand the search: {said}", "Change what it says.")
    return HubUnreachable(
        f"{call.endpoint} has no search (it answered {status}).",
        "A mirror may hold files only: search another hub, or give a model's full name to inb.plan().",
    )


def _no_hub(call: Call) -> HubUnreachable:
    return HubUnreachable(f"What answers at {call.endpoint} does not speak as a hub does.", PORTAL)
