"""Which models stay in memory: idle times by a clock of the test's own, room by a device of the test's own."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.engine import device as devices
from influence_nb.engine import keeping, registry
from influence_nb.errors import CapabilityMissing, InvalidData, OutOfMemory, SettingsError
from influence_nb.memory.budget import DeviceBudget
from influence_nb.settings import settings

WAIT = 60


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that passes when the test says so; the thread that looks is kept out of it."""
    ours = Clock()
    monkeypatch.setattr(keeping, "clock", ours)
    monkeypatch.setattr(keeping, "_begin_watching", lambda: None)
    return ours


@pytest.fixture
def folders(tiny_folder: Callable[..., Path], tmp_path: Path) -> list[Path]:
    return [Path(shutil.copytree(tiny_folder("llama"), tmp_path / name)) for name in ("one", "two", "three")]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for model in inb.loaded():
        model.unload()


def load(folder: Path, **how: object) -> inb.Model:
    return inb.load(folder, device="cpu", dtype="float32", **how)


def busy(model: inb.Model) -> Iterator[object]:
    """A call that has begun, and whose next steps the test lets happen."""
    gate = threading.Event()
    model.network.register_forward_pre_hook(lambda *_: gate.wait(WAIT) and None)
    stream = model.stream("The quick", temperature=0, max_new_tokens=4)
    answers = ThreadPoolExecutor(1).submit(lambda: [event.id for event in stream])
    while not model.is_busy:
        assert not answers.done()
    yield gate
    yield answers


@pytest.mark.parametrize(
    ("said", "meant"),
    [(None, None), (30, 30), (0, 0), (0.5, 0.5), ("5m", 300), ("1h", 3600), ("30s", 30), (" 2 d", 172800),
     ("250ms", 0.25), ("90", 90), (-1, math.inf), ("-1", math.inf), (math.inf, math.inf), (10**400, math.inf)],
)  # fmt: skip
def test_how_long_in_seconds(said: object, meant: float | None) -> None:
    assert keeping.seconds(said) == meant


@pytest.mark.parametrize("said", ["", "soon", "5 weeks", True, [], math.nan, "1h30m", "m"])
def test_a_time_that_is_none_is_refused(folders: list[Path], said: object) -> None:
    with pytest.raises(InvalidData, match="keep_alive") as refused:
        load(folders[0], keep_alive=said)
    assert '"5m"' in refused.value.hint
    assert inb.loaded() == []


def test_a_model_goes_once_it_has_been_idle_for_long_enough(folders: list[Path], clock: Clock) -> None:
    model, stays = load(folders[0], keep_alive="5m"), load(folders[1])
    clock.now += 299
    assert keeping.sweep() == pytest.approx(1)
    assert model.generate("The", max_new_tokens=1).ids
    clock.now += 299
    keeping.sweep()
    assert inb.loaded() == [model, stays]
    clock.now += 1
    assert keeping.sweep() is None
    assert inb.loaded() == [stays]
    assert not model.is_loaded
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.generate("The")


def test_handing_a_model_out_again_counts_as_use_and_can_change_its_time(
    folders: list[Path], clock: Clock
) -> None:
    model = load(folders[0], keep_alive=60)
    clock.now += 59
    assert load(folders[0]) is model
    clock.now += 59
    keeping.sweep()
    assert model.is_loaded
    assert model.keep_alive == 60
    assert load(folders[0], keep_alive=-1) is model
    assert model.keep_alive == math.inf
    clock.now += 1e9
    assert keeping.sweep() is None
    assert model.is_loaded
    model.keep_alive = "1s"
    clock.now += 2
    keeping.sweep()
    assert not model.is_loaded
    with pytest.raises(InvalidData):
        model.keep_alive = "never"


def test_a_busy_model_stays_however_long_it_takes(folders: list[Path], clock: Clock) -> None:
    model = load(folders[0], keep_alive=10)
    running = busy(model)
    gate = next(running)
    clock.now += 1000
    assert keeping.sweep() is None
    assert model.is_loaded
    gate.set()
    assert len(next(running).result(WAIT)) == 4
    clock.now += 9
    assert keeping.sweep() == pytest.approx(1)
    clock.now += 1
    keeping.sweep()
    assert not model.is_loaded


def test_zero_is_after_the_first_call_and_a_batch_is_one_call(folders: list[Path]) -> None:
    model = load(folders[0], keep_alive=0)
    gone = threading.Event()
    stop = registry.subscribe(lambda: model.is_loaded or gone.set())
    keeping.sweep()
    assert model.is_loaded
    answers = model.batch(["The", "The quick brown", "user"], temperature=0, max_new_tokens=3)
    assert all(len(answer.ids) <= 3 for answer in answers)
    assert gone.wait(WAIT), "the thread that looks did not unload it"
    stop()
    assert inb.loaded() == []


