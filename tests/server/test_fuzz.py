"""Requests made up from the server's own description: none breaks it, and each refusal has its API's shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis

import influence_nb as inb


@pytest.fixture(scope="module")
def walled(load: Any) -> Iterator[inb.Server]:
    """A server that offers one tiny model, and fetches and removes nothing."""
    with inb.serve(load("llama"), port=0, library=False, pull=False, delete=False) as server:
        yield server


@pytest.fixture(scope="module")
def direct() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def described(walled: inb.Server, direct: requests.Session) -> Any:
    said = direct.get(f"{walled.url}/openapi.json", timeout=60).json()
    return schemathesis.openapi.from_dict(said)


def test_no_request_breaks_it(described: Any, walled: inb.Server, direct: requests.Session) -> None:
    seen = set()
    operations = [found.ok() for found in described.get_all_operations()]
    modes = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    for operation, mode in product(operations, modes):

        @hypothesis.settings(
            max_examples=5, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            answer = case.call(base_url=walled.url, session=direct, timeout=60)
            assert answer.status_code < 500, (case.path, case.body, answer.status_code, answer.text)
            seen.add((case.path, answer.status_code))
            if answer.status_code >= 400 and case.method != "HEAD":
                error = answer.json()["error"]
                assert isinstance(error, str if case.path.startswith("/api/") else dict)

        with suppress(hypothesis.errors.Unsatisfiable):  # where there is nothing that could be wrong
            ask()
        assert direct.get(f"{walled.url}/health", timeout=60).json()["ready"]
    assert {path for path, _ in seen} >= {"/v1/generate", "/api/chat", "/v1/chat/completions", "/tokenize"}
    assert {status for _, status in seen} >= {200, 400, 404}
