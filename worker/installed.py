"""The deployer of this installation, made from its settings."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from worker.deployers.base import Deployer
from worker.deployers.local import LocalDeployer


def deployer() -> Deployer:
    """Deployers have no memory, so a new one each time is as good as the last."""
    if settings.DEPLOYER != "local":
        raise ImproperlyConfigured(f"HOPYARD_DEPLOYER is {settings.DEPLOYER!r}; this version knows local.")
    return LocalDeployer(
        root=settings.REPLICA_DIR,
        artifacts=settings.ARTIFACT_DIR,
        log_dir=settings.LOG_DIR,
        grace_seconds=settings.STOP_GRACE_SECONDS,
    )
