"""Where the benchmark keeps its environments, data, logs and results, and how they are made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
HOME = Path(os.environ.get("BENCH_HOME", "~/.cache/hopyard-bench")).expanduser()
DATA, LOGS, RESULTS, SOURCES, VENVS = (
    HOME / name for name in ("data", "logs", "results", "sources", "venvs")
)

MODELS = ("numpy==2.4.6", "scikit-learn==1.9.1")
REQUIREMENTS = {
    "hopyard": (f"hopyard[server] @ {(ROOT / 'sdk').as_uri()}", "joblib"),
    "fastapi": ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "orjson==3.13.0"),
    "kserve": ("kserve==0.21.0",),
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22"),
    "flask": ("flask~=3.1", "gunicorn~=27.0"),
    "litserve": ("litserve~=0.2",),
    "bentoml": ("bentoml~=1.4.0",),
    "ray": ("ray[serve]~=2.60.0",),
}
USUAL = ("hopyard", "fastapi", "kserve", "mlserver")


def python(environment: str) -> str:
    return str(VENVS / environment / "bin" / "python")


def is_built(environment: str) -> bool:
    return (VENVS / environment / "ready").exists()


def setup(environments: list[str]) -> None:
    """Build what is missing of the named environments, then the data."""
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    for directory in (DATA, LOGS, RESULTS, SOURCES, VENVS):
        directory.mkdir(parents=True, exist_ok=True)
    for name in environments:
        if is_built(name) and name != "hopyard":
            continue
        print(f"building {VENVS / name}", flush=True)
        if not Path(python(name)).exists():
            subprocess.run([uv, "venv", "--quiet", "--python", "3.11", VENVS / name], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python(name), *MODELS, *REQUIREMENTS[name]]
        subprocess.run(install, check=True)
        (VENVS / name / "ready").touch()
    subprocess.run([python("hopyard"), BENCH / "data.py", DATA], check=True)


def require(environments: set[str]) -> None:
    missing = sorted(name for name in environments if not is_built(name))
    if missing:
        sys.exit(f"Not built yet: {', '.join(missing)}. Run: python bench/run.py setup {' '.join(missing)}")
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed; the benchmark needs it.")


def sources(commit: str) -> Path:
    """Return the directory to import our server from, as of a commit or (empty) of the working tree now."""
    if not commit:
        copy = SOURCES / "now"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ROOT / "sdk", copy, ignore=shutil.ignore_patterns("__pycache__"))
        return copy
    resolve = ["git", "-C", ROOT, "rev-parse", "--short=12", f"{commit}^{{commit}}"]
    name = subprocess.run(resolve, check=True, capture_output=True, text=True).stdout.strip()
    copy = SOURCES / name
    if not copy.exists():
        copy.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", ROOT, "archive", name, "sdk"], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", copy, "--strip-components=1"], input=archive.stdout, check=True)
    return copy
