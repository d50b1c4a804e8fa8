"""The model server as a package of no environment: what it needs of one, and how a replica in one finds it."""

import functools
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from worker.environments.problems import EnvironmentProblem
from worker.environments.uv import clean_environment

EXTRA = "server"
PATIENCE_SECONDS = 60
QUESTION = """
import json, importlib.metadata as metadata, pathlib, hopyard
found = metadata.distribution("hopyard")
print(json.dumps([
    str(pathlib.Path(hopyard.__file__).parent), str(found._path), found.version,
    found.metadata["Requires-Python"] or "", found.requires or [],
]))
"""


@dataclass(frozen=True)
class ModelServer:
    """Where the package and its metadata lie, and what its extra `server` needs."""

    package: Path
    metadata: Path
    version: str
    supported: SpecifierSet
    needs: tuple[str, ...]

    def folder(self, root: Path) -> Path:
        """A folder for the import path that holds the model server and nothing else."""
        digest = hashlib.sha256(f"{self.package}\n{self.metadata}".encode()).hexdigest()
        folder = root / f"model-server-{self.version}-{digest[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        for target in (self.package, self.metadata):
            link = folder / target.name
            if not link.is_symlink():
                draft = folder / f".{target.name}-{digest[12:20]}"
                draft.unlink(missing_ok=True)
                draft.symlink_to(target)
                draft.replace(link)
        return folder


@functools.lru_cache(maxsize=4)
def of(python: Path) -> ModelServer:
    """The model server that the platform's own replicas run, asked of their interpreter."""
    try:
        said = subprocess.run(
            [python, "-I", "-c", QUESTION],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
        )
        package, metadata, version, supported, requires = json.loads(said.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        words = getattr(error, "stderr", None) or str(error)
        reason = f"The replicas' Python, {python}, does not have the model server; run make setup."
        raise EnvironmentProblem("ModelServerMissing", reason, words) from None
    return ModelServer(
        Path(package), Path(metadata), version, SpecifierSet(supported), _needs(map(Requirement, requires))
    )


def _needs(requires: "map[Requirement]") -> tuple[str, ...]:
    """The requirements that the extra adds, without what only the client needs."""
    return tuple(
        f"{each.name}{each.specifier}"
        for each in requires
        if each.marker and each.marker.evaluate({"extra": EXTRA}) and not each.marker.evaluate({"extra": ""})
    )
