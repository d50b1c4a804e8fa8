"""Talks to the Docker engine about images: what is there, build, pull, push and remove; its errors in our words."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from urllib3.exceptions import HTTPError

from worker.deployers.engine import knock
from worker.environments.uv import Tell
from worker.images import names, problems, sources, streams
from worker.images.streams import Told

SECONDS_TO_ANSWER = 20


@dataclass(frozen=True)
class Found:
    """An image as the engine knows it."""

    id: str
    size_bytes: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Recipe:
    """One build: the Dockerfile's path among the files, its arguments, and what comes of it."""

    name: str
    files: Mapping[str, bytes]
    dockerfile: str
    labels: Mapping[str, str]
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@contextlib.contextmanager
def connected(url: str, seconds: int = SECONDS_TO_ANSWER) -> Iterator[docker.DockerClient]:
    """A client whose errors are problems with a sentence."""
    with in_our_words(url):
        knock(url)
        client = docker.DockerClient(url, timeout=seconds, version="auto")
        with contextlib.closing(client):
            yield client


@contextlib.contextmanager
def in_our_words(url: str) -> Iterator[None]:
    try:
        yield
    except (DockerException, requests.exceptions.RequestException, HTTPError, OSError) as error:
        raise problems.of_surprise(url, error) from error


def _api(client: docker.DockerClient) -> Any:
    """The engine's own API, of which the stubs know half."""
    return client.api


def find(client: docker.DockerClient, name: str) -> Found | None:
    try:
        seen = _api(client).inspect_image(name)
    except ImageNotFound:
        return None
    return Found(seen["Id"], seen["Size"], seen["Config"].get("Labels") or {})


def find_ours(client: docker.DockerClient, name: str, labels: Mapping[str, str]) -> Found | None:
    """The image of that name if it is what the labels say; a stranger's of that name is a problem."""
    found = find(client, name)
    if found is not None and names.MANAGED not in found.labels:
        raise problems.of_foreign(name)
    return found if found is not None and names.bears(found.labels, labels) else None


def build(client: docker.DockerClient, recipe: Recipe, tell: Tell, seconds: int) -> Found:
    """Raises EnvironmentProblem with the words of the step that failed."""
    events = _api(client).build(
        fileobj=sources.archive(recipe.files),
        custom_context=True,
        dockerfile=recipe.dockerfile,
        tag=recipe.name,
        buildargs=dict(recipe.arguments),
        labels=dict(recipe.labels),
        target=recipe.target,
        rm=True,
        forcerm=True,
        decode=True,
        timeout=seconds,
        use_config_proxy=True,
    )
    told = streams.follow(events, tell, seconds)
    found = None if told.error else find(client, recipe.name)
    if found is None:
        raise problems.of_build(told.output, told.error or "the engine lost the image it had built")
    return found


def pull(client: docker.DockerClient, name: str, tell: Tell, seconds: int) -> None:
    try:
        told = streams.follow(_api(client).pull(name, stream=True, decode=True), tell, seconds)
    except DockerException as error:
        told = Told("", str(error))
    if told.error:
        raise problems.of_python_image(name, told.error)


def push(client: docker.DockerClient, name: str, tell: Tell, seconds: int) -> None:
    told = streams.follow(_api(client).push(name, stream=True, decode=True), tell, seconds)
    if told.error:
        raise problems.of_push(name, told.error)


def name(client: docker.DockerClient, image_id: str, repository: str) -> None:
    """Have it found as the latest of that name too, unless a stranger's is."""
    taken = find(client, f"{repository}:latest")
    if taken is None or names.MANAGED in taken.labels:
        _api(client).tag(image_id, repository, "latest")


def remove(client: docker.DockerClient, name: str) -> bool:
    """Whether it is gone; the engine keeps what a container still needs."""
    try:
        _api(client).remove_image(name)
    except NotFound:
        return True
    except APIError:
        return False
    return True
