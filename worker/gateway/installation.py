"""Whether this installation has a gateway, and what the settings say about it."""

import base64
import hashlib
import os
import shutil
from pathlib import Path

from django.conf import settings

from accounts import keys
from worker.gateway.description import Installation

WEB_SOCKET = "web.sock"
MASTER_SOCKET = "master.sock"
CONFIGURATION = "haproxy.cfg"


def is_on() -> bool:
    """`auto` means yes where HAProxy is on this machine."""
    return settings.GATEWAY == "haproxy" or (settings.GATEWAY == "auto" and program() is not None)


def program() -> str | None:
    return shutil.which("haproxy")


def folder() -> Path:
    made: Path = settings.GATEWAY_DIR
    return made


def web_socket() -> Path:
    """Where the web listens when only the gateway is to reach it, seen from where it is started: a socket's address
    has 107 bytes at most.
    """
    path = folder() / WEB_SOCKET
    return min((path, Path(os.path.relpath(path, settings.BASE_DIR))), key=lambda each: len(str(each)))


def command() -> list[str]:
    """How HAProxy is started, here and in a container: everything it needs lies in the gateway's folder."""
    master = f"unix@{MASTER_SOCKET},mode,600"
    return [program() or "haproxy", "-W", "-db", "-C", str(folder()), "-f", CONFIGURATION, "-S", master]


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
