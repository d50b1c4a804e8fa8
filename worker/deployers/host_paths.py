"""Where our folders lie for the engine, which mounts paths of its host and not of the worker's own container."""

import contextlib
import re
import socket
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import docker
from docker.errors import NotFound

from worker.deployers.base import DeployerError

OWN_FILES = re.compile("/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv.conf)")


def on_host(path: Path, mounts: Mapping[str, str]) -> str:
    """`path` below the deepest of `mounts` (ours: the host's); without any it is the host's already."""
    if not mounts:
        return str(path)
    for inside in (path, *path.parents):
        if str(inside) in mounts:
            return str(PurePosixPath(mounts[str(inside)]) / path.relative_to(inside))
    reason = (
        f"{path} is in this worker's container alone, so that no other container can mount it; put it on a volume, "
        "or say in HOPYARD_HOST_PATHS where it lies on the host."
    )
    raise DeployerError("PathNotShared", reason, may_pass=True)


def own_mounts(client: docker.APIClient) -> dict[str, str]:
    """The mounts of the container that this process runs in; none where it runs on the host itself."""
    name = own_container()
    if not name:
        return {}
    try:
        mounts = client.inspect_container(name)["Mounts"]
    except NotFound:  # a container of another engine than the one asked
        return {}
    return {each["Destination"]: each["Source"] for each in mounts}


def own_container() -> str:
    """The id of the container that this process runs in, or nothing."""
    with contextlib.suppress(OSError):
        if found := OWN_FILES.search(Path("/proc/self/mountinfo").read_text()):
            return found[1]
    return socket.gethostname() if Path("/.dockerenv").exists() else ""
