"""Structured logs of the command line: one JSON object a line on standard error, without secrets.

It does not know who logs: everything under the logger "influence_nb" comes here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from influence_nb.settings import secrets, settings

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; anything else was given with the message."""

_TOKENS = re.compile(
    r"hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}"
    r"|(?i:(?<=bearer )|(?<=//))[^\s\"'/@]+(?=@)|(?i:(?<=bearer ))[^\s\"']+"
    r"|(?i:(?<=token=)|(?<=key=)|(?<=signature=)|(?<=password=))[^\s&\"']+"
)
"""What tokens look like: the Hub's, others', and whatever stands where one belongs in a header or an address."""


class Lines(logging.Formatter):
    """A record as a line: time, level, logger, message, what was given with it, an error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return without_secrets(json.dumps(line, ensure_ascii=False, default=str))


class _Now(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the time, also where a progress bar has taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)


def begin(verbose: bool = False) -> None:
    """Log from now on: as INFLUENCE_LOG says, with `verbose` at least what is of interest to a person.

    Raises:
        SettingsError: a setting cannot be read.
    """
    level = LEVELS[settings().log]
    ours = logging.getLogger("influence_nb")
    ours.setLevel(min(level, logging.INFO) if verbose else level)
    if not any(isinstance(handler, _Now) for handler in ours.handlers):
        handler = _Now()
        handler.setFormatter(Lines())
        ours.addHandler(handler)
        ours.propagate = False


def without_secrets(text: str) -> str:
    """The text with everything that is a secret, or looks like one, blotted out."""
    for secret in secrets():
        text = text.replace(secret, "***")
    return _TOKENS.sub("***", text)
