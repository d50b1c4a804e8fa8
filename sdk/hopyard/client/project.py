"""One project of one platform: what models, servings and files stand on."""

from __future__ import annotations

from dataclasses import dataclass

from hopyard.client.paths import segment
from hopyard.client.transport import Transport


@dataclass(frozen=True)
class Project:
    transport: Transport
    name: str

    def path(self, *parts: str | int) -> str:
        """`path("models", "iris")` is `/api/projects/<project>/models/iris/`."""
        return "/".join(["/api/projects", segment(self.name), *(segment(part) for part in parts), ""])
