"""A real S3 server for the tests: S3Proxy on a folder, signatures checked; tests/setup.sh fetches it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from config import storages
from config.environment import Environment
from tests.ports import free_port
from tests.waiting import eventually

JAR = Path.home() / ".cache" / "hopyard-tests" / "s3proxy.jar"
KEY, SECRET, BUCKET = "hop", "hop-secret", "hops"


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    process: "subprocess.Popen[bytes]"

    def storage(self, **variables: str) -> dict[str, Any]:
        """What the platform's environment makes of a bucket on this server."""
        said = {
            "BUCKET": BUCKET,
            "ENDPOINT": self.endpoint,
            "ACCESS_KEY": KEY,
            "SECRET_KEY": SECRET,
        } | variables
        environment = {f"HOPYARD_S3_{name}": value for name, value in said.items()}
        return storages.blobs(Environment(environment), Path("/nowhere"))

    def object_keys(self) -> set[str]:
        listed = self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"] for each in listed}

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    if not JAR.exists() or not shutil.which("java"):
        absent = "no S3 server here; tests/setup.sh fetches it"
        pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)
    endpoint = f"http://127.0.0.1:{free_port()}"
    settings = folder / "s3proxy.conf"
    (folder / "buckets").mkdir()
    settings.write_text(
        f"s3proxy.endpoint={endpoint}\ns3proxy.authorization=aws-v4\n"
        f"s3proxy.identity={KEY}\ns3proxy.credential={SECRET}\n"
        f"jclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={folder / 'buckets'}\n"
    )
    command = ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-jar", JAR, "--properties", settings]
    with (folder / "s3proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    server = S3Server(endpoint, process)
    try:
        eventually(lambda: _answers(server), seconds=60, what="The S3 server")
        server.client().create_bucket(Bucket=BUCKET)
        yield server
    finally:
        process.kill()
        process.wait()


def _answers(server: S3Server) -> bool:
    assert server.process.poll() is None, "the S3 server ended"
    host, port = server.endpoint.removeprefix("http://").split(":")
    with closing(socket.socket()) as probe:
        return probe.connect_ex((host, int(port))) == 0
