"""What names an image, what its build tells, and that its own lock is the project's."""

import re
import subprocess
import threading
from pathlib import Path

import pytest
from django.conf import settings

from serving.environments import images
from worker.environments.problems import EnvironmentProblem
from worker.images import names, problems, sources, streams
from worker.images.sources import Sources

SDK: Path = settings.BASE_DIR / "sdk"


def test_the_bases_lock_is_that_of_the_project() -> None:
    uv = settings.BASE_DIR / ".tools" / "bin" / "uv"
    what = ("--package", "hopyard", "--extra", "server", "--no-default-groups", "--no-emit-workspace")
    command = [uv, "export", "--quiet", "--frozen", *what, "--no-header", "--no-annotate"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=settings.BASE_DIR)
    assert (SDK / "image" / "server.txt").read_text() == found.stdout, (
        f"{' '.join(map(str, command))} > sdk/image/server.txt"
    )


def test_the_images_uv_is_the_projects() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)", (settings.BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    assert wanted is not None
    assert (SDK / "image" / "uv.txt").read_text().startswith(f"uv=={wanted[1]} ")


def test_the_digest_changes_with_every_file_and_with_the_python() -> None:
    found = sources.read(SDK, "3.11", "python:3.11-slim")
    assert {"Dockerfile", "hopyard/server/lifecycle.py", "image/server.txt"} <= found.files.keys()
    assert not any("__pycache__" in path for path in found.files)
    changed = Sources({**found.files, "hopyard/__init__.py": b""}, "3.11", "python:3.11-slim")
    elsewhere = Sources(found.files, "3.12", "python:3.12-slim")
    assert len({found.digest, changed.digest, elsewhere.digest}) == 3
    assert found.tools_digest == changed.tools_digest != elsewhere.tools_digest


def test_a_name_says_what_is_in_it() -> None:
    assert names.server("0.1.0", "3.12", "a" * 64) == f"hopyard/server:0.1.0-py3.12-{'a' * 12}"
    assert names.environment("b" * 64, "a" * 64) == f"hopyard/environment:{'b' * 12}-{'a' * 12}"


def test_lines_are_told_whole_and_without_the_engines_remarks() -> None:
    said: list[str] = []
    events = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"stream": "\x1b[91mDownload"},
        {"stream": "ing numpy\x1b[0m\nIt is"},
        {"status": "Pushing", "progressDetail": {"current": 1}, "id": "abc"},
        {"status": "Pushed", "progressDetail": {}, "id": "abc"},
        {"error": "The command returned a non-zero code: 1"},
    ]
    told = streams.follow(events, said.append, 5)
    assert [line for line in said if line] == ["Downloading numpy", "It isabc Pushed"]
    assert told.error == "The command returned a non-zero code: 1"


def test_a_build_that_takes_too_long_is_given_up() -> None:
    is_over = threading.Event()
    with pytest.raises(EnvironmentProblem) as caught:
        streams.follow(iter(lambda: {} if is_over.wait() else None, {}), lambda line: None, 0.2)
    is_over.set()
    assert caught.value.code == "EnvironmentTimeout"


@pytest.mark.parametrize(
    ("output", "error", "code"),
    [
        ("", "write /opt/x: no space left on device", "NoSpace"),
        ("OSError: [Errno 28] No space left on device", "... returned a non-zero code: 1", "NoSpace"),
        ("error: Failed to fetch: `https://x`", "... returned a non-zero code: 2", "IndexUnreachable"),
        ("x", "layer does not exist", "BuildFailed"),
    ],
)
def test_what_ends_a_build_has_a_code(output: str, error: str, code: str) -> None:
    assert problems.of_build(output, error).code == code


def test_how_far_a_build_is_can_be_read_in_its_log() -> None:
    base = f"{images.BASE} hopyard/server:x\nFetched 15 packages\n"
    assert images.progress("", 40) == "Building the image"
    assert images.progress(base, 40) == "Building the image: its base first"
    assert images.progress(f"{base}{images.PACKAGES}\n", 40) == "Building the image: looking for 40 packages"
    fetching = f"{base}{images.PACKAGES}\nFetched 3 packages\nDownloading x\nFetched 12 packages\n"
    assert images.progress(fetching, 40) == "Building the image: 12 of 40 packages"
    assert images.progress(f"{fetching}{images.ON_TOP}\n", 40).endswith("putting the packages on its base")
