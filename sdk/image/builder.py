"""Runs while an image is built: installs uv, the model server or a lock's packages, by hash and without a shell.

What the network here needs (proxies, an index, certificates) comes as files beside this one, so that it is in no
image's history: `surroundings.json`, variables by name, and `certificates.pem`.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = Path("/opt/tools")
UV = TOOLS / "bin" / "uv"
MODEL_SERVER = Path("/opt/hopyard")
ENVIRONMENT = Path("/opt/environment")
CACHE = Path("/tmp/uv")  # noqa: S108 - gone with the stage
TICK_SECONDS = 0.5


def main(verb: str, *arguments: str) -> None:
    """One of the three, as a Dockerfile says."""
    {"tools": tools, "model-server": model_server, "packages": packages}[verb](*arguments)


def tools() -> None:
    run(sys.executable, "-m", "venv", TOOLS)
    pip = (TOOLS / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--only-binary", ":all:", "--require-hashes", "--requirement", HERE / "uv.txt")


def model_server() -> None:
    """The package with its metadata and nothing it needs, which is in every environment."""
    build = ("build", "--quiet", "--wheel", "--require-hashes", "--build-constraints", HERE / "hatchling.txt")
    uv(*build, "--python", sys.executable, "--out-dir", "/build/wheel", HERE / "sdk")
    wheel = next(Path("/build/wheel").glob("*.whl"))
    target = ("--target", MODEL_SERVER, "--python", sys.executable)
    uv("pip", "install", "--quiet", "--no-deps", "--compile-bytecode", *target, wheel)
    command = MODEL_SERVER / "bin" / "hopyard"
    _, _, rest = command.read_text().partition("\n")
    command.write_text(f"#!{ENVIRONMENT}/bin/python\n{rest}")  # which is put beside it later


def packages(lock: str) -> None:
    """Exactly those of the lock; how far it is can be read in what is printed."""
    uv("venv", "--quiet", "--python", sys.executable, ENVIRONMENT)
    sources = () if surroundings().get("HOPYARD_ALLOW_SOURCE_BUILDS") else ("--only-binary", ":all:")
    python = ("--python", ENVIRONMENT / "bin" / "python")
    is_over = threading.Event()
    watch = threading.Thread(target=tell_progress, args=(is_over,))
    watch.start()
    try:
        uv("pip", "sync", "--require-hashes", "--compile-bytecode", *sources, *python, lock)
    finally:
        is_over.set()
        watch.join()
    uv("pip", "check", *python)


def tell_progress(is_over: threading.Event) -> None:
    """uv unpacks every package once, into a folder of its cache."""
    told = 0
    while not is_over.wait(TICK_SECONDS):
        fetched = sum(1 for _ in CACHE.glob("archive-v0/*"))
        if fetched > told:
            told = fetched
            print(f"Fetched {fetched} packages", flush=True)  # noqa: T201


def uv(*arguments: "str | Path") -> None:
    run(UV, "--no-progress", "--color", "never", "--cache-dir", CACHE, *arguments)


def run(*command: "str | Path") -> None:
    """End with the program's own words and code if it fails."""
    code = subprocess.run(
        command, env=os.environ | surroundings(), stderr=subprocess.STDOUT, check=False
    ).returncode
    if code:
        sys.exit(code)


def surroundings() -> "dict[str, str]":
    file, certificates = HERE / "surroundings.json", HERE / "certificates.pem"
    found = dict(json.loads(file.read_text())) if file.exists() else {}
    if certificates.exists():
        found |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), str(certificates))
    return found | {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "hardlink"}


if __name__ == "__main__":
    main(*sys.argv[1:])
