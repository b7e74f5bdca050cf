"""What a repository and its revisions are called: checked before anybody is asked.

It does not know whether there is one of that name.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from influence_nb.arguments import quoted
from influence_nb.errors import ModelNotFound

_REVISION = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}")


def repository(given: object) -> str:
    """The repository's name, also where the address of its page was given, as copied from a browser.

    Raises:
        ModelNotFound: it cannot be a name.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    if not isinstance(given, str):
        raise not_a_name(given)
    name = bare(given)
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise not_a_name(given) from error
    return name


def bare(text: str) -> str:
    """What was typed or pasted, without blanks around it, and of the address of a model's page just the name."""
    text = text.strip()
    if not text.startswith(("https://", "http://")):
        return text
    parts = urlsplit(text).path.strip("/").split("/")
    return "/".join(parts[:2]) if len(parts) > 1 else text


def check_revision(revision: object, repo_id: str) -> None:
    """Go on only if `revision` may be one; None is the default branch.

    Raises:
        ModelNotFound: it cannot be one.
    """
    if revision is not None and (
        not isinstance(revision, str)
        or not _REVISION.fullmatch(revision)
        or any(part in ("", ".", "..") for part in revision.split("/"))
    ):
        raise ModelNotFound(
            f"{quoted(revision)} is not a revision of {repo_id}.",
            "Give a branch, a tag or a commit; leave it out for the newest.",
        )


def not_a_name(given: object) -> ModelNotFound:
    """For what cannot be the name of a repository."""
    return ModelNotFound(
        f"{quoted(given)} is not the name of a model on a hub.",
        'Names look like "owner/name": letters, digits, "-", "_" and ".", one slash at most.',
    )
