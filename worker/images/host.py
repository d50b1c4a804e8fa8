"""What this host and its settings say about images: the engine, the base, the registry, the way to the network."""

import json
import os
from pathlib import Path

from django.conf import settings

from worker.environments import host
from worker.images import names, sources
from worker.images.build import Order
from worker.images.sources import Sources

OF_THE_NETWORK = {"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
OF_THE_INDEX = (
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_HTTP_",
    "UV_INDEX",
    "UV_INSECURE_HOST",
)


def engine_url() -> str:
    return str(settings.DOCKER_URL)


def of_python(version: str) -> Sources:
    """The sources of the base for a Python such as "3.12", one of those that the host has."""
    folder: Path = settings.BASE_DIR / "sdk"
    return sources.read(folder, version, settings.BASE_IMAGE.format(version=version))


def reference(key: str, python: str) -> tuple[str, str]:
    """The digest of the base, and the name that the image of an environment on it has."""
    base = of_python(python).digest
    return base, names.environment(key, base, settings.IMAGE_REGISTRY)


def order(key: str, python: str, lock: str) -> Order:
    return Order(
        key=key,
        lock=lock,
        sources=of_python(python),
        locks=host.root(),
        surroundings=_surroundings(),
        seconds=settings.ENVIRONMENT_TIMEOUT_SECONDS,
        registry=settings.IMAGE_REGISTRY,
    )


def _surroundings() -> dict[str, bytes]:
    """The administrator's proxies, index and certificates, as the worker itself was given them."""
    told = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in OF_THE_NETWORK or name.startswith(OF_THE_INDEX)
    }
    if settings.ALLOW_SOURCE_BUILDS:
        told["HOPYARD_ALLOW_SOURCE_BUILDS"] = "1"
    found = {"surroundings.json": json.dumps(told, sort_keys=True).encode()}
    certificates = os.environ.get("SSL_CERT_FILE")
    if certificates and Path(certificates).is_file():
        found["certificates.pem"] = Path(certificates).read_bytes()
    return found
