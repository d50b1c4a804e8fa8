"""Speaks to a Docker engine: one client for each address, and its errors as sentences for users."""

import contextlib
import functools
import socket
import time
from collections.abc import Iterator

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from worker.deployers.base import DeployerError

SECONDS_TO_ANSWER = 60
SECONDS_TO_LIST = 5
SECONDS_OF_REST = 5
"""An engine that did not answer is not asked for so long, by this process: each question to a hung one costs time."""
CONFLICT = 409
OWN_TROUBLE = 500
UNREACHABLE = "EngineUnreachable"

_away: dict[str, tuple[float, str]] = {}
"""Engines that did not answer: until when they are left alone, and what was said of them."""


@functools.lru_cache(maxsize=16)
def client(url: str, seconds: int = SECONDS_TO_ANSWER) -> docker.APIClient:
    """The client of the engine at an address, which finds its way back after the engine was restarted."""
    made = docker.APIClient(base_url=url, version="auto", timeout=SECONDS_TO_LIST)
    made.timeout = seconds
    return made


def lister(url: str) -> docker.APIClient:
    """The client for questions that an engine in order answers at once."""
    return client(url, SECONDS_TO_LIST)


@contextlib.contextmanager
def errors(url: str) -> Iterator[None]:
    """Raise what the engine, or its silence, says as a `DeployerError`; at once while it rests from its silence."""
    _let_rest(url)
    silence = ""
    try:
        with in_words(url):
            knock(url)
            yield
    except DeployerError as error:
        silence = error.reason if error.code == UNREACHABLE else ""
        raise
    finally:
        if silence:
            _away[url] = (time.monotonic() + SECONDS_OF_REST, silence)
        else:
            _away.pop(url, None)


@contextlib.contextmanager
def in_words(url: str, revision: int | None = None) -> Iterator[None]:
    """The same without any rest; `revision` is the one that something is asked for."""
    try:
        yield
    except DeployerError as error:
        error.revision = revision if error.revision is None else error.revision
        raise
    except (DockerException, requests.RequestException, OSError) as error:
        said = _said(url, error)
        said.revision = revision
        raise said from error


def knock(url: str) -> None:
    """The client leaves a socket behind where nobody listens, so that is found out before. Raises OSError."""
    kind, _, path = url.partition("://")
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(SECONDS_TO_LIST)
            door.connect(path)


def forget_silence() -> None:
    """Ask every engine again at once."""
    _away.clear()


def _let_rest(url: str) -> None:
    """Once the rest is over one question is let through, and the others wait for what comes of it."""
    until, silence = _away.get(url, (0.0, ""))
    if not silence:
        return
    now = time.monotonic()
    if now < until:
        raise DeployerError(UNREACHABLE, silence, may_pass=True)
    _away[url] = (now + SECONDS_TO_LIST, silence)


def _said(url: str, error: Exception) -> DeployerError:
    words = _words(error)
    if isinstance(error, ImageNotFound):
        reason = f"The engine at {url} has not got the image: {words}; it is built again at the next start."
        return DeployerError("ImageMissing", reason, may_pass=True)
    if not isinstance(error, APIError):
        reason = f"The Docker engine at {url} does not answer; see that it runs and may be reached ({words})."
        return DeployerError(UNREACHABLE, reason, may_pass=True)
    if "could not select device driver" in words:
        reason = (
            f"The engine at {url} has no GPUs to give; ask for none, or install NVIDIA's container toolkit."
        )
        return DeployerError("GpuMissing", reason)
    status = error.status_code or 0
    is_of_the_moment = status == CONFLICT or status >= OWN_TROUBLE
    return DeployerError(
        "EngineRefused", f"The Docker engine at {url} refused: {words}", may_pass=is_of_the_moment
    )


def _words(error: Exception) -> str:
    words = str(getattr(error, "explanation", None) or error)
    return " ".join(words.split())[:500]
