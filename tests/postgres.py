"""A real PostgreSQL for the tests, on a port and with data of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port
from tests.waiting import eventually

SECONDS_TO_START = 60


@contextlib.contextmanager
def running(*options: str) -> Iterator[str]:
    """The address of one with an empty database; `options` are of its configuration, such as `fsync=off`."""
    where = _programs()
    with tempfile.TemporaryDirectory(prefix="hopyard-postgres-") as name:
        folder, data, port = Path(name), Path(name) / "data", free_port()
        data.mkdir()
        lower = _as_its_user(folder, data)
        make = [
            *lower,
            where / "initdb",
            "-D",
            data,
            "-U",
            "hopyard",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(make, check=True, capture_output=True)
        given = [word for option in ("listen_addresses=127.0.0.1", *options) for word in ("-c", option)]
        start = [*lower, where / "postgres", "-D", data, "-p", str(port), "-k", data, *given]
        with (folder / "output").open("wb") as output:
            server = subprocess.Popen(start, stdout=output, stderr=output)

        def answers() -> bool:
            if server.poll() is not None:
                raise RuntimeError((folder / "output").read_text()[-4000:])
            ask = [where / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            return not subprocess.run(ask, check=False).returncode

        try:
            eventually(answers, seconds=SECONDS_TO_START, what="an answer of PostgreSQL")
            yield f"postgres://hopyard@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected still
            server.wait(SECONDS_TO_START)


def _programs() -> Path:
    """Where they all are; what is on the PATH may be only some of them."""
    found = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    program = next(iter(found), None) or shutil.which("initdb")
    if program is None:
        # Imported late: it needs Django's settings, which may name the server that is started here.
        from tests.engine import skip_or_fail

        skip_or_fail("no PostgreSQL here: tests/setup.sh fetches it")
    return Path(str(program)).resolve().parent


def _as_its_user(folder: Path, data: Path) -> list[str]:
    """It does not run as root."""
    if os.geteuid():
        return []
    folder.chmod(0o755)
    shutil.chown(data, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
