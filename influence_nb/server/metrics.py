"""Counts for Prometheus: requests, tokens, times, and how many prompts wait and run.

It does not know what the requests are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One server's counts, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "influence_requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "influence_request_seconds", "Seconds a request took.", ["path"], registry=self.registry
        )
        self._tokens = Counter(
            "influence_tokens",
            "Tokens read (prompt) and written (completion).",
            ["kind"],
            registry=self.registry,
        )
        self._first = Histogram(
            "influence_first_token_seconds", "Seconds until an answer's first token.", registry=self.registry
        )

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """A number that is looked up when somebody asks."""
        Gauge(f"influence_{name}", help, registry=self.registry).set_function(value)

    def request(self, path: str, status: int, seconds: float) -> None:
        """A request has ended."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def completion(self, completion: Completion) -> None:
        """An answer has ended."""
        self._tokens.labels("prompt").inc(completion.usage.prompt_tokens or 0)
        self._tokens.labels("completion").inc(completion.usage.completion_tokens)
        self._first.observe(completion.timings.first_token)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
