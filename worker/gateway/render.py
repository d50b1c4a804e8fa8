"""Renders HAProxy's configuration from a description: a pure function, the same text for the same wish.

All paths in it are relative to the gateway's folder, in which HAProxy is started (`-C`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from worker.gateway import maps, rules
from worker.gateway.answers import error
from worker.gateway.description import Entry, Installation, Server

CONNECT_SECONDS = 2
RETRIES = (
    2  # one may meet the replica that has just died; each more is one more that a poisonous request ends
)
# A replica's own 5xx is an answer and passes; a call that took too long is not asked for a second time.
RETRIED = "conn-failure empty-response junk-response"
CHECK = "check inter 1s fastinter 500ms downinter 500ms fall 3 rise 1"
WATCH = "observe layer4 error-limit 1 on-error mark-down"
EXAMPLE = Entry(0, "project", "serving", "token", port=1, stable=(Server("name", "127.0.0.1:1"),))
LOG = (
    '\'{"at": %Ts.%ms, "request_id": "%[var(txn.id),json(utf8s)]", "serving": "%[var(txn.to)]",'
    ' "key": "%[var(txn.caller)]", "server": "%s", "status": %ST, "retries": "%rc",'
    ' "ms": %Ta, "queue_ms": "%Tw", "bytes": %B}\''
)


def configuration(installation: Installation, entries: Iterable[Entry]) -> str:
    """The whole file, the replicas of now among it, so that HAProxy knows everything when it is started."""
    entries = sorted(entries, key=lambda each: each.name)
    text = _text(installation, entries, digest=structure(installation, entries))
    return f"# Written by Hopyard. {settings_mark(installation)}\n{text}"


def settings_mark(installation: Installation) -> str:
    """Tells in the first line whether a file was written with these settings."""
    return f"Settings {hashlib.sha256(repr(installation).encode()).hexdigest()[:32]}"


def structure_in(text: str) -> str:
    """The digest that a configuration says of itself."""
    return text.partition("\n  description ")[2].partition("\n")[0]


def structure(installation: Installation, entries: Iterable[Entry]) -> str:
    """A digest of all that needs a reload when it changes: everything but replicas and percents.

    What is rendered for one serving stands for how all are; each adds what only it has.
    """
    frames = sorted((each.frame for each in entries), key=lambda each: each.name)
    example = [replace(EXAMPLE, canary=EXAMPLE.stable if _has_canaries(frames) else ())]
    text = _text(installation, example, digest="") + maps.text(maps.hosts(example, installation.domain))
    own = [(each.project, each.serving, each.token, each.port) for each in frames]
    return hashlib.sha256(f"{text}{own}".encode()).hexdigest()[:32]


def server_options(installation: Installation, backend: str) -> str:
    """What stands behind a server's address, in the file and when it is added at run time."""
    most = installation.replica_requests
    watched = "proto h2" if backend.endswith(".grpc") else f"{CHECK} {WATCH}"
    return f"maxconn {most} maxqueue {most} {watched}"


def _has_canaries(entries: Iterable[Entry]) -> bool:
    """Whether any serving splits its requests, without which the rules for it would be for nothing."""
    return any(each.canary for each in entries)


def _text(installation: Installation, entries: Sequence[Entry], *, digest: str) -> str:
    ported = [each for each in entries if each.port]
    has_canaries = _has_canaries(entries)
    sections = [
        _global(installation, digest),
        _defaults(installation),
        _front(installation, has_canaries),
        *([_ports(installation, ported, has_canaries)] if ported else []),
        _stats(installation),
        _web(installation),
        *(_backend(installation, each, name) for each in entries for name in each.servers),
        ["backend limits", "stick-table type string len 12 size 100k expire 10s store gpc0_rate(1s)"],
        ["backend verified", "stick-table type binary len 32 size 100k expire 10m store gpc0"],
        ["backend turns", "stick-table type string len 330 size 10k expire 1h store gpc0"],
    ]
    return "\n".join("\n  ".join(section) + "\n" for section in sections if section)


