"""What tests of replicas in a Swarm need: a Swarm, networks of their own, and a platform that gives out files."""

import contextlib
import io
import ipaddress
import itertools
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

import docker
from docker.errors import APIError, NotFound

from tests.waiting import eventually
from tests.worker.deployers.contract import Listing
from worker.deployers import containers
from worker.deployers.base import File, ReplicaStatus, RevisionSpec, ServingSpec
from worker.deployers.swarm import SwarmDeployer
from worker.deployers.swarm_networks import SwarmNetworks

_RUN = f"hopyard-test-{os.getpid()}"
NETWORKS = SwarmNetworks(f"{_RUN}-swarm", f"{_RUN}-swarm-internal", f"{_RUN}-swarm-egress")
PREDICTORS = "/replicas/garden-sums-1/predictors/1/"


@contextlib.contextmanager
def swarm(client: docker.DockerClient) -> Iterator[None]:
    """The Swarm that the engine is in, or one of a single node for so long."""
    is_mine = client.info()["Swarm"]["LocalNodeState"] == "inactive"
    if is_mine:
        client.swarm.init(advertise_addr="127.0.0.1")
    try:
        yield
        _remove_networks(client)
    finally:
        if is_mine:
            client.swarm.leave(force=True)


def _remove_networks(client: docker.DockerClient) -> None:
    """Those of the run; the containers of tasks that have just ended leave them within moments."""

    def is_gone(name: str) -> bool:
        try:
            client.api.remove_network(name)
        except NotFound:
            return True
        except APIError:
            return False
        return True

    for name in (NETWORKS.published, NETWORKS.attached, NETWORKS.egress):
        eventually(lambda name=name: is_gone(name), what=f"the end of {name}")  # type: ignore[misc]


def files_of(share: RevisionSpec) -> bytes:
    """The tar that a replica of a share fetches."""
    members = {"start/manifest.json": share.manifest}
    for file in share.files:
        members[f"artifact/{file.path}"] = _content(file)
    for script in containers.scripts_beside(share):
        members[f"start/scripts/{PurePosixPath(script.path).name}"] = _content(script)
    return tar(members)


def _content(file: File) -> bytes:
    with file.open() as source:
        return source.read()


def tar(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class Platform:
    """Answers replicas: their files to whoever has the address, and the predictors to who shows the token."""

    host: str
    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    listed: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def address_of(self, share: RevisionSpec) -> str:
        path = f"/files/{next(self.numbers)}"
        self.files[path] = files_of(share)
        return f"{self.url}{path}?signature=none"

    @property
    def listing(self) -> Listing:
        return Listing({"control_url": f"{self.url}/replicas/garden-sums-1"}, self.listed.extend)

    def answer(self, path: str, authorization: str) -> bytes | None:
        if path == PREDICTORS and authorization == "Bearer let-me-in":
            return json.dumps(self.listed).encode()
        return self.files.get(path.partition("?")[0])


@contextlib.contextmanager
def platform(client: docker.DockerClient) -> Iterator[Platform]:
    """On the address of this machine that containers of any network with a way out reach."""
    config = client.api.inspect_network("bridge")["IPAM"]["Config"][0]
    parts = Platform(str(next(ipaddress.ip_network(config["Subnet"]).hosts())))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = parts.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer((parts.host, 0), Handler) as server:
        parts.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield parts
        server.shutdown()


@dataclass(frozen=True)
class Supplied:
    """A deployer whose replicas get addresses for their files, as the worker gives them."""

    deployer: SwarmDeployer
    platform: Platform

    def apply(self, spec: ServingSpec) -> None:
        shares = [replace(each, files_url=self.platform.address_of(each)) for each in spec.revisions]
        self.deployer.apply(replace(spec, revisions=tuple(shares)))

    def status(self, name: str) -> list[ReplicaStatus]:
        return self.deployer.status(name)

    def remove(self, name: str) -> None:
        self.deployer.remove(name)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        return self.deployer.logs(name, replica, since)
