"""The server's settings: read once from the environment and the command line, and frozen.

Nothing else in this package reads the environment. An argument overrides its variable:
`--max-batch-size` is `HOPYARD_MAX_BATCH_SIZE`; secrets have no arguments.
"""

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from hopyard.server import options, texts
from hopyard.server.bodies.cloudevents import Manners
from hopyard.server.failures import writable
from hopyard.server.options import Setting

FILES_VARIABLES = ("HOPYARD_ARTIFACT_DIR", "ARTIFACT_FILES_PATH", "MODEL_FILES_PATH")


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of one server process; `None` means the thing is off or unknown. `arguments` are those
    of the command line that the script may read as its own.
    """

    script: Annotated[Path | None, Setting("the .py file that holds the model's class", Path)] = None
    transformer: Annotated[
        Path | None, Setting("the .py file of a Transformer, before the script or in its place", Path)
    ] = None
    predictors_file: Annotated[
        Path | None, Setting("JSON list of host:port, the predictors of a transformer without script", Path)
    ] = None
    class_name: Annotated[str, Setting("the class to serve, where the script has several")] = ""
    model_name: Annotated[str, Setting("name in URLs; the script's name without .py unless given")] = ""
    class_args: Annotated[
        dict[str, Any] | None,
        Setting("JSON object of arguments and parameters for the class, as MLRun's", texts.json_object),
    ] = None
    data_urls: Annotated[
        bool, Setting("on: fetch the data_url of a request to a V2ModelServer", texts.switch)
    ] = False
    host: Annotated[str, Setting("address of the private port")] = "127.0.0.1"
    port: Annotated[int, Setting("private port; 0 lets the kernel choose", texts.port)] = 8080
    grpc_port: Annotated[int | None, Setting("port for gRPC alone; PORT answers it as well", texts.port)] = (
        None
    )
    enable_grpc: Annotated[bool, Setting("off: no gRPC on any port", texts.switch)] = True
    shared_port: Annotated[int | None, Setting("port joined with other replicas once ready", texts.port)] = (
        None
    )
    shared_host: Annotated[str, Setting("address of the shared port; HOST unless given")] = ""
    shared_file: Annotated[
        Path | None, Setting("file that has to be there before the shared port is joined", Path)
    ] = None
    address_file: Annotated[Path | None, Setting("file that receives host:port", Path)] = None
    termination_file: Annotated[Path | None, Setting("file that receives a fatal failure", Path)] = None
    reports: Annotated[str, Setting("output: report on stdout, not in TERMINATION_FILE", texts.reports)] = (
        "file"
    )
    keys_file: Annotated[Path | None, Setting("hashed keys; without it anybody may predict", Path)] = None
    token: Annotated[
        str,
        Setting("what the gateway comes with, in place of keys: nobody else may predict", is_secret=True),
    ] = ""
    control_url: Annotated[
        str,
        Setting("where the platform takes records and lists predictors, where it shares no disk", texts.url),
    ] = ""
    files_url: Annotated[str, Setting("where a container fetches its files from", texts.url)] = ""
    fetch_seconds: Annotated[float, Setting("time given to fetching them", texts.seconds)] = 120.0
    artifact_dir: Annotated[Path | None, Setting("directory of the model's files", Path)] = None
    manifest: Annotated[
        Path | None, Setting("JSON list of [path, size, sha256] that the artifact's files must be", Path)
    ] = None
    manifest_dir: Annotated[
        Path | None, Setting("directory that the manifest is about; ARTIFACT_DIR unless given", Path)
    ] = None
    artifact_digest: Annotated[str, Setting("sha256 of the manifest", texts.sha256)] = ""
    script_sha256: Annotated[str, Setting("sha256 the script must have", texts.sha256)] = ""
    transformer_sha256: Annotated[str, Setting("sha256 the transformer must have", texts.sha256)] = ""
    preflight: Annotated[bool, Setting("on: check the script, report and exit", texts.switch)] = False
    input_example: Annotated[Path | None, Setting("JSON predicted once before ready", Path)] = None
    max_body_bytes: Annotated[int, Setting("largest request body accepted", texts.count)] = 64 * 1024 * 1024
    batching: Annotated[
        str,
        Setting(
            "predict waiting requests together: on, off, or auto, if the input example proves it",
            texts.batching,
        ),
    ] = "auto"
    max_batch_size: Annotated[int, Setting("most rows predicted together", texts.count)] = 64
    max_latency: Annotated[
        float, Setting("seconds a request may wait for others; 0 adds no delay at all", texts.seconds)
    ] = 0.0
    max_concurrency: Annotated[int, Setting("sync calls in flight per model", texts.count)] = 1
    workers: Annotated[int, Setting("processes that share the ports", texts.count)] = 1
    latency_logging: Annotated[bool, Setting("on: log the seconds of every request", texts.switch)] = False
    topic: Annotated[str, Setting("inference topic; without it calls are not logged")] = ""
    topic_subject: Annotated[
        str, Setting("what its messages are: " + " | ".join(texts.SUBJECTS), texts.subject)
    ] = "inferenceschema"
    topic_schema: Annotated[int, Setting("version of the inference schema that is written", texts.schema)] = 5
    topic_dir: Annotated[Path | None, Setting("folder of topics' folders, where there is no Kafka", Path)] = (
        None
    )
    kafka_brokers: Annotated[
        tuple[str, ...], Setting("host:port,... of Kafka, which has the topic", texts.words)
    ] = ()
    kafka_options: Annotated[
        dict[str, Any] | None,
        Setting("JSON object of librdkafka's settings", texts.json_object, is_secret=True),
    ] = None
    spill_dir: Annotated[
        Path | None, Setting("folder of the folders of what a topic that is away will be sent", Path)
    ] = None
    spill_mb: Annotated[int, Setting("most of that, in MB; 0: nothing", texts.number)] = 256
    inference_logging: Annotated[str, Setting(" | ".join(texts.LOGGING_MODES), texts.logging_mode)] = "ALL"
    sampling_percent: Annotated[float, Setting("how many of 100 calls are logged", texts.percent)] = 100.0
    redaction: Annotated[
        tuple[dict[str, Any], ...],
        Setting("JSON list of rules for what is taken out of bodies that are logged", texts.rules),
    ] = ()
    redaction_salt: Annotated[
        str, Setting("secret that goes before what redaction hashes", is_secret=True)
    ] = ""
    events_url: Annotated[
        str, Setting("where CloudEvents of every call are sent", texts.address, is_secret=True)
    ] = ""
    serving_id: Annotated[int, Setting("number of the serving", texts.number)] = 0
    registered_model: Annotated[str, Setting("name of the model served", env="MODEL_NAME")] = ""
    artifact_version: Annotated[str, Setting("version of its artifact", env="ARTIFACT_VERSION")] = ""
    project: Annotated[str, Setting("project the serving belongs to")] = ""
    revision: Annotated[str, Setting("revision this replica runs")] = ""
    replica: Annotated[str, Setting("identity of this replica")] = "0"
    model_version: Annotated[str, Setting("version of the model served", env="MODEL_VERSION")] = ""
    drain_seconds: Annotated[float, Setting("time given to calls in flight when stopping", texts.seconds)] = (
        10.0
    )
    stuck_seconds: Annotated[float, Setting("not ready while one call runs longer", texts.seconds)] = 300.0
    arguments: tuple[str, ...] = ()

    @property
    def files_dir(self) -> Path | None:
        """The artifact's files: where they were said to be, else beside the script."""
        code = self.script or self.transformer
        return self.artifact_dir or (code.parent if code else None)

    def export(self) -> None:
        """Let user code, and the stand-in packages, see where the model's files are."""
        known = {"HOPYARD_PROJECT": self.project, "MODEL_VERSION": self.model_version}
        for name in FILES_VARIABLES:
            known[name] = str(self.files_dir.absolute()) if self.files_dir else ""
        for name, value in known.items():
            if value:
                os.environ.setdefault(name, value)


