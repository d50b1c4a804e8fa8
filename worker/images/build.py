"""Builds images: the base once for each version of its sources, and one for each lock on top of it."""

import contextlib
import fcntl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import docker

from serving.environments import images
from worker.environments.uv import Tell
from worker.images import engine, names
from worker.images.engine import Found, Recipe
from worker.images.sources import Sources

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Order:
    """What to build; `surroundings` are files that tell the build about the network here, and `locks` is the folder
    in which builders of this host wait for each other.
    """

    key: str
    lock: str
    sources: Sources
    locks: Path
    surroundings: dict[str, bytes] = field(repr=False)
    seconds: int = 1800
    registry: str = ""

    @property
    def base(self) -> str:
        return self.sources.digest

    @property
    def reference(self) -> str:
        return names.environment(self.key, self.base, self.registry)

    @property
    def labels(self) -> dict[str, str]:
        return names.labels(base=self.base, environment=self.key)

    @property
    def server(self) -> str:
        return names.server(self.sources.version, self.sources.python, self.base)


@dataclass(frozen=True)
class Built:
    reference: str
    id: str
    size_bytes: int
    seconds: float


def build(client: docker.DockerClient, order: Order, tell: Tell, *, anew: bool = False) -> Built:
    """Build the environment's image, or take the one that is there, and push it where there is a registry."""
    started = time.monotonic()
    build_base(client, order, tell)
    with _alone(order, order.reference):
        found = None if anew else engine.find_ours(client, order.reference, order.labels)
        if found is None:
            found = _on_top(client, order, tell, _packages(client, order, tell, anew=anew))
        if order.registry:
            tell(f"Pushing {order.reference}")
            engine.push(client, order.reference, tell, order.seconds)
    return Built(order.reference, found.id, found.size_bytes, time.monotonic() - started)


def build_base(client: docker.DockerClient, order: Order, tell: Tell) -> Found:
    """The image with the model server and the packages it needs."""
    labels = names.labels(base=order.base)
    with _alone(order, order.server):
        found = engine.find_ours(client, order.server, labels)
        if found is not None:
            return found
        _fetch_python(client, order, tell)
        tell(f"{images.BASE} {order.server}")
        return engine.build(client, _of_base(order, order.server, "server", labels), tell, order.seconds)


def packages_of(order: Order) -> str:
    """The name of what an image's packages are taken from."""
    return names.packages(order.key, order.sources.tools_digest)


def _fetch_python(client: docker.DockerClient, order: Order, tell: Tell) -> None:
    name = order.sources.python_image
    if engine.find(client, name) is None:
        tell(f"Pulling {name}")
        engine.pull(client, name, tell, order.seconds)


def _packages(client: docker.DockerClient, order: Order, tell: Tell, *, anew: bool) -> str:
    """The lock's packages, kept for a while, since they outlive new versions of the model server."""
    digest, name = order.sources.tools_digest, packages_of(order)
    tools = names.tools(order.sources.python, digest)
    labels = names.labels(environment=order.key)
    if anew:
        engine.remove(client, name)
    if engine.find_ours(client, name, labels) is None:
        _fetch_python(client, order, tell)
        if engine.find_ours(client, tools, names.labels(base=digest)) is None:
            engine.build(
                client, _of_base(order, tools, "tools", names.labels(base=digest)), tell, order.seconds
            )
        tell(images.PACKAGES)
        engine.build(client, recipe_of_packages(order, tools), tell, order.seconds)
    return name


def recipe_of_packages(order: Order, tools: str) -> Recipe:
    """The lock is a file beside a Dockerfile that never changes."""
    files = _own("packages") | order.surroundings | {"lock.txt": order.lock.encode()}
    labels = names.labels(environment=order.key)
    return Recipe(packages_of(order), files, "packages.Dockerfile", labels, {"TOOLS": tools})


def _on_top(client: docker.DockerClient, order: Order, tell: Tell, packages: str) -> Found:
    tell(images.ON_TOP)
    arguments = {"PACKAGES": packages, "SERVER": order.server}
    recipe = Recipe(order.reference, _own("environment"), "environment.Dockerfile", order.labels, arguments)
    return engine.build(client, recipe, tell, order.seconds)


def _of_base(order: Order, name: str, target: str, labels: Mapping[str, str]) -> Recipe:
    beside = {f"image/{path}": content for path, content in order.surroundings.items()}
    arguments = {"PYTHON_IMAGE": order.sources.python_image}
    return Recipe(name, {**order.sources.files, **beside}, "Dockerfile", labels, arguments, target)


def _own(name: str) -> dict[str, bytes]:
    path = HERE / f"{name}.Dockerfile"
    return {path.name: path.read_bytes()}


@contextlib.contextmanager
def _alone(order: Order, name: str) -> Iterator[None]:
    order.locks.mkdir(parents=True, exist_ok=True)
    with (order.locks / f".image-{name.rpartition('/')[2].replace(':', '-')}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
