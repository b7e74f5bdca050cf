"""One tree of errors, each with a hint that says what to do.

It knows nothing of torch, the Hub or the widgets: foreign errors are translated where they enter
(the engine's boundary is `engine/faults.py`, the hub's is in `hub/`), with `from`.

    InfluenceError
      ModelNotFound         no model of that name, here or there
      GatedModel            the model's owner wants a licence accepted first
      HubUnreachable        no network, no hub, no package index
      DownloadInterrupted   bytes stopped before the end
      IntegrityError        bytes are not those that were promised
      NotEnoughDisk         no room for it
      BrokenModel           a folder or file that is not a whole model
      UnsupportedModel      whole, but not something this program can run
      MissingExtra          an optional package is not installed
      OutOfMemory           no room for weights, cache or activations
      DeviceUnavailable     a device that is unknown or not in this machine
      InvalidSampling       a sampling parameter out of its range
      ContextTooLong        a prompt longer than the model's context
      CapabilityMissing     the runtime cannot do what was asked
      EndpointError         a remote server failed
      InvalidData           data of the wrong shape or kind
      BatchIncomplete       some prompts of a batch failed; the others are done
      NotebookFailed        a notebook that was run broke off
      SettingsError         an INFLUENCE_* setting that cannot be read
      PortInUse             another program listens where a server was to
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BatchIncomplete",
    "BrokenModel",
    "CapabilityMissing",
    "ContextTooLong",
    "DeviceUnavailable",
    "DownloadInterrupted",
    "EndpointError",
    "GatedModel",
    "HubUnreachable",
    "InfluenceError",
    "IntegrityError",
    "InvalidData",
    "InvalidSampling",
    "MissingExtra",
    "ModelNotFound",
    "NotEnoughDisk",
    "NotebookFailed",
    "OutOfMemory",
    "PortInUse",
    "SettingsError",
    "UnsupportedModel",
]


class InfluenceError(Exception):
    """Something went wrong that a person can act on.

    `message` says what happened, `hint` what to do about it; `str()` gives both.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ModelNotFound(InfluenceError):
    """No model of that name, on this machine or on the Hub."""


class GatedModel(InfluenceError):
    """The model's owner wants a licence accepted, or a token, first."""


class HubUnreachable(InfluenceError):
    """The Hub or the package index did not answer."""


class DownloadInterrupted(InfluenceError):
    """The bytes stopped before the end; what came is kept where it can be."""


class IntegrityError(InfluenceError):
    """The bytes are not those that were promised: a checksum differs."""


class NotEnoughDisk(InfluenceError):
    """There is no room on the disk."""


class BrokenModel(InfluenceError):
    """A folder or file that is not a whole model: something is missing or damaged."""


class UnsupportedModel(InfluenceError):
    """A whole model, but not one that can be run the way that was asked."""


class MissingExtra(InfluenceError):
    """An optional package is needed and not installed."""


class OutOfMemory(InfluenceError):
    """The device has no room for the weights, the KV cache or the activations."""


class DeviceUnavailable(InfluenceError):
    """A device that is unknown, or not in this machine."""


class InvalidSampling(InfluenceError, ValueError):
    """A sampling parameter that is unknown or out of its range; `field` is its name."""

    field: str = ""


class ContextTooLong(InfluenceError):
    """The prompt is longer than the model's context."""


class CapabilityMissing(InfluenceError):
    """The runtime at hand cannot do what was asked."""


class EndpointError(InfluenceError):
    """A remote server failed, or answered something else than what was asked.

    `completion` is what came of an answer that broke off midway, finish_reason "failed"; None where nothing came.
    """

    completion: Any = None


class InvalidData(InfluenceError, ValueError):
    """Data of the wrong shape or kind."""


class BatchIncomplete(InfluenceError):
    """Some prompts of a batch failed; the others are done, and here.

    Attributes:
        completions: a `Completion` for each prompt, in their order; None in the place of one that failed.
        failures: {place of the prompt: what went wrong}.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        completions: Sequence[Any] = (),
        failures: Mapping[int, InfluenceError] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.completions: list[Any] = list(completions)
        self.failures = dict(sorted((failures or {}).items()))


class NotebookFailed(InfluenceError):
    """A notebook that was run broke off: a cell failed, or its kernel died.

    `run` is the run that is kept, marked failed, with the notebook up to there; None where none is.
    """

    run: Any = None


class SettingsError(InfluenceError):
    """A setting in the environment or in `.env` that cannot be read."""


class PortInUse(InfluenceError):
    """Another program listens where a server was to."""


def is_full(error: OSError) -> bool:
    """Whether a disk, a quota or a limit on the size of files left no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
