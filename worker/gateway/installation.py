"""Whether this installation has a gateway, and what the settings say about it."""

import atexit
import base64
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from django.conf import settings

from accounts import keys
from worker.gateway.description import Installation

WEB_SOCKET = "web.sock"
MASTER_SOCKET = "master.sock"
CONFIGURATION = "haproxy.cfg"
OLDEST = (2, 6)  # that understands what is rendered
LONGEST_ADDRESS = 100  # bytes of a socket's; Linux takes 107, macOS 103


def is_on() -> bool:
    """`auto` means yes where a HAProxy that can be used is on this machine."""
    return settings.GATEWAY == "haproxy" or (settings.GATEWAY == "auto" and program() is not None)


def program() -> str | None:
    """The HAProxy of this machine, unless it is older than what is rendered needs."""
    found = shutil.which("haproxy")
    return found if found and _version(found) >= OLDEST else None


@functools.cache
def _version(program: str) -> tuple[int, int]:
    try:
        done = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.search(r"version (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def folder() -> Path:
    made: Path = settings.GATEWAY_DIR
    return made


def web_socket() -> Path:
    """Where the web listens when only the gateway is to reach it, seen from where it is started. A socket's address has
    about a hundred bytes: a folder that lies deeper is reached by a short way.
    """
    path = folder() / WEB_SOCKET
    ways = (path, Path(os.path.relpath(path, settings.BASE_DIR)))
    shortest = min(ways, key=lambda each: len(os.fsencode(each)))
    if len(os.fsencode(shortest)) <= LONGEST_ADDRESS:
        return shortest
    return _short_way(folder()) / WEB_SOCKET


@functools.cache
def _short_way(folder: Path) -> Path:
    """A link to a folder, in one that is this process's own and goes with it."""
    made = Path(tempfile.mkdtemp(prefix="hopyard-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    (made / "gateway").symlink_to(folder.absolute())
    return made / "gateway"


def command() -> list[str]:
    """How HAProxy is started, here and in a container: everything it needs lies in the gateway's folder."""
    master = f"unix@{MASTER_SOCKET},mode,600"
    return [program() or "haproxy", "-W", "-db", "-q", "-C", str(folder()), "-f", CONFIGURATION, "-S", master]


def described() -> Installation:
    certificate = settings.GATEWAY_CERTIFICATE
    own = (settings.PUBLIC_HOST, *(host for host in settings.ALLOWED_HOSTS if host[0] not in ".*"))
    return Installation(
        bind=settings.BIND,
        web=settings.GATEWAY_WEB or f"unix@{WEB_SOCKET}",
        pepper=base64.b64encode(keys.pepper()).decode(),
        port_host=settings.REPLICA_HOST,
        stats_bind=settings.GATEWAY_STATS_BIND,
        domain=settings.GATEWAY_DOMAIN,
        own_hosts=tuple(dict.fromkeys(host.lower() for host in own)),
        tls_bind=settings.GATEWAY_TLS_BIND if certificate else "",
        certificate=certificate,
        certificate_digest=_digest(Path(certificate)) if certificate else "",
        threads=settings.GATEWAY_THREADS,
        connections=settings.GATEWAY_CONNECTIONS,
        buffer_bytes=settings.GATEWAY_BUFFER_KB * 1024,
        most_bytes=settings.MAX_INFERENCE_BYTES,
        inference_seconds=settings.INFERENCE_TIMEOUT_SECONDS,
        queue_seconds=settings.GATEWAY_QUEUE_SECONDS,
        replica_requests=settings.GATEWAY_REPLICA_REQUESTS,
        access_log=settings.GATEWAY_ACCESS_LOG,
    )


def _digest(file: Path) -> str:
    """A renewed certificate is another configuration."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "missing"
