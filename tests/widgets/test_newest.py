"""Work that typing asks for: after a pause, one piece at a time, only the newest."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from clock import Clock

from influence_nb.widgets.newest import Newest, Pause

WAIT = 60


def test_a_pause_acts_once_and_a_nudge_begins_it_anew():
    acted: list[str] = []
    clock = Clock()
    pause = Pause(0.3, lambda: acted.append("now"), clock)
    pause.nudge()
    late = clock.running[0]
    pause.nudge()
    late.act()  # it ran out in the moment of the nudge
    assert acted == []
    clock.pass_by(0.3)
    assert acted == ["now"]
    assert not clock.running
    pause.nudge()
    pause.cancel()
    assert not clock.running


def test_work_that_fails_makes_room_for_the_next():
    newest = Newest()
    with pytest.raises(ZeroDivisionError):
        newest.ask(lambda turn: 1 / 0).result(WAIT)
    assert newest.ask(lambda turn: 7).result(WAIT) == 7


def test_work_that_is_over_shows_nothing():
    newest, shown = Newest(), []
    entered, gate = threading.Event(), threading.Event()

    def work(turn: Any) -> None:
        entered.set()
        assert gate.wait(WAIT)
        turn.if_newest(lambda: shown.append("old"))

    old = newest.ask(work)
    assert entered.wait(WAIT)
    new = newest.ask(lambda turn: turn.if_newest(lambda: shown.append("new")))
    gate.set()
    old.result(WAIT), new.result(WAIT)
    assert shown == ["new"]
