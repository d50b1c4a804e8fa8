"""The deployers of this installation, made from its settings."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from worker.deployers.base import Deployer
from worker.deployers.local import LocalDeployer
from worker.deployers.several import SeveralDeployers


def deployer() -> Deployer:
    """Deployers have no memory, so a new one each time is as good as the last."""
    return SeveralDeployers({name: _made(name) for name in settings.DEPLOYERS})


def _made(name: str) -> Deployer:
    if name not in _MAKERS:
        known = ", ".join(_MAKERS)
        raise ImproperlyConfigured(f"HOPYARD_DEPLOYER names {name!r}; this version knows {known}.")
    return _MAKERS[name]()


def _local() -> Deployer:
    return LocalDeployer(
        root=settings.REPLICA_DIR,
        artifacts=settings.ARTIFACT_DIR,
        log_dir=settings.LOG_DIR,
        grace_seconds=settings.STOP_GRACE_SECONDS,
    )


_MAKERS: dict[str, Callable[[], Deployer]] = {"local": _local}
