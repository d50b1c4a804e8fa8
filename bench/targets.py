"""The servers that are compared: how each is started and in which protocol it is asked.

A command may contain {port}, {grpc_port} and {model}. Peers run in their fastest way on one core.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from home import BENCH, DATA, python

SCRIPTS, PEERS = BENCH / "scripts", BENCH / "peers"


@dataclass(frozen=True, slots=True)
class Target:
    """One server. `api` is v1, v2, v2-binary, mlrun, bentoml or grpc; `environment` is the one it runs in."""

    name: str
    api: str
    environment: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def hopyard(name: str, api: str, *, batching: str, script: str = "{model}.py", source: Path) -> Target:
    """Our server, imported from `source`."""
    command = [python("hopyard"), "-m", "hopyard.server", str(SCRIPTS / script)]
    command += ["--port", "{port}", "--model-name", "{model}", "--batching", batching]
    if batching == "auto":
        command += ["--input-example", str(DATA / "{model}-example.json")]
    if api == "grpc":
        command += ["--grpc-port", "{grpc_port}"]
    env = {"PYTHONPATH": str(source), "ARTIFACT_FILES_PATH": str(DATA)}
    return Target(name, api, "hopyard", tuple(command), env)


def ours(source: Path, batching: str) -> list[Target]:
    return [
        hopyard("hopyard", "v1", batching=batching, source=source),
        hopyard("hopyard-off", "v1", batching="off", source=source),
        hopyard("hopyard-v2", "v2", batching=batching, source=source),
        hopyard("hopyard-v2-binary", "v2-binary", batching=batching, source=source),
        hopyard("hopyard-grpc", "grpc", batching=batching, source=source),
        hopyard("hopyard-v2server", "mlrun", batching=batching, script="m1_v2server.py", source=source),
        hopyard("hopyard-kserve", "v1", batching=batching, script="m1_kserve.py", source=source),
    ]


def _peer(name: str, api: str, environment: str, *command: str, **env: str) -> Target:
    program = str(Path(python(environment)).parent / command[0])
    return Target(name, api, environment, (program, *command[1:]), env)


def peers() -> list[Target]:
    gunicorn = ("gunicorn", "-k", "gthread", "--threads", "8", "--keep-alive", "60", "-b", "127.0.0.1:{port}")
    uvicorn = ("uvicorn", "fastapi_app:app", "--port", "{port}", "--no-access-log", "--log-level", "warning")
    bentoml = ("bentoml", "serve", "bentoml_app:Service", "--port", "{port}", "--host", "127.0.0.1")
    kserve, mlserver = ("python", "kserve_app.py"), ("python", "mlserver_runtime.py")
    return [
        _peer("fastapi", "v1", "fastapi", *uvicorn),
        _peer("kserve", "v1", "kserve", *kserve),
        _peer("kserve-v2", "v2", "kserve", *kserve),
        _peer("kserve-v2-binary", "v2-binary", "kserve", *kserve),
        _peer("kserve-grpc", "grpc", "kserve", *kserve, BENCH_GRPC_PORT="{grpc_port}"),
        _peer("mlserver", "v2", "mlserver", *mlserver),
        _peer("mlserver-batch", "v2", "mlserver", *mlserver, BENCH_BATCHED="1"),
        _peer("flask", "v1", "flask", *gunicorn, "flask_app:app"),
        _peer("litserve-batch", "v1", "litserve", "python", "litserve_app.py"),
        _peer("bentoml-batch", "bentoml", "bentoml", *bentoml, BENTOML_DO_NOT_TRACK="True"),
        _peer("ray-batch", "v1", "ray", "python", "ray_app.py"),
    ]