def read(argv: Sequence[str] | None = None) -> Config:
    """Return the settings, or raise `Failure` ConfigurationInvalid naming the wrong one."""
    settings = _settings()
    given, of_script = options.given(argv if argv is not None else sys.argv[1:], settings)
    values: dict[str, Any] = {"arguments": of_script}
    for name, setting in settings.items():
        text = given[name] if name in given else os.environ.get(setting.env, "")
        if text:
            values[name] = options.parse(setting, text)
    config = Config(**values)
    code = config.script or config.transformer
    if code is None:
        raise options.invalid("HOPYARD_SCRIPT is not set; give the path of the .py file to serve")
    if config.script is None and config.predictors_file is None and not config.control_url:
        raise options.invalid(
            "HOPYARD_TRANSFORMER is set without HOPYARD_SCRIPT; name the script, or in HOPYARD_PREDICTORS_FILE "
            "the file that lists the predictors"
        )
    return dataclasses.replace(
        config,
        model_name=config.model_name or writable(code.stem),
        shared_host=config.shared_host or config.host,
    )


def reporting() -> tuple[Path | None, str]:
    """Where to report a failure that prevents even the settings from being read: TERMINATION_FILE and REPORTS."""
    text = os.environ.get("HOPYARD_TERMINATION_FILE", "")
    return Path(text) if text else None, os.environ.get("HOPYARD_REPORTS", "").lower()


def reloads() -> bool:
    """Whether HOPYARD_RELOAD asks for the watch over the script."""
    text = os.environ.get("HOPYARD_RELOAD", "")
    return bool(text) and options.parse(
        Setting("on: start again when the script changes", texts.switch, "HOPYARD_RELOAD"), text
    )


@contextmanager
def exporting(files_dir: Path | None) -> Iterator[None]:
    """Let a script that is loaded in a foreign process see where its model's files are, for so long."""
    before = {name: os.environ.get(name) for name in FILES_VARIABLES}
    if files_dir is not None:
        os.environ.update(dict.fromkeys(FILES_VARIABLES, str(files_dir.absolute())))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def event_manners() -> Manners:
    """How answers to CloudEvents are marked: CE_MERGE, CE_TYPE and CE_SOURCE, as KServe reads them."""
    return Manners.of(os.environ)


def exported_files_dir() -> Path:
    """For the stand-in packages: the artifact's files as `Config.export` published them."""
    return Path(os.environ.get("ARTIFACT_FILES_PATH") or os.environ.get("HOPYARD_ARTIFACT_DIR") or ".")


def exported_project() -> str:
    """For the stand-in packages: the project this process serves for."""
    return os.environ.get("HOPYARD_PROJECT") or os.environ.get("PROJECT_NAME") or "project"


def _settings() -> dict[str, Setting]:
    """Every field's `Setting`, with the name of its variable filled in."""
    hints = get_type_hints(Config, include_extras=True)
    found: dict[str, Setting] = {
        name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")
    }
    return {
        name: dataclasses.replace(setting, env=setting.env or f"HOPYARD_{name.upper()}")
        for name, setting in found.items()
    }
