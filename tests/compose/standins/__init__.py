"""Builds what stands in for the official images that docker-compose.yml names, where the engine has none of them."""

import io
import re
import tarfile
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from tests.engine import CACHE, skip_or_fail

HERE = Path(__file__).parent
COMPOSE_FILE = HERE.parents[2] / "docker-compose.yml"
KAFKA = CACHE / "kafka-3.9.1"  # as tests/compose/setup.sh leaves it
TARGETS = ("postgres", "redis", "haproxy", "kafka")


def names() -> dict[str, str]:
    """The images that the file names, by what they are."""
    named = re.findall(r"^ +image: (\S+)$", COMPOSE_FILE.read_text(), re.MULTILINE)
    found = {name.partition(":")[0].rpartition("/")[2]: name for name in named}
    return {target: found[target] for target in TARGETS}


def ensure(client: docker.DockerClient) -> None:
    """Never replaces an image that is there, which may be the official one."""
    for target, name in names().items():
        try:
            client.images.get(name)
        except ImageNotFound:
            _build(client, target, name)


def _build(client: docker.DockerClient, target: str, name: str) -> None:
    jars = sorted(KAFKA.glob("*.jar")) if target == "kafka" else []
    if target == "kafka" and not jars:
        skip_or_fail(f"there is no image {name}, and nothing to build its stand-in of; run sh tests/setup.sh")
    files = {path.name: path for path in HERE.iterdir() if path.is_file()}
    client.images.build(
        fileobj=_context(files | {f"jars/{path.name}": path for path in jars}),
        custom_context=True,
        target=target,
        tag=name,
        rm=True,
        labels={"hopyard.standin": target},
    )


def _context(files: dict[str, Path]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, name)
    packed.seek(0)
    return packed
