"""What a repository holds at one commit: every file with its size and checksum, gate, licence, tags and card.

Asked of the hub's API; where a mirror has none, `known_names.py` tries names. It does not choose among the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from influence_nb.errors import HubUnreachable, InfluenceError, IntegrityError
from influence_nb.hub.call import Call
from influence_nb.hub.choose import RemoteFile, check_names
from influence_nb.hub.faults import Asked, disabled, translating
from influence_nb.hub.transport import PORTAL

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_API = frozenset({400, 403, 404, 405, 410, 501})
"""How servers without an API answer when asked for it; a hub says more with such an answer (X-Error-Code)."""


@dataclass(frozen=True)
class Listing:
    """A repository at one commit.

    Attributes:
        repo_id: as it was asked for.
        commit: 40 hexadecimal digits.
        endpoint: the hub that said so.
        files: all of them; on a hub without an API those whose names are known.
        gated: False, "auto" or "manual".
        needs_code: whether the model wants Python code of its own to run.
        license: such as "apache-2.0"; None where nothing is said.
        tags: the hub's.
        card: the card's metadata.
        has_api: whether the hub listed the files itself.
        at: what stands for the commit in the hub's addresses; None for the commit itself.
    """

    repo_id: str
    commit: str
    endpoint: str
    files: tuple[RemoteFile, ...]
    gated: bool | str = False
    needs_code: bool = False
    license: str | None = None
    tags: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    has_api: bool = True
    at: str | None = None

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Listing:
        """Read what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: it is something else.
            IntegrityError: it names files that would leave their folder.
        """
        value = json.loads(text)
        files = tuple(RemoteFile(**file) for file in value.pop("files"))
        check_names(file.name for file in files)
        return cls(files=files, tags=tuple(value.pop("tags")), **value)


def ask(call: Call, repo_id: str, revision: str | None, include: tuple[str, ...] = ()) -> Listing:
    """What the hub says of a repository.

    Args:
        call: the conversation, under way.
        repo_id: "owner/name".
        revision: a branch, tag or commit; None for the default branch.
        include: names to try as well where there is no API.

    Raises:
        ModelNotFound, GatedModel, HubUnreachable, DownloadInterrupted: as their names say.
        IntegrityError: the hub names files that would leave their folder, or answers with nonsense.
    """
    from huggingface_hub.errors import HfHubHTTPError

    from influence_nb.hub.known_names import try_names

    asked = Asked(repo_id, call.endpoint, revision, call.has_token)
    with translating(asked):
        try:
            info = _info(call, repo_id, revision)
        except HfHubHTTPError as error:
            if error.response.status_code not in _NO_API or error.response.headers.get("X-Error-Code"):
                raise
            if error.response.headers.get("X-Error-Message"):
                raise
            return try_names(call, asked, include)
        if info.disabled:
            raise disabled(asked)
        return _listing(call, asked, info)


def _info(call: Call, repo_id: str, revision: str | None) -> ModelInfo:
    from huggingface_hub.errors import HFValidationError

    try:
        return call.api.model_info(repo_id, revision=revision, files_metadata=True)
    except (InfluenceError, json.JSONDecodeError, HFValidationError):
        raise
    except (TypeError, KeyError, ValueError, AttributeError) as error:  # data, but not a model's
        raise HubUnreachable(f"{call.endpoint} does not answer as a hub does: {error!r}.", PORTAL) from error


def _listing(call: Call, asked: Asked, info: ModelInfo) -> Listing:
    commit = info.sha
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise IntegrityError(
            f"{call.endpoint} gives {asked.repo_id} the commit {commit!r}, which is none.", "Ask another hub."
        )
    files: dict[str, RemoteFile] = {}
    for sibling in info.siblings or []:
        lfs = sibling.lfs
        files[sibling.rfilename] = remote_file(
            sibling.rfilename,
            lfs.size if lfs is not None else sibling.size,
            lfs.sha256 if lfs is not None else None,
            sibling.blob_id,
        )
    check_names(files)
    tags = tuple(str(tag) for tag in info.tags or ())
    card = _card(info)
    return Listing(
        repo_id=asked.repo_id,
        commit=commit,
        endpoint=call.endpoint,
        files=tuple(files.values()),
        gated=info.gated or False,
        needs_code=_needs_code(call, asked, info, tags, files, commit),
        license=_license(card, tags),
        tags=tags,
        card=card,
    )


def remote_file(name: str, size: object, sha256: object, blob_id: object) -> RemoteFile:
    """A file from what a hub says of it, which may be anything.

    Raises:
        IntegrityError: a size or a checksum that is none.
    """
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise IntegrityError(f"The hub says that {name} has {size!r} bytes.", "Ask another hub.")
    for said, shape in ((sha256, SHA256), (blob_id, None)):
        if said is not None and not (isinstance(said, str) and (shape is None or shape.fullmatch(said))):
            raise IntegrityError(
                f"The hub gives {name} the checksum {said!r}, which is none.", "Ask another hub."
            )
    return RemoteFile(name, size, sha256, blob_id)  # type: ignore[arg-type]


def read_json(call: Call, asked: Asked, name: str, revision: str) -> Any:
    """A small JSON file of the repository; None where it is not there or cannot be read as JSON."""
    from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
    from huggingface_hub.errors import HfHubHTTPError

    url = hf_hub_url(asked.repo_id, name, revision=revision, endpoint=call.endpoint)
    response = get_session().get(url, headers=call.headers)
    try:
        hf_raise_for_status(response)
        return json.loads(response.content)
    except HfHubHTTPError as error:
        if error.response.status_code == 404:
            return None
        raise
    except ValueError:
        return None


def wants_code(config: object) -> bool:
    """Whether a config.json maps classes to code in a repository."""
    return isinstance(config, Mapping) and bool(config.get("auto_map"))


def _needs_code(
    call: Call,
    asked: Asked,
    info: ModelInfo,
    tags: tuple[str, ...],
    files: Mapping[str, RemoteFile],
    commit: str,
) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    if "custom_code" in tags or wants_code(info.config):
        return True
    if "config.json" not in files or not any(name.endswith(".py") for name in files):
        return False
    try:
        return wants_code(read_json(call, asked, "config.json", commit))
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):  # gated: it cannot be told yet, but code is there
            return True
        raise


def _card(info: ModelInfo) -> dict[str, Any]:
    data: Any = info.card_data
    if data is None:
        return {}
    value = json.loads(json.dumps(data.to_dict(), default=str))
    return value if isinstance(value, dict) else {}


def _license(card: Mapping[str, Any], tags: tuple[str, ...]) -> str | None:
    said = card.get("license")
    if isinstance(said, str) and said:
        name = card.get("license_name")
        return name if said == "other" and isinstance(name, str) else said
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)