@pytest.mark.parametrize(
    "left",
    [
        "stream = model.stream('The', temperature=0, max_new_tokens=10_000, min_new_tokens=10_000); next(stream)",
        "model.keep_alive = 0; model.generate('The', max_new_tokens=1)",
        "threading.Thread(target=model.generate, args=('The',), kwargs={'min_new_tokens': 9_000, 'max_new_tokens': "
        "9_000}, daemon=True).start()\nwhile not model.is_busy: pass",
    ],
)
def test_python_ends_in_order_whatever_a_model_is_doing(folders: list[Path], left: str) -> None:
    code = f"import threading\nimport influence_nb as inb\nmodel = inb.load({str(folders[0])!r}, device='cpu')\n{left}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_thread_that_looks_wakes_by_itself(folders: list[Path]) -> None:
    gone = threading.Event()
    model = load(folders[0], keep_alive="50ms")
    stop = registry.subscribe(lambda: model.is_loaded or gone.set())
    assert gone.wait(WAIT) or not model.is_loaded
    stop()


def test_idle_models_make_room_the_longest_unused_first(
    folders: list[Path], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, pinned = load(folders[0]), load(folders[1]), load(folders[2], keep_alive=math.inf)
    size = one.memory
    monkeypatch.setattr(
        devices,
        "budget",
        lambda name="auto": DeviceBudget("cpu", 4 * size, 4 * size - sum(m.memory for m in inb.loaded())),
    )
    clock.now += 1
    one.generate("The", max_new_tokens=1)
    assert keeping.make_room("cpu", size) == []
    assert keeping.make_room("cpu", 2 * size) == [two]
    assert keeping.make_room("cuda:0", 2 * size) == []
    running = busy(one)
    gate = next(running)
    assert keeping.make_room("cpu", 4 * size) == []
    gate.set()
    next(running).result(WAIT)
    assert keeping.make_room("cpu", 4 * size) == [one]
    assert inb.loaded() == [pinned]


def test_a_budget_makes_room_before_a_load_and_is_not_gone_over(
    folders: list[Path], tmp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, pinned = load(folders[0]), load(folders[1], keep_alive=-1)
    needed = inb.fit(folders[2], device="cpu", dtype="float32", context=1024).total
    monkeypatch.setenv("INFLUENCE_MEMORY_BUDGET", str(needed + one.memory))
    settings.cache_clear()
    three = load(folders[2])
    assert inb.loaded() == [pinned, three]
    assert not one.is_loaded
    three.keep_alive = -1
    monkeypatch.setenv("INFLUENCE_MEMORY_BUDGET", "1MB")
    settings.cache_clear()
    with pytest.raises(OutOfMemory, match="INFLUENCE_MEMORY_BUDGET") as refused:
        load(folders[0])
    assert "two, three" in refused.value.hint
    assert inb.loaded() == [pinned, three]
    monkeypatch.setenv("INFLUENCE_MEMORY_BUDGET", "plenty")
    settings.cache_clear()
    with pytest.raises(SettingsError, match="INFLUENCE_MEMORY_BUDGET"):
        load(folders[0])
    assert inb.loaded() == [pinned, three]


def test_eight_threads_get_one_model_and_other_models_theirs(folders: list[Path]) -> None:
    with ThreadPoolExecutor(16) as pool:
        same = [pool.submit(load, folders[0]) for _ in range(8)]
        other = [pool.submit(load, folder) for folder in folders[1:] for _ in range(4)]
        models = {id(future.result(WAIT)) for future in same}
        others = {id(future.result(WAIT)) for future in other}
    assert (len(models), len(others), len(inb.loaded())) == (1, 2, 3)


def test_a_model_that_is_going_is_not_handed_out(folders: list[Path]) -> None:
    model = load(folders[0])
    assert model.use.claim()
    again = load(folders[0])
    assert again is not model
    assert again.generate("The", max_new_tokens=1).ids
    model.unload()
    assert inb.loaded() == [again]


def test_the_list_shows_memory_and_last_use(folders: list[Path]) -> None:
    before = datetime.now(UTC)
    model = load(folders[0])
    assert before <= model.last_used <= datetime.now(UTC)
    held, loaded_at = model.memory, model.last_used
    assert held == model.weights_size == sum(weight.nbytes for weight in model.network.parameters())
    session = model.session()
    session.send("Hello", max_new_tokens=4)
    assert model.last_used > loaded_at
    layers, heads, width = 2, 2, 8
    token = 2 * layers * heads * width * 4
    assert (model.memory - held) % token == 0
    assert model.memory - held >= token * 4
    assert f"{model.last_used.astimezone():%H:%M:%S}" in repr(inb.loaded())
    assert "kB" in repr(inb.loaded())
    model.unload()
    assert model.memory == 0
    assert repr(model) == "Model('one', unloaded)"
