"""What tests of replicas in containers need: networks of their own, a platform to ask, strangers."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker
from docker.errors import NotFound

from tests.worker.deployers.contract import Listing
from worker.deployers import networks
from worker.deployers.networks import Networks

NETWORKS = Networks(f"hopyard-test-{os.getpid()}", f"hopyard-test-egress-{os.getpid()}")


@contextlib.contextmanager
def networks_of_the_run(client: docker.DockerClient) -> Iterator[Networks]:
    """Names that no installation has; what was made of them is gone afterwards."""
    yield NETWORKS
    for name in (NETWORKS.internal, NETWORKS.egress):
        with contextlib.suppress(NotFound):
            client.networks.get(name).remove()


@contextlib.contextmanager
def platform(client: docker.DockerClient) -> Iterator[Listing]:
    """Tells replicas on the internal network their predictors, as the platform does, if they show their token."""
    networks.ensure(client.api, NETWORKS.internal, is_internal=True)
    address = networks.gateway(client.api, NETWORKS.internal)
    listed: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_right = self.headers["Authorization"] == "Bearer let-me-in"
            is_right = is_right and self.path == "/replicas/garden-sums-1/predictors/1/"
            body = json.dumps(listed).encode()
            self.send_response(200 if is_right else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer((address or "", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://{address}:{server.server_port}/replicas/garden-sums-1"
        yield Listing({"control_url": url}, listed.extend)
        server.shutdown()
