"""Search the Hub for models: a query is sent, and its answer comes page by page.

It does not know whether a model fits a device: whoever does hands that in (`SearchResults.judged`).

`HfApi.list_models` ends after `limit` models and forgets where the next page begins, so the pages are asked for
here, one request each, with huggingface_hub's own session, headers and errors.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from influence_nb.errors import HubUnreachable, InfluenceError, InvalidData
from influence_nb.hub.call import Call
from influence_nb.hub.hits import ModelHit, read_hit
from influence_nb.hub.patience import Patience
from influence_nb.hub.query import Query, parameters
from influence_nb.hub.results import SearchResults
from influence_nb.hub.transport import PORTAL, calling, endpoint

PATIENCE = Patience(
    tries=3, total_seconds=15, connect_seconds=5, read_seconds=10, answer_seconds=12, longest_wait=2
)
"""Somebody looks at the screen: a search gives up sooner than a download."""

API = "/api/models"


def search(
    query: Query,
    *,
    token: str | None = None,
    mirror: str | None = None,
    cancel: threading.Event | None = None,
) -> SearchResults:
    """Find models on a hub. `token`, `mirror` and what is raised are as in `influence_nb.search`.

    Args:
        query: what is searched for.
        token: None takes huggingface_hub's own.
        mirror: None is the hub that the settings name.
        cancel: set it from another thread to give up.

    Returns:
        The first page. Nothing beyond it is fetched before `.next()` asks.

    Raises:
        DownloadInterrupted: `cancel` was set.
    """
    wanted = parameters(query)
    hub = endpoint(mirror)
    return _page(hub, token, _Place(hub + API, wanted), query.limit, cancel)


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
