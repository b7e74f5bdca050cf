"""Waits that grow and differ, and what a server's own wish to wait means."""

from __future__ import annotations

from datetime import UTC, datetime

from influence_nb.hub.patience import Patience, asked_to_wait


def test_waits_grow_are_bounded_and_differ_from_each_other() -> None:
    patience = Patience(first_wait=1, longest_wait=8)
    drawn = {n: [patience.wait(n) for _ in range(500)] for n in (1, 2, 3, 4, 9)}

    for n, bound in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        assert bound * 0.9 < max(drawn[n]) <= bound
        assert min(drawn[n]) < bound * 0.1
        assert len(set(drawn[n])) == 500


def test_wishes_to_wait_are_read_in_all_their_forms() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert asked_to_wait({"retry-after": "120"}) == 120
    assert asked_to_wait({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}, now) == 30
    assert asked_to_wait({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, now) == 0
    assert asked_to_wait({"RateLimit": '"api";r=0;t=55'}) == 55
    assert asked_to_wait({"RateLimit": '"api";r=10;t=55'}) is None
    assert asked_to_wait({"Retry-After": "soon"}) is None
    assert asked_to_wait({}) is None
