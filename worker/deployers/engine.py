"""Speaks to a Docker engine: one client for each address, and its errors as sentences for users."""

import contextlib
import functools
from collections.abc import Iterator

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from worker.deployers.base import DeployerError

SECONDS_TO_ANSWER = 60
CONFLICT = 409


@functools.lru_cache(maxsize=8)
def client(url: str) -> docker.APIClient:
    """The client of the engine at an address, which finds its way back after the engine was restarted."""
    with errors(url):
        return docker.APIClient(base_url=url, version="auto", timeout=SECONDS_TO_ANSWER)


@contextlib.contextmanager
def errors(url: str) -> Iterator[None]:
    """Raise what the engine, or its silence, says as a `DeployerError`."""
    try:
        yield
    except ImageNotFound as error:
        reason = f"The engine at {url} has not got the image: {_words(error)}; it is built again at the next start."
        raise DeployerError("ImageMissing", reason) from error
    except APIError as error:
        words = _words(error)
        if "could not select device driver" in words:
            reason = f"The engine at {url} has no GPUs to give; ask for none, or install NVIDIA's container toolkit."
            raise DeployerError("GpuMissing", reason) from error
        raise DeployerError("EngineRefused", f"The Docker engine at {url} refused: {words}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        reason = f"The Docker engine at {url} does not answer; see that it runs and may be reached ({_words(error)})."
        raise DeployerError("EngineUnreachable", reason) from error


def _words(error: Exception) -> str:
    words = str(getattr(error, "explanation", None) or error)
    return " ".join(words.split())[:500]
