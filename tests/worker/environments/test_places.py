"""However much is asked for at once, the long work of environments leaves threads for the servings."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.waiting import eventually
from worker.environments import collect, rows, tasks

THREADS = 8


class Slow:
    """Work that lasts until the gate opens, and who is at it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.at_work = 0
        self.lock = threading.Lock()

    def __call__(self, *_: object, **__: object) -> None:
        with self.lock:
            self.at_work += 1
        self.gate.wait(5)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    work = Slow()
    for name in ("resolve_row", "build_row", "verify_row"):
        monkeypatch.setattr(rows, name, work)
    monkeypatch.setattr(collect, "collect", work)
    monkeypatch.setattr(collect, "due_for_verification", list)
    return work


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is put off."""
    found: list[str] = []
    for task in (tasks.verify_environment, tasks.rebuild_environment):
        monkeypatch.setattr(task, "apply_async", lambda *_, name=task.name, **__: found.append(name))
    return found


ONE_EACH = (
    lambda: tasks.resolve(1),
    lambda: tasks.build_environment(1),
    lambda: tasks.verify_environment(1),
    lambda: tasks.rebuild_environment(1),
    tasks.collect_environments,
)


@pytest.mark.parametrize("task", ONE_EACH)
def test_no_task_takes_more_than_its_places(slow: Slow, later: list[str], task) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(task) for _ in range(THREADS)]
        eventually(lambda: sum(each.done() for each in running) == THREADS - tasks.AT_ONCE)
        eventually(lambda: slow.at_work == tasks.AT_ONCE)
        assert tasks.AT_ONCE <= 3
        slow.gate.set()
    for each in running:
        each.result()


def test_they_share_the_places_and_those_who_press_a_button_are_not_forgotten(
    slow: Slow, later: list[str]
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(ONE_EACH[number % 2]) for number in range(tasks.AT_ONCE)]
        eventually(lambda: slow.at_work == tasks.AT_ONCE)
        for task in ONE_EACH:
            task()
        assert slow.at_work == tasks.AT_ONCE
        slow.gate.set()
    assert later == ["worker.verify_environment", "worker.rebuild_environment"]
    for each in running:
        each.result()
