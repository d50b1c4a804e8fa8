"""The way in: one object per platform and project."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from hopyard.client import account, config
from hopyard.client.account import Identity
from hopyard.client.environments import Environments
from hopyard.client.files import Files
from hopyard.client.inference_records import InferenceRecords
from hopyard.client.models import Models
from hopyard.client.project import Project
from hopyard.client.replays import Replays
from hopyard.client.servings import Servings
from hopyard.client.topics import Topics
from hopyard.client.transport import Transport


class Client:
    """A connection to one project of one platform.

        with Client() as client:
            version = client.models.export("iris/", "iris")
            client.servings.create_or_update("iris", f"{version.path}/predictor.py")
            client.servings.start("iris")

    What is not given comes from HOPYARD_URL, HOPYARD_API_KEY and HOPYARD_PROJECT, then from the file
    `hopyard login` wrote. `timeout` is in seconds and holds for each wait on the network, not for a whole
    upload. Nothing is sent before the first call. Safe to share between threads.

    Raises ConfigurationError when address, key or project is nowhere to be found.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        project: str | None = None,
        timeout: float = 30,
    ) -> None:
        found = config.resolve(url, api_key, project)
        self._open(Transport(found.url, found.api_key, timeout), found.project)

    def _open(self, transport: Transport, project: str) -> None:
        self._transport = transport
        self.url = transport.url
        self.project = project
        here = Project(transport, project)
        self.models = Models(here)
        self.servings = Servings(here)
        self.inference_records = InferenceRecords(here)
        self.replays = Replays(here)
        self.files = Files(here)
        self.environments = Environments(here)
        self.topics = Topics(here)

    def in_project(self, project: str) -> Client:
        """The same connection looking at another project; closing either closes both."""
        other = object.__new__(Client)
        other._open(self._transport, project)
        return other

    def me(self) -> Identity:
        """Whose key this is, and the projects it reaches."""
        return account.identify(self._transport)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client(url={self.url!r}, project={self.project!r})"
