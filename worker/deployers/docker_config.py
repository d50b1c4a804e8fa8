"""Words a replica and its hardening as the Docker engine's API wants them: pure functions."""

from collections.abc import Mapping
from typing import Any

from worker.deployers import containers
from worker.deployers.hardening import Hardening
from worker.deployers.networks import NOWHERE

SCRATCH = "rw,noexec,nosuid,nodev,mode=1777,nr_inodes=65536"


def container(
    *,
    image: str,
    hostname: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    limits: Hardening,
    mounts: Mapping[str, str],
    network: str,
) -> dict[str, Any]:
    """The body of a `create`; `mounts` are folders of the host by where the container finds them, to read only."""
    return {
        "Image": image,
        "Hostname": hostname[:63],
        "Entrypoint": list(containers.COMMAND),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "WorkingDir": containers.WORK,
        "User": limits.user,
        "Labels": dict(labels),
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
        "HostConfig": {
            **_namespaces(limits, network),
            **_rights(limits),
            **_resources(limits),
            "Mounts": [_mount(source, target) for target, source in mounts.items()],
            "Tmpfs": {path: f"{SCRATCH},size={size}" for path, size in limits.scratch.items()},
            "LogConfig": {"Type": limits.log_driver, "Config": dict(limits.log_options)},
            "RestartPolicy": {"Name": "no"},  # attempts are counted, and made, by the platform
        },
    }


def _namespaces(limits: Hardening, network: str) -> dict[str, Any]:
    return {
        "NetworkMode": network,
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "CgroupnsMode": "private",
        "Dns": [] if limits.has_egress else list(NOWHERE),
        "DnsOptions": [] if limits.has_egress else ["timeout:1", "attempts:1"],  # what fails is to fail soon
        "Init": limits.init,
    }


def _rights(limits: Hardening) -> dict[str, Any]:
    return {
        "ReadonlyRootfs": limits.is_root_read_only,
        "Privileged": False,
        "CapDrop": list(limits.cap_drop),
        "SecurityOpt": list(limits.security_opt),
    }


def _resources(limits: Hardening) -> dict[str, Any]:
    return {
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # both together: nothing is swapped
        "NanoCpus": limits.nano_cpus,
        "PidsLimit": limits.processes,
        "ShmSize": limits.shm_bytes,
        "OomScoreAdj": limits.oom_score,
        "Ulimits": [_ulimit("nofile", limits.open_files), _ulimit("core", 0)],
        "DeviceRequests": [{"Driver": "", "Count": limits.gpus, "Capabilities": [["gpu"]]}]
        if limits.gpus
        else [],
    }


def _ulimit(name: str, most: int) -> dict[str, Any]:
    return {"Name": name, "Soft": most, "Hard": most}


def _mount(source: str, target: str) -> dict[str, Any]:
    """Says nothing of propagation: what is right differs below the engine's own folder, where volumes lie."""
    options = {"NonRecursive": True}
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True, "BindOptions": options}
