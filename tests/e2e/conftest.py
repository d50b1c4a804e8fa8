"""The whole platform, started with `make up` from a clean copy of the repository."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.environment import FIRST_PORT
from tests.ports import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SETUP_SECONDS = 300


@dataclass
class Platform:
    """A running platform in `folder`; `restart` is Ctrl-C and `make up`."""

    folder: Path
    port: int
    password: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.folder / "up.log").read_text()

    @property
    def supervisor(self) -> int:
        """The pid of `manage.py up`."""
        return self.children("manage.py up")[0]

    def make(self, target: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["make", target],
            check=False,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SETUP_SECONDS,
        )

    def start(self) -> None:
        with (self.folder / "up.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["make", "up"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: "Hopyard answers at" in self.output or self.process.poll(), seconds=SETUP_SECONDS)
        assert "Hopyard answers at" in self.output, self.output
        if found := re.search(r"Sign in as admin with the password (\S+)", self.output):
            self.password = found[1]

    def stop(self) -> None:
        """Ctrl-C in the terminal: every process of the foreground group is interrupted."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)

    def children(self, words: str = "") -> list[int]:
        """Pids of the processes at work in the folder whose command line holds `words`."""
        return [pid for pid, command in processes_in(self.folder).items() if words in command]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/").is_success
        except httpx.HTTPError:
            return False


def processes_in(folder: Path) -> dict[int, str]:
    """Command lines by pid of the processes whose working directory is in the folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").readlink().is_relative_to(folder):
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("clean") / "hopyard"
    copy(folder)
    port = free_port()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOPYARD_", "DJANGO_", "VIRTUAL_"))
    }
    settings = {
        "HOPYARD_BIND": f"127.0.0.1:{port}",
        "HOPYARD_GATEWAY_STATS_BIND": f"127.0.0.1:{free_port()}",
        "HOPYARD_SERVING_PORTS": f"{FIRST_PORT + 500}-{FIRST_PORT + 999}",
        "NO_PROXY": "127.0.0.1",
    }
    platform = Platform(folder, port, environment=kept | settings)
    platform.start()
    yield platform
    platform.stop()


def copy(folder: Path) -> None:
    """What git would hand to somebody who clones, with the changes not yet committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listing.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
