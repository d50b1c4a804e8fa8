"""What this host and its settings offer for environments: uv, the Pythons, the model server."""

from pathlib import Path

from django.conf import settings

from serving.models import Interpreter
from worker.environments import interpreters, model_server, uv
from worker.environments.interpreters import BadSetting, Python
from worker.environments.model_server import ModelServer
from worker.environments.problems import EnvironmentProblem
from worker.environments.uv import Uv


def root() -> Path:
    folder: Path = settings.ENVIRONMENT_DIR
    return folder


def tool() -> Uv:
    return Uv(
        uv.find(settings.UV, settings.BASE_DIR),
        allows_sources=settings.ALLOW_SOURCE_BUILDS,
        seconds=settings.ENVIRONMENT_TIMEOUT_SECONDS,
    )


def replica_python() -> Path:
    """What runs the replicas that have the platform's own packages."""
    path: Path = settings.REPLICA_PYTHON
    return path


def server() -> ModelServer:
    return model_server.of(replica_python())


def pythons() -> dict[str, Python]:
    """By their versions, such as "3.12"."""
    try:
        return interpreters.find(settings.PYTHONS, first=replica_python(), supported=server().supported)
    except BadSetting as error:
        raise EnvironmentProblem("PythonMissing", str(error)) from None


def python(version: str) -> Python:
    known = Interpreter.objects.filter(version=version).first()
    if known is not None and (seen := interpreters.ask(Path(known.path))) and seen.version == version:
        return seen
    found = pythons()
    if version not in found:
        offered = ", ".join(found) or "none"
        reason = f"The worker has no Python {version} any more (it has {offered}); choose another under Edit."
        raise EnvironmentProblem("PythonMissing", reason)
    return found[version]
