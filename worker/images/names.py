"""How images and their labels are named; whoever finds one knows from its labels whose it is and what is in it."""

from collections.abc import Mapping

MANAGED = "hopyard.managed"
BASE = "hopyard.base"
ENVIRONMENT = "hopyard.environment"
PYTHONPATH = "/opt/hopyard"  # where the model server lies in every image
SHORT = 12


def server(version: str, python: str, base: str) -> str:
    return f"hopyard/server:{version}-py{python}-{base[:SHORT]}"


def tools(python: str, digest: str) -> str:
    return f"hopyard/tools:py{python}-{digest[:SHORT]}"


def packages(key: str, tools_digest: str) -> str:
    return f"hopyard/packages:{key[:SHORT]}-{tools_digest[:SHORT]}"


def environment(key: str, base: str, registry: str = "") -> str:
    """With the registry it is pushed to and pulled from, where there is one."""
    prefix = f"{registry}/" if registry else ""
    return f"{prefix}hopyard/environment:{key[:SHORT]}-{base[:SHORT]}"


def labels(*, base: str = "", environment: str = "") -> dict[str, str]:
    told = {BASE: base, ENVIRONMENT: environment}
    return {MANAGED: "true"} | {name: value for name, value in told.items() if value}


def bears(found: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether an image has these labels."""
    return wanted.items() <= (found or {}).items()
