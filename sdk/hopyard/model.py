"""Models by module functions: the names and argument order of hops 2.3-2.4.

They use one shared client: see `hopyard.connect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hopyard.client.client import Client
from hopyard.client.default import current
from hopyard.client.errors import InvalidArgument
from hopyard.client.records import ModelVersion

__all__ = ["Metric", "download_model", "export", "get_best_model", "get_model"]


class Metric:
    """Which end of a metric is best."""

    MAX = "MAX"
    MIN = "MIN"


def export(  # noqa: PLR0913, PLR0917 - the order is Hopsworks'
    model_path: str | Path,
    model_name: str,
    model_version: int | None = None,
    overwrite: bool = False,
    metrics: Mapping[str, Any] | None = None,
    description: str | None = None,
    synchronous: bool = True,
    synchronous_timeout: float = 120,
    project: str | None = None,
    *,
    input_example: Any = None,
    schema: Any = None,
    tags: Mapping[str, Any] | None = None,
    aliases: Iterable[str] = (),
) -> ModelVersion:
    """Register a model version: from a local file, a local folder's children, or a path in the project.

    `model_path` is looked for on this machine first; otherwise it is a path such as `Resources/iris`,
    and the platform copies it. The version can be served when this returns, so `synchronous` changes
    nothing; `synchronous_timeout` is the seconds the platform has for its own part. Returns the version
    (hops returns None).

    `input_example` (rows, a table, an array or a request body) is kept with the version and tried before it is
    served; `schema`, in Hopsworks' form, is derived from it unless given. `tags` hold any JSON, `aliases` stand for
    this version from now on. See `Models.export` for what is recorded of this process.

    Raises ValueError when there is nothing at that path, Conflict when the version exists and `overwrite`
    is not set.
    """
    return _client(project).models.export(
        model_path,
        str(model_name),
        version=model_version,
        overwrite=overwrite,
        metrics=metrics,
        description=description or "",
        tags=tags,
        aliases=aliases,
        input_example=input_example,
        schema=schema,
        timeout=synchronous_timeout,
    )


def get_model(
    name: str, version: int | None = None, project: str | None = None, *, alias: str | None = None
) -> ModelVersion:
    """One version, by number or alias, else the newest (hops returns the HTTP response). Raises NotFound."""
    return _client(project).models.get(name, version, alias=alias)


def get_best_model(name: str, metric: str, direction: str) -> ModelVersion:
    """The version whose metric is highest (Metric.MAX) or lowest (Metric.MIN). Raises NotFound."""
    match str(direction).upper():
        case Metric.MAX:
            return current().models.best(name, metric, "max")
        case Metric.MIN:
            return current().models.best(name, metric, "min")
    raise InvalidArgument(f"The direction is Metric.MAX or Metric.MIN, not {direction!r}.")


def download_model(
    name: str, version: int | None = None, project_name: str | None = None, overwrite: bool = False
) -> Path:
    """Download into `<name>/<version>` of the working directory; without a version, all of them.

    Returns the folder (hops leaves a zip file). Raises NotFound, and ValueError when a file is already
    there and `overwrite` is not set.
    """
    models = _client(project_name).models
    if version is not None:
        return models.download(name, version, overwrite=overwrite)
    for each in models.versions(name):
        models.download(name, each.version, overwrite=overwrite)
    return Path(name)


def _client(project: str | None) -> Client:
    return current().in_project(project) if project else current()
