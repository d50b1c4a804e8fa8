"""What replicas in containers have in common wherever they run: names, labels, environment, files. No engine.

`hardening.py` has their limits, `planning.py` which of them to end and to start, `output.py` what their logs say.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePosixPath

from worker.deployers import directories
from worker.deployers.base import File, RevisionSpec, ServingSpec

ARTIFACT = "/hopyard/artifact"
START = "/hopyard/start"
WORK = "/hopyard/work"
PORT = 8080
COMMAND = ("python", "-P", "-m", "hopyard.server.container")

MANAGED = "hopyard.managed"
INSTALLATION = "hopyard.installation"
SERVING = "hopyard.serving"
REPLICA = "hopyard.replica"
REVISION = "hopyard.revision"
COMPONENT = "hopyard.component"
SLOT = "hopyard.slot"
ATTEMPT = "hopyard.attempt"
ARTIFACT_LABEL = "hopyard.artifact"
TELLS = "hopyard.tells"
AS_IT_GOES = "as it goes"

LONGEST_NAME = 40
REMEMBERED = 20
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
OF_THE_PLATFORMS_DISK = (
    "HOPYARD_TOPIC_DIR",
    "HOPYARD_SPILL_DIR",
    "HOPYARD_KEYS_FILE",
    "HOPYARD_PREDICTORS_FILE",
)


def container_name(installation: str, serving: str, replica: str) -> str:
    """Unique on an engine, so that of two workers that start the same attempt only one does; at most 63 characters."""
    digest = blake2b(f"{installation}/{serving}".encode(), digest_size=4).hexdigest()
    return f"hopyard-{digest}-{serving}"[:LONGEST_NAME].rstrip("-.") + f"-{replica}"


def labels(
    installation: str, spec: ServingSpec, share: RevisionSpec, slot: int, attempt: int
) -> dict[str, str]:
    """Who a container is; all that is ever asked of an engine is asked by these."""
    known = {
        REPLICA: directories.name_of(share, slot, attempt),
        REVISION: str(share.revision),
        COMPONENT: str(share.component),
        SLOT: str(slot),
        ATTEMPT: str(attempt),
        ARTIFACT_LABEL: share.artifact,
        TELLS: AS_IT_GOES if "HOPYARD_PREFLIGHT" in share.environment else "at the end",
    }
    return mine(installation, spec.name) | known


def mine(installation: str, serving: str = "") -> dict[str, str]:
    """The labels of everything that belongs to an installation, or to one of its servings."""
    found = {MANAGED: "true", INSTALLATION: installation}
    return found | {SERVING: serving} if serving else found


@dataclass(frozen=True)
class Identity:
    """What the labels of a container say."""

    name: str
    revision: int
    component: str
    slot: int
    attempt: int

    @classmethod
    def of(cls, found: Mapping[str, str]) -> "Identity":
        numbers = (int(found[label]) for label in (REVISION, SLOT, ATTEMPT))
        revision, slot, attempt = numbers
        return cls(found[REPLICA], revision, found[COMPONENT], slot, attempt)


def environment(
    spec: ServingSpec, share: RevisionSpec, *, replica: str, grace_seconds: float, fetches: bool
) -> dict[str, str]:
    """What the process in the container finds in its environment; `fetches` if its files are not mounted."""
    told = {name: value for name, value in share.environment.items() if name not in OF_THE_PLATFORMS_DISK}
    if "PYTHONPATH" in told:
        told["PYTHONPATH"] = f"/opt/hopyard:{told['PYTHONPATH']}"
    threads = str(max(1, math.floor(share.cores)))
    return {
        **dict.fromkeys(THREAD_VARIABLES, threads),
        "HOME": "/tmp",  # noqa: S108 - the container's own
        **told,
        "HOPYARD_HOST": "0.0.0.0",  # noqa: S104 - of the container's own network
        "HOPYARD_PORT": str(PORT),
        "HOPYARD_REPLICA": replica,
        "HOPYARD_TOKEN": spec.token,
        "HOPYARD_REPORTS": "output",
        "HOPYARD_DRAIN_SECONDS": str(max(1, grace_seconds - 2)),
        "HOPYARD_ARTIFACT_DIR": WORK,
        "HOPYARD_MANIFEST_DIR": ARTIFACT,
        "HOPYARD_MANIFEST": f"{START}/manifest.json",
        "HOPYARD_ARTIFACT_DIGEST": share.artifact,
        "ARTIFACT_FILES_PATH": WORK,
        "MODEL_FILES_PATH": WORK,
        "PYTHONUNBUFFERED": "1",
        **_scripts(share),
        **_optional(share, fetches=fetches),
    }


def _optional(share: RevisionSpec, *, fetches: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    if share.control_url:
        found["HOPYARD_CONTROL_URL"] = share.control_url
    if fetches:
        found["HOPYARD_FILES_URL"] = share.files_url
    if share.knows_example and any(file.path == "input_example.json" for file in share.files):
        found["HOPYARD_INPUT_EXAMPLE"] = f"{ARTIFACT}/input_example.json"
    return found


def _scripts(share: RevisionSpec) -> dict[str, str]:
    """The variables that say which scripts to run."""
    variables: dict[str, str] = {}
    for name, file in (("SCRIPT", share.script), ("TRANSFORMER", share.transformer)):
        if file is not None:
            path = file.path if is_in_artifact(file, share) else PurePosixPath(file.path).name
            variables |= {f"HOPYARD_{name}": f"{WORK}/{path}", f"HOPYARD_{name}_SHA256": file.sha256}
            variables.setdefault("SCRIPT_NAME", PurePosixPath(path).name)
    return variables


def is_in_artifact(script: File, share: RevisionSpec) -> bool:
    return any((file.path, file.sha256) == (script.path, script.sha256) for file in share.files)


def scripts_beside(share: RevisionSpec) -> list[File]:
    """The scripts that are no files of the artifact, which lie in `START/scripts` by their names."""
    found = [file for file in (share.script, share.transformer) if file is not None]
    return [file for file in found if not is_in_artifact(file, share)]


def artifact_bytes(share: RevisionSpec) -> int:
    """What the artifact's files weigh, as the manifest says."""
    return sum(int(size) for _, size, _ in json.loads(share.manifest))
