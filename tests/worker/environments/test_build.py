"""Locks become environments: whole or not at all, sealed, the same every time."""

import dataclasses
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from serving.environments import locks
from worker.environments import build, seal
from worker.environments.build import Built, Order
from worker.environments.interpreters import Python
from worker.environments.problems import EnvironmentProblem
from worker.environments.uv import Tell, Uv


@pytest.fixture
def order(root: Path, python: Python, small_lock: str) -> Order:
    return Order(root, locks.key("3.11", small_lock), python, small_lock)


@pytest.fixture(scope="module")
def original(tool: Uv, python: Python, small_lock: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    root = tmp_path_factory.mktemp("original")
    order = Order(root, locks.key("3.11", small_lock), python, small_lock)
    return build.build(tool, order, lambda line: None)


@pytest.fixture
def built(original: Built, order: Order) -> Built:
    """One that was built before, which each test has for itself."""
    shutil.copytree(original.path.parent, order.root, symlinks=True)
    return dataclasses.replace(original, path=order.target)


@pytest.fixture
def difference(order: Order) -> object:
    return lambda sealed: seal.difference(order.target, build.record_of(order.root, order.key), sealed.digest)


def test_an_environment_has_its_packages_and_nothing_else(tool: Uv, order: Order, said: list[str]) -> None:
    built = build.build(tool, order, said.append)
    code = "import six, iniconfig, sys; print(six.__version__, sys.prefix)"
    found = subprocess.run(
        [built.path / "bin/python", "-c", code], check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == ["1.16.0", str(built.path)]
    absent = subprocess.run(
        [built.path / "bin/python", "-c", "import numpy"], check=False, capture_output=True
    )
    assert b"ModuleNotFoundError" in absent.stderr
    assert (built.package_count, built.path) == (2, order.target)
    assert built.seal.size_bytes > 10_000
    assert " + six==1.16.0" in said
    assert str(order.root) not in "".join(said)


def test_two_builds_of_a_lock_have_the_same_seal(
    tool: Uv, order: Order, built: Built, difference, said: list[str]
) -> None:
    again = build.build(tool, order, said.append, anew=True)
    assert built.seal.digest == again.seal.digest
    assert difference(built.seal) is None
    assert len(list(order.root.glob(".aside-*"))) == 1


def test_a_built_one_is_taken_as_it_is(tool: Uv, order: Order, built: Built, said: list[str]) -> None:
    inode = order.target.stat().st_ino
    taken = build.build(tool, order, said.append)
    assert (order.target.stat().st_ino, said, taken.seal) == (inode, [], built.seal)


def test_builders_of_the_same_lock_at_once_build_it_once(tool: Uv, order: Order) -> None:
    said: list[list[str]] = [[], [], []]
    threads = [threading.Thread(target=build.build, args=(tool, order, each.append)) for each in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(bool(each) for each in said) == 1


CHANGES = {
    "other bytes": lambda site: (site / "six.py").write_text("import os\n"),
    "is gone": lambda site: (site / "six.py").unlink(),
    "was not there": lambda site: (site / "sitecustomize.py").write_text("import os\n"),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_changed_file_is_named(order: Order, built: Built, difference, words: str) -> None:
    CHANGES[words](order.target / "lib/python3.11/site-packages")
    found = difference(built.seal)
    assert words in found
    assert ("sitecustomize.py" if words == "was not there" else "six.py") in found


def test_what_was_changed_is_mended_by_the_next_build(
    tool: Uv, order: Order, built: Built, difference, said: list[str]
) -> None:
    CHANGES["is gone"](order.target / "lib/python3.11/site-packages")
    mended = build.build(tool, dataclasses.replace(order, seal=built.seal.digest), said.append)
    assert mended.seal.digest == built.seal.digest
    assert difference(mended.seal) is None


def test_a_flipped_bit_of_the_record_itself_is_noticed(order: Order, built: Built, difference) -> None:
    record = build.record_of(order.root, order.key)
    record.write_text(record.read_text().replace("six.py", "sex.py"))
    assert "record" in difference(built.seal)


def test_bytecode_may_be_made_anew(order: Order, built: Built, difference) -> None:
    caches = list(order.target.rglob("__pycache__/*.pyc"))
    assert caches
    for cache in caches:
        cache.write_bytes(b"")
    assert difference(built.seal) is None


@pytest.mark.parametrize(
    ("lock", "code"),
    [
        (f"six==1.16.0 \\\n    --hash=sha256:{'0' * 64}\n", "HashMismatch"),
        ("six==1.16.0\n", "BuildFailed"),
    ],
)
def test_what_cannot_be_installed_leaves_nothing_behind(
    tool: Uv, root: Path, python: Python, said: list[str], lock: str, code: str
) -> None:
    key = locks.key("3.11", lock)
    with pytest.raises(EnvironmentProblem) as failed:
        build.build(tool, Order(root, key, python, lock), said.append)
    assert failed.value.code == code
    assert [path.name for path in root.iterdir()] == [f".{key}.lock"]


def test_a_full_disk_is_said_before_anything_is_fetched(tool: Uv, order: Order, said: list[str]) -> None:
    greedy = Order(**vars(order) | {"least_free_mb": 10**9})
    with pytest.raises(EnvironmentProblem, match="free some space") as failed:
        build.build(tool, greedy, said.append)
    assert (failed.value.code, said) == ("NoSpace", [])


def test_packages_without_the_model_servers_needs_are_refused(
    tool: Uv, order: Order, said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "hopyard" / "server").mkdir(parents=True)
    for name in ("__init__.py", "server/__init__.py", "server/lifecycle.py"):
        (tmp_path / "hopyard" / name).write_text(
            "import httptools\n" if name.endswith("lifecycle.py") else ""
        )
    with pytest.raises(EnvironmentProblem, match="No module named 'httptools'") as failed:
        build.build(tool, Order(**vars(order) | {"model_server": tmp_path}), said.append)
    assert failed.value.code == "ModelServerBroken"
    assert not order.target.exists()


def test_building_runs_no_code_of_the_packages(
    tool: Uv, order: Order, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A .pth file of a package would run at each start of the environment's Python."""
    trace = tmp_path / "started"
    install = build._install

    def with_a_trap(program: Uv, order: Order, draft: Path, tell: Tell) -> None:
        install(program, order, draft, tell)
        trap = f"import pathlib; pathlib.Path({str(trace)!r}).touch()\n"
        (draft / "lib/python3.11/site-packages/trap.pth").write_text(trap)

    monkeypatch.setattr(build, "_install", with_a_trap)
    build.build(tool, order, said.append)
    assert not trace.exists()
    subprocess.run([order.target / "bin/python", "-c", ""], check=True)
    assert trace.exists()
