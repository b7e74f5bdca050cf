"""The hub's one boundary: what huggingface_hub, its HTTP client and the disk complain of, as our errors.

It does not know what was being done, only for which model; the transport's own refusals are ours already.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.errors import (
    GatedModel,
    HubUnreachable,
    InfluenceError,
    ModelNotFound,
    NotEnoughDisk,
    SettingsError,
    is_full,
)
from influence_nb.hub.names import not_a_name
from influence_nb.hub.transport import LATER, PORTAL

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

LOGIN = 'Pass it as `token`, set HF_TOKEN, or run "hf auth login" once.'


@dataclass(frozen=True)
class Asked:
    """What was asked for, so that an error can say it.

    Attributes:
        repo_id: the repository.
        endpoint: the hub's address.
        revision: the branch, tag or commit; None for the default one.
        has_token: whether a token went along.
    """

    repo_id: str
    endpoint: str
    revision: str | None = None
    has_token: bool = False

    @property
    def page(self) -> str:
        """The model's page, where its licence can be accepted."""
        return f"{self.endpoint}/{self.repo_id}"


@contextmanager
def translating(asked: Asked) -> Iterator[None]:
    """Inside, foreign errors become ours, with `from`.

    Raises:
        GatedModel, ModelNotFound, HubUnreachable: as the hub's answer says.
    """
    from huggingface_hub.errors import (
        FileMetadataError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except InfluenceError:
        raise
    except HfHubHTTPError as error:
        raise from_answer(error, asked) from error
    except LocalEntryNotFoundError as error:  # of hf_hub_download: what it could not ask is the cause
        if isinstance(error.__cause__, HfHubHTTPError):
            raise from_answer(error.__cause__, asked) from error
        raise HubUnreachable(
            f"{asked.endpoint} cannot be reached: {error.__cause__ or error}.", LATER
        ) from error
    except HFValidationError as error:
        raise not_a_name(asked.repo_id) from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(
            "HF_HUB_OFFLINE forbids asking a hub.", "Unset HF_HUB_OFFLINE and start Python again."
        ) from error
    except json.JSONDecodeError as error:
        raise HubUnreachable(
            f"{asked.endpoint} answered with something else than data (no JSON).", PORTAL
        ) from error
    except FileMetadataError as error:
        raise HubUnreachable(f"{asked.endpoint} does not answer as a hub does: {error}", PORTAL) from error
    except Exception as error:
        if (ours := _from_client(error, asked)) is None:
            raise
        raise ours from error


def from_answer(error: HfHubHTTPError, asked: Asked) -> InfluenceError:
    """What a hub's refusal means."""
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status = error.response.status_code
    if isinstance(error, GatedRepoError):  # a subclass of RepositoryNotFoundError: it has to come first
        return gated(asked, status)
    if isinstance(error, RevisionNotFoundError):
        return ModelNotFound(
            f"{asked.repo_id} has no revision {asked.revision or 'main'!r}.",
            f"Leave it out for the newest; branches and tags are at {asked.page}/tree/main.",
        )
    if isinstance(error, RemoteEntryNotFoundError):
        name = str(error.response.request.url.path).rpartition("/")[2]
        return ModelNotFound(
            f"{asked.repo_id} has no file {name} at revision {asked.revision or 'main'!r}.",
            f"Its files are listed at {asked.page}/tree/main.",
        )
    if isinstance(error, DisabledRepoError):
        return disabled(asked)
    if status == 401 and asked.has_token:
        return refused_token(asked)
    if isinstance(error, RepositoryNotFoundError) or status in (401, 404):
        private = (
            "If it is private, the token has no access to it."
            if asked.has_token
            else f"If it is private, a token is needed. {LOGIN}"
        )
        return ModelNotFound(
            f"{asked.endpoint} has no model {asked.repo_id!r}.",
            f"Check the spelling, capitals too, at {asked.page}. {private}",
        )
    if status == 403:
        return gated(asked, status)
    return HubUnreachable(
        f"{asked.endpoint} answered {status} {error.response.reason_phrase}".rstrip()
        + f" for {asked.repo_id}.",
        LATER,
    )


def disabled(asked: Asked) -> ModelNotFound:
    """For a model that was closed."""
    return ModelNotFound(
        f"{asked.repo_id} is disabled: its owner or the hub has closed it.",
        f"Look at {asked.page} for the reason, and choose another model.",
    )


def gated(asked: Asked, status: int) -> GatedModel:
    """For a model behind a licence: what is missing depends on what was shown."""
    if not asked.has_token:
        return GatedModel(
            f"{asked.repo_id} is gated: its licence has to be accepted first, and no token was given.",
            f"Accept the licence at {asked.page}, then give a token of that account. {LOGIN}",
        )
    if status == 401:
        return refused_token(asked)
    return GatedModel(
        f"{asked.repo_id} is gated, and the account of the token has no access to it.",
        f"Accept the licence, or ask for access, at {asked.page}; a fine-grained token also needs the "
        "permission to read gated repositories.",
    )


def refused_token(asked: Asked) -> GatedModel:
    """For a token that the hub does not know."""
    return GatedModel(
        f"{asked.endpoint} refused the token while asked for {asked.repo_id}: it is wrong, expired or revoked.",
        f"Make a new one in the hub's settings. {LOGIN} Where a licence is asked for, accept it at {asked.page}.",
    )


def from_disk(error: OSError, place: Path, need: int | None = None) -> InfluenceError:
    """What the operating system says about writing below `place`; `need` is how many bytes are still to come."""
    if is_full(error):
        wanted = f" {need / 1e6:,.0f} MB are still to come." if need else ""
        return NotEnoughDisk(
            f"The disk of {place} filled up.{wanted}",
            "What came is kept. Free some space and ask again, or choose another disk by `output_dir` or HF_HOME.",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return SettingsError(
            f"{place} cannot be a folder: a file is in its place, or in that of a folder above.",
            "Give another folder as `output_dir`, or set HF_HOME to one.",
        )
    return SettingsError(
        f"{place} cannot be written: {error.strerror or error}.",
        "Make it writable, give a folder of yours as `output_dir`, or set HF_HOME to one.",
    )


def _from_client(error: Exception, asked: Asked) -> InfluenceError | None:
    import httpx2

    if isinstance(error, httpx2.TooManyRedirects):
        return HubUnreachable(f"{asked.endpoint} sends requests round in a circle.", PORTAL)
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
        return HubUnreachable(
            f"{asked.endpoint} did not answer properly: {error or type(error).__name__}.", LATER
        )
    return None
