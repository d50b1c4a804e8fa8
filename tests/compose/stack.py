"""docker-compose.yml as a user runs it: from a clean copy of the repository, under a project name of its own."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import docker
import httpx

from tests.waiting import eventually

PATIENCE_SECONDS = 900
# What this machine's network needs, and nothing else, is laid over the file that users get.
NETWORK_HERE = """
services:
  worker:
    environment: {{SSL_CERT_FILE: /certificates.pem}}
    volumes: ["{certificates}:/certificates.pem:ro"]
"""


def command() -> list[str] | None:
    """Compose as a plugin, as its older program, or not at all."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


@dataclass
class Stack:
    """A copy in `folder`; `values` are laid over what `make compose-env` writes."""

    folder: Path
    compose: list[str]
    engine: docker.DockerClient
    project: str
    url: str
    values: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write .env as the Makefile does, and lay this machine's certificates where platform/Dockerfile says."""
        subprocess.run(["make", "compose-env"], cwd=self.folder, check=True, capture_output=True)
        lines = (self.folder / ".env").read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in self.values]
        kept += [f"{name}={value}" for name, value in self.values.items()]
        (self.folder / ".env").write_text("\n".join(kept) + "\n")
        if certificates := os.environ.get("SSL_CERT_FILE"):
            shutil.copy(certificates, self.folder / "platform" / "certificates.pem")
            (self.folder / "network.yml").write_text(NETWORK_HERE.format(certificates=certificates))

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        files = ["-f", "docker-compose.yml"]
        if (self.folder / "network.yml").exists():
            files += ["-f", "network.yml"]
        done = subprocess.run(
            [*self.compose, *files, *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")},
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0 or not check, (
            f"{arguments}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done

    def container(self, service: str) -> docker.models.containers.Container:
        found = self.engine.containers.list(all=True, filters={"label": self._labels(service)})
        assert len(found) == 1, f"{service}: {found}"
        return found[0]

    def health(self) -> dict[str, str]:
        """By service; what is no longer running says so."""
        found = self.engine.containers.list(all=True, filters={"label": self._labels()})
        return {
            each.labels["com.docker.compose.service"]: each.attrs["State"].get("Health", {}).get("Status")
            or each.status
            for each in found
        }

    def up(self) -> None:
        """Start everything and wait until all of it says that it is well."""
        self.run("build", "web")  # the image of all four; another one of that name may be there
        self.run("up", "-d")
        well = {"healthy", "exited"}  # what has no health check left, `prepare`, has come to its end
        eventually(lambda: set(self.health().values()) <= well, seconds=180, what=f"health of {self.project}")
        assert self.container("prepare").attrs["State"]["ExitCode"] == 0
        assert [name for name, said in self.health().items() if said == "exited"] == ["prepare"]

    def manage(self, *arguments: str) -> str:
        return self.run("exec", "-T", "web", "python", "manage.py", *arguments).stdout

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def down(self) -> None:
        """As docs/production.md says, and without a trace."""
        self.run("stop", "beat", "worker", check=False)
        self.run(
            "run", "--rm", "--no-deps", "-T", "worker", "python", "manage.py", "endreplicas", check=False
        )
        for replica in self.replicas():
            replica.remove(force=True, v=True)
        self.run("down", "--volumes", "--remove-orphans", check=False)
        for network in self.engine.networks.list(names=[self.values["HOPYARD_EGRESS_NETWORK"]]):
            network.remove()

    def replicas(self) -> list[docker.models.containers.Container]:
        """Those on the network of replicas that Compose did not start, dead ones included."""
        network = self.values["HOPYARD_REPLICA_NETWORK"]
        found = self.engine.containers.list(
            all=True, filters={"network": network, "label": "hopyard.managed"}
        )
        return [each for each in found if each.labels.get("com.docker.compose.project") != self.project]

    def _labels(self, service: str = "") -> list[str]:
        labels = [f"com.docker.compose.project={self.project}"]
        return labels + ([f"com.docker.compose.service={service}"] if service else [])
