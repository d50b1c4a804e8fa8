"""Checks settings that need no look into the project: numbers, words, names and variables."""

import keyword
import re

from django.conf import settings as platform

from serving.drafting import events, redaction
from serving.errors import ServingError
from serving.models import Batching, InferenceLogging, Placement, RecordFormat
from serving.settings import Settings, label

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
LEAST_MEMORY_MB = 64
MOST_VARIABLES = 32 * 1024
LONGEST_CLASS_NAME = 100


def check(wanted: Settings) -> None:
    """Raises ServingError with the first field that is wrong."""
    _check_numbers(wanted)
    _check_deployer(wanted.deployer)
    _check_batching(wanted.batching)
    _check_placement(wanted.transformer_placement)
    _check_class_name(wanted.class_name)
    _check_variables(wanted.variables)
    _check_records(wanted)
    redaction.check(wanted)
    events.check(wanted)


def _check_numbers(wanted: Settings) -> None:
    bounds = {
        "replicas": (1, platform.MAX_REPLICAS),
        "cores": (0.1, platform.MAX_CORES),
        "memory_mb": (LEAST_MEMORY_MB, platform.MAX_MEMORY_MB),
        "gpus": (0, platform.MAX_GPUS),
        "transformer_replicas": (1, platform.MAX_REPLICAS),
        "transformer_cores": (0.1, platform.MAX_CORES),
        "transformer_memory_mb": (LEAST_MEMORY_MB, platform.MAX_MEMORY_MB),
        "max_batch_size": (1, 10_000),
        "max_latency_ms": (0, 10_000),
        "max_concurrency": (1, 64),
        "topic_partitions": (1, 100),
        "topic_replication": (1, 10),
    }
    for name, (least, most) in bounds.items():
        value = getattr(wanted, name)
        if not least <= value <= most:
            shown = label(name)
            sentence = f"{shown[0].upper()}{shown[1:]} must be between {least} and {most} here, not {value}."
            raise ServingError(sentence, field=name)


def _check_deployer(name: str) -> None:
    if name and name not in platform.DEPLOYERS:
        known = ", ".join(platform.DEPLOYERS)
        raise ServingError(
            f"Replicas cannot run at {name!r} here, but at: {known}. HOPYARD_DEPLOYERS names the places.",
            field="deployer",
        )


def _check_placement(placement: str) -> None:
    if placement not in Placement.values:
        raise ServingError(
            f"A transformer runs separate or inline, not {placement!r}.", field="transformer_placement"
        )


def _check_batching(mode: str) -> None:
    if mode not in Batching.values:
        raise ServingError(f"Batching is auto, on or off, not {mode!r}.", field="batching")


def _check_records(wanted: Settings) -> None:
    if not 0 < wanted.sampling_percent <= 100:
        raise ServingError(
            f"Of every hundred calls more than 0 and at most 100 are recorded, not {wanted.sampling_percent:g}; "
            "write NONE as topic for no records.",
            field="sampling_percent",
        )
    if wanted.record_format not in RecordFormat.values:
        raise ServingError(
            f"The format of records is avro or mlrun, not {wanted.record_format!r}.", field="record_format"
        )
    if wanted.inference_logging not in InferenceLogging.values:
        known = ", ".join(InferenceLogging.values)
        raise ServingError(
            f"What is recorded is one of {known}, not {wanted.inference_logging!r}.",
            field="inference_logging",
        )


def _check_class_name(name: str) -> None:
    if not name:
        return
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > LONGEST_CLASS_NAME:
        raise ServingError(
            f"{name[:LONGEST_CLASS_NAME]!r} cannot be the name of a class; write it as in the script, "
            "or leave it empty.",
            field="class_name",
        )


def _check_variables(variables: dict[str, str]) -> None:
    if sum(len(name) + len(value) for name, value in variables.items()) > MOST_VARIABLES:
        raise ServingError(
            f"The environment variables may have {MOST_VARIABLES // 1024} KB in all; put more into a file.",
            field="variables",
        )
    for name, value in variables.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            raise ServingError(f"{name!r} cannot be an environment variable.", field="variables")
        if name.startswith("HOPYARD_"):
            raise ServingError(f"{name} is the platform's own; choose another name.", field="variables")