def _global(installation: Installation, digest: str) -> list[str]:
    return [
        "global",
        f"description {digest or '-'}",
        "stats socket unix@worker.sock mode 600 level admin expose-fd listeners",
        f"maxconn {installation.connections}",
        "no strict-limits",  # with fewer files than that allowed it starts all the same, and says so
        *([f"nbthread {installation.threads}"] if installation.threads else []),
        f"tune.bufsize {installation.buffer_bytes}",
        f"hard-stop-after {installation.inference_seconds + 15}s",
        "ssl-default-bind-options ssl-min-ver TLSv1.2",
        *(["log stdout format raw local0"] if installation.access_log else []),
    ]


def _defaults(installation: Installation) -> list[str]:
    seconds = installation.inference_seconds
    return [
        "defaults",
        "mode http",
        f"timeout connect {CONNECT_SECONDS}s",
        f"timeout client {seconds}s",
        f"timeout server {seconds}s",
        f"timeout queue {installation.queue_seconds}s",
        "timeout http-request 20s",
        "timeout http-keep-alive 75s",
        "timeout check 5s",
        "timeout tunnel 1h",
        "option idle-close-on-response",  # or a caller's next request might meet a connection that a reload closes
        *(["log global", f"log-format {LOG}"] if installation.access_log else []),
        error(400, "BadRequest", "The request could not be understood."),
        error(408, "Incomplete", "The request did not arrive in time; send it again."),
        error(503, "Unavailable", "The platform is starting; try again in a moment.", Retry_After="1"),
    ]


def _front(installation: Installation, has_canaries: bool) -> list[str]:
    tls = f"bind {installation.tls_bind} ssl crt {installation.certificate} alpn h2,http/1.1"
    return [
        "frontend front",
        f"bind {installation.bind}",
        *([tls, f"# certificate {installation.certificate_digest}"] if installation.tls_bind else []),
        *rules.of_front(installation, has_canaries=has_canaries),
        *rules.destinations(),
    ]


def _ports(installation: Installation, entries: Iterable[Entry], has_canaries: bool) -> list[str]:
    return [
        "frontend ports",
        *(f"bind {installation.port_host}:{each.port} name {each.name}" for each in entries),
        *rules.of_ports(installation, has_canaries=has_canaries),
        *rules.destinations(),
    ]


def _stats(installation: Installation) -> list[str]:
    if not installation.stats_bind:
        return []
    return [
        "frontend stats",
        f"bind {installation.stats_bind}",
        "http-request use-service prometheus-exporter if { path /metrics }",
        "stats enable",
        "stats uri /",
    ]


def _web(installation: Installation) -> list[str]:
    """Pages, the API, and predictions that no replica can answer. A large upload takes its time."""
    return [
        "backend web",
        "timeout server 150s",
        "option forwardfor",
        *_forwarded(installation),
        "option http-server-close",
        f"server web {installation.web}",
    ]


def _forwarded(installation: Installation) -> list[str]:
    if not installation.tls_bind:
        return []
    return [
        "http-request set-header x-forwarded-proto https if { ssl_fc }",
        "http-request set-header x-forwarded-proto http unless { ssl_fc }",
    ]


def _backend(installation: Installation, entry: Entry, name: str) -> list[str]:
    options = server_options(installation, name)
    seconds = installation.inference_seconds
    busy = f"{entry.serving} has no replica free to answer; try again soon."
    late = f"{entry.serving} did not answer within {seconds} s."
    return [
        f"backend {name}",
        "balance leastconn",
        "http-reuse always",
        f"retries {RETRIES}",
        f"retry-on {RETRIED}",
        "option redispatch 1",
        "option httpchk GET /v2/health/ready",
        "option forwardfor",
        *_forwarded(installation),
        *rules.of_backend(installation, entry.token, is_grpc=name.endswith(".grpc")),
        error(502, "NoReplica", f"No replica of {entry.serving} could be reached; try again."),
        error(503, "Busy", busy, Retry_After="1"),
        error(504, "TimedOut", late),
        *(f"server {each.name} {each.address} {_options(each, options)}" for each in entry.servers[name]),
    ]


def _options(server: Server, options: str) -> str:
    return f"{options} backup" if server.is_backup else options
