"""A download before it begins: which files and why, how much is here, what is in the way.

It asks a hub what there is and looks at the disk; it fetches nothing.
"""

from __future__ import annotations

import html
import shutil
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_event, expect_path, expect_text, quoted
from influence_nb.errors import HubUnreachable, InvalidData, NotEnoughDisk
from influence_nb.hub import known_names, listing, remembered
from influence_nb.hub.choose import RemoteFile, choose
from influence_nb.hub.faults import Asked, translating
from influence_nb.hub.lacking import lacking
from influence_nb.hub.listing import COMMIT, Listing
from influence_nb.hub.names import check_revision, repository
from influence_nb.hub.places import Place, place, size_of
from influence_nb.hub.transport import calling, endpoint

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class PlannedFile:
    """One file of a plan.

    Attributes:
        name: with "/" between folders.
        size: bytes; None where the hub does not say.
        sha256: of large files; None for the small ones that git itself keeps.
        blob_id: of the small ones: git's SHA-1 (an ETag, where a hub says no more).
        here: whether it is on disk with its size.
        why: what it is for, such as "weights, safetensors".
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    blob_id: str | None = None
    here: bool = False
    why: str = ""


@dataclass(frozen=True)
class DownloadPlan:
    """What a download will do; it holds no token.

    Attributes:
        repo_id: "owner/name", as it was asked for.
        commit: the commit that the revision is at; what is fetched is pinned to it.
        files: the files of the model.
        total: bytes of all of them.
        remaining: bytes that are still to be fetched.
        gated: False, or how access is given: "auto" or "manual".
        needs_code: whether the model wants Python code of its own, which runs only when asked for by name.
        disk_free: bytes that are free where the files will be.
        revision: the branch, tag or commit that was asked for; None for the default branch.
        endpoint: the hub's address.
        output_dir: the folder to write to; None for the Hub's standard cache.
        left_out: (name, why) of the repository's other files.
        license: such as "apache-2.0"; None where nothing is said.
        tags: the hub's.
        card: the metadata of the model's card.
        at: what stands for the commit in the hub's addresses; None for the commit itself.
    """

    repo_id: str
    commit: str
    files: tuple[PlannedFile, ...]
    total: int
    remaining: int
    gated: bool | str
    needs_code: bool
    disk_free: int
    revision: str | None = None
    endpoint: str = ""
    output_dir: Path | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    license: str | None = None
    tags: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    at: str | None = None

    @property
    def licence_page(self) -> str | None:
        """Where the licence of a gated model is accepted; None where nothing has to be."""
        return f"{self.endpoint}/{self.repo_id}" if self.gated else None

    @property
    def code_files(self) -> tuple[str, ...]:
        """The Python files among those planned."""
        return tuple(file.name for file in self.files if file.name.endswith(".py"))

    @property
    def lacks(self) -> str | None:
        """Why a model will not load from these files: "has no weights ..."; None where their names do not tell."""
        if any(
            file.why.startswith("asked for") for file in self.files
        ):  # by patterns: whoever asks knows for what
            return None
        return lacking((file.name for file in self.files), self.left_out)

    @property
    def format(self) -> str:
        """Of the weights: "safetensors", "gguf" or "pytorch"; "other" where there are none."""
        ends = {Path(file.name).suffix for file in self.files}
        known = ((".safetensors", "safetensors"), (".gguf", "gguf"), (".bin", "pytorch"))
        return next((format for end, format in known if end in ends), "other")

    @property
    def folder(self) -> Path:
        """Where the files are once they have been fetched."""
        return self.place.folder

    @property
    def place(self) -> Place:
        """Where its files live."""
        return place(self.repo_id, self.commit, self.output_dir)

    def check_disk(self) -> None:
        """Go on only if there is room, as of now.

        Raises:
            NotEnoughDisk: there is not.
        """
        where = self.place
        need, free = _remaining(where, self.files), _disk_free(where.root)
        if need > free:
            raise NotEnoughDisk(
                f"{self.repo_id} needs {_bytes(need)} more on the disk of {where.root}, which has {_bytes(free)} free.",
                "Free some space, choose a smaller quantization, or another disk by `output_dir` or HF_HOME.",
            )

    def to_frame(self) -> pandas.DataFrame:
        """One row a file: name, size, why, here, sha256, blob_id; those left out last, with `fetched` False."""
        import pandas as pd

        rows = [{**asdict(file), "fetched": True} for file in self.files]
        rows += [{"name": name, "why": why, "here": False, "fetched": False} for name, why in self.left_out]
        columns = ["name", "size", "why", "here", "fetched", "sha256", "blob_id"]
        return pd.DataFrame(rows, columns=columns).astype({"size": "Int64"})

    def __repr__(self) -> str:
        return "\n".join([f"{self.repo_id} at {self.commit[:8]}: {self._summary()}", *map(_line, self.files)])

    def _repr_html_(self) -> str:
        cells = [
            (file.name, _bytes(file.size), file.why, "here" if file.here else "to fetch")
            for file in self.files
        ]
        cells += [(name, "", why, "left out") for name, why in self.left_out]
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
        )
        page = html.escape(self.licence_page or "", quote=True)
        gate = (
            f'<p>Its licence has to be accepted first: <a href="{page}">{page}</a></p>' if self.gated else ""
        )
        return (
            f"<p><b>{html.escape(self.repo_id)}</b> at {html.escape(self.commit[:8])}: "
            f"{html.escape(self._summary())}</p>{gate}"
            f"<table><thead><tr><th>file</th><th>size</th><th>why</th><th></th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _summary(self) -> str:
        count = len(self.files)
        said = [
            f"{count} file{'s' * (count != 1)}, {_bytes(self.total)}",
            f"{_bytes(self.remaining)} to fetch" if self.remaining else "all of it here",
            f"{_bytes(self.disk_free)} free",
        ]
        if self.gated:
            said.append(f"gated ({self.gated})")
        if self.needs_code:
            said.append("wants code of its own to run")
        if self.lacks:
            said.append(f"will not load: it {self.lacks}")
        return ", ".join(said)


def plan(
    repo_id: str,
    revision: str | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    mirror: str | None = None,
    token: str | None = None,
    output_dir: str | Path | None = None,
    quantization: str | None = None,
    cancel: threading.Event | None = None,
) -> DownloadPlan:
    """What a download from the Hub would do: which files and why, how large, how much of it is here.

    A revision that is a commit and was asked for before is answered from this machine, without a request.

    Args:
        repo_id: "owner/name", or the address of its page.
        revision: a branch, tag or commit; None for the default branch. The plan is pinned to the commit it is at.
        include: patterns such as "*.json"; given, only what matches is taken, whatever its format.
        exclude: patterns of what is never taken. In both "*" goes across "/".
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: None is huggingface_hub's own (HF_TOKEN, or `hf auth login`). It goes to the hub's host alone, and
            is not kept.
        output_dir: a folder for plain files; None is the Hub's standard cache, shared with other tools.
        quantization: of a GGUF repository, such as "Q5_K_M"; None takes one of about four bits a weight.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound: no such repository or revision, or not a name.
        GatedModel: the hub refused the token, or shows nothing before a licence is accepted.
        HubUnreachable: it does not answer, or INFLUENCE_OFFLINE is set.
        IntegrityError: it names files that would leave their folder; nothing was written.
        InvalidData: no such quantization, patterns that leave nothing, an address or a token that is none, an argument
            of the wrong kind.
        DownloadInterrupted: cancelled.
    """
    repo_id = repository(repo_id)
    check_revision(revision, repo_id)
    expect_text(quantization=quantization, token=token)
    expect_path(output_dir=output_dir)
    expect_event(cancel)
    include, exclude = _tuple("include", include), _tuple("exclude", exclude)
    hub = endpoint(mirror)
    where = None if output_dir is None else Path(output_dir).expanduser().absolute()
    found = None
    if revision is not None and COMMIT.fullmatch(revision):
        found = remembered.listing(repo_id, revision, hub)
        if (
            found is not None
            and not found.has_api
            and not {file.name for file in found.files} >= set(include or ())
        ):
            found = None
    if found is None:
        found = _ask(repo_id, revision, hub, token, include or (), cancel)
        remembered.remember(found)
    choice = choose(
        found.files, needs_code=found.needs_code, include=include, exclude=exclude, quantization=quantization
    )
    chosen = choice.chosen
    if unknown := [file for file, _ in chosen if file.size is None or not (file.sha256 or file.blob_id)]:
        better = _look_closer(found, unknown, token, cancel)
        chosen = tuple((better.get(file.name, file), why) for file, why in chosen)
    return _planned(found, chosen, choice.left_out, revision, where)


def _ask(
    repo_id: str,
    revision: str | None,
    hub: str,
    token: str | None,
    include: tuple[str, ...],
    cancel: threading.Event | None,
) -> Listing:
    try:
        with calling(hub, token, cancel) as call:
            return listing.ask(call, repo_id, revision, include)
    except HubUnreachable as error:
        if commit := remembered.newest(repo_id, revision, hub):
            raise HubUnreachable(
                error.message,
                f"{error.hint} What the hub said before is known: revision={commit!r} needs no answer.",
            ) from error
        raise


def _look_closer(
    found: Listing,
    files: list[RemoteFile],
    token: str | None,
    cancel: threading.Event | None,
) -> dict[str, RemoteFile]:
    """Ask for files one by one whose size or checksum the listing does not have."""
    if not found.has_api:  # that has been done
        return {}
    with calling(found.endpoint, token, cancel) as call:
        asked = Asked(found.repo_id, found.endpoint, found.commit, call.has_token)
        with translating(asked):
            better = known_names.complete_all(call, asked, files, found.commit)
    remembered.remember(replace(found, files=tuple(better.get(file.name, file) for file in found.files)))
    return better


def _planned(
    found: Listing,
    chosen: tuple[tuple[RemoteFile, str], ...],
    left_out: tuple[tuple[str, str], ...],
    revision: str | None,
    output_dir: Path | None,
) -> DownloadPlan:
    where = place(found.repo_id, found.commit, output_dir)
    files = tuple(
        PlannedFile(file.name, file.size, file.sha256, file.blob_id, here=where.is_here(file), why=why)
        for file, why in chosen
    )
    return DownloadPlan(
        repo_id=found.repo_id,
        commit=found.commit,
        files=files,
        total=sum(file.size or 0 for file in files),
        remaining=_remaining(where, files),
        gated=found.gated,
        needs_code=found.needs_code,
        disk_free=_disk_free(where.root),
        revision=revision,
        endpoint=found.endpoint,
        output_dir=output_dir,
        left_out=left_out,
        license=found.license,
        tags=found.tags,
        card=found.card,
        at=found.at,
    )


def _remaining(where: Place, files: Iterable[PlannedFile]) -> int:
    """Bytes still to come: neither here, nor in the making, nor here under another commit."""
    missing: dict[str, int] = {}
    for file in files:
        if not where.is_here(file) and (size_of(where.target(file)) != file.size or file.size is None):
            collected = size_of(where.partial(file)) or 0
            missing[where.key(file)] = max(0, (file.size or 0) - collected)
    return sum(missing.values())


def _disk_free(root: Path) -> int:
    for folder in (root, *root.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return 0


def _tuple(name: str, patterns: object) -> tuple[str, ...] | None:
    if patterns is None:
        return None
    given = (
        tuple(patterns) if isinstance(patterns, Iterable) and not isinstance(patterns, str) else (patterns,)
    )
    texts = tuple(pattern for pattern in given if isinstance(pattern, str))
    if len(texts) < len(given):
        raise InvalidData(
            f"{name}={quoted(patterns)} holds what is no pattern of file names.",
            'Give texts such as "*.json".',
        )
    return texts


def _bytes(count: int | None) -> str:
    if count is None:
        return "?"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"


def _line(file: PlannedFile) -> str:
    return f"  {file.name}  {_bytes(file.size)}  {file.why}{'  (here)' if file.here else ''}"
