"""How much the web processes grow while a large file comes in: `python bench/uploads.py [--megabytes 2048]`.

Starts a platform of its own with an empty data folder, sends the file in chunks and as one request, each twice, and
prints for every web process the most it held beyond what it held before (VmHWM, set back before each upload).
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
WARM_UPS = 6
SEND = """
import sys
from hopyard.client import Client, sending
url, key, path, name, at_once = sys.argv[1:]
if at_once == "yes":
    sending.FROM_BYTES = 1 << 60
Client(url, key, "demo", timeout=600).files.upload(path, f"Resources/{name}")
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--megabytes", type=int, default=2048)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as (url, key, web):
        small = written(Path(folder) / "small.bin", 40)
        large = written(Path(folder) / "large.bin", asked.megabytes)
        for _ in range(WARM_UPS):
            for at_once in ("no", "yes"):
                send(url, key, small, at_once)
        for at_once in ("no", "yes") * 2:
            print(measured(web, lambda how=at_once: send(url, key, large, how), at_once))


def written(path: Path, megabytes: int) -> Path:
    """A file whose every megabyte differs."""
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


@contextmanager
def platform(folder: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Its address, a key, and the processes of the web."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    own = {
        "HOPYARD_DATA_DIR": str(folder / "data"),
        "HOPYARD_BIND": bind,
        "HOPYARD_GATEWAY_STATS_BIND": "",
        "HOPYARD_SERVING_PORTS": "28900-28999",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")} | own
    log = folder / "up.log"
    with log.open("w") as out:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    try:
        while "Hopyard answers" not in log.read_text():
            if up.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.3)
        made = [sys.executable, "manage.py", "createkey", "demo", "admin"]
        said = subprocess.run(made, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        master = next(
            pid for pid in children(up.pid) if b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        yield f"http://{bind}", said.stdout.split()[-1], children(master)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def send(url: str, key: str, path: Path, at_once: str) -> None:
    command = [sys.executable, "-c", SEND, url, key, str(path), f"{path.stem}-{at_once}.bin", at_once]
    subprocess.run(command, check=True)


def measured(web: list[int], act: object, at_once: str) -> str:
    before = {pid: held(pid, "VmRSS") for pid in web}
    for pid in web:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    began = time.perf_counter()
    act()  # type: ignore[operator]
    took = time.perf_counter() - began
    grown = ", ".join(f"{held(pid, 'VmHWM') - before[pid]:.1f}" for pid in web)
    how = "one request" if at_once == "yes" else "chunks"
    return f"{how}: web processes grew by {grown} MB, in {took:.1f} s"


def held(pid: int, what: str) -> float:
    """Megabytes."""
    return int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


if __name__ == "__main__":
    main()
