"""Turns a serving's rows into the plain specification a deployer understands."""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from django.conf import settings

from accounts.models import Project, User
from models_registry import artifacts, paths, storage
from models_registry import queries as registry
from models_registry.models import ArtifactFile
from serving.models import Revision, Serving
from serving.replica_documents import tokens
from serving.states import Component
from worker import control, inference_log, keys, predictors
from worker.deployers import containers
from worker.deployers.base import File, RevisionSpec, ServingSpec
from worker.environments import prepare
from worker.rollout import Shares, Slot

RELATED = ("model_version__model", "artifact", "script", "transformer", "environment")


def serving_spec(
    serving: Serving,
    shares: Shares,
    *,
    unwanted: Iterable[str] = (),
    ended: Iterable[str] = (),
) -> ServingSpec:
    """The serving with the given slots of each revision number."""
    revisions = serving.revisions.filter(number__in=[number for number, slots in shares.items() if slots])
    return ServingSpec(
        name=serving.key,
        host=settings.REPLICA_HOST,
        port=serving.port,
        keys_file=keys.path_for(serving),
        token=serving.gateway_token,
        unwanted=frozenset(unwanted),
        ended=frozenset(ended),
        revisions=tuple(
            component
            for revision in revisions.select_related(*RELATED).order_by("number")
            for component in _components(serving, revision, shares[revision.number])
        ),
    )


def _components(serving: Serving, revision: Revision, slots: Sequence[Slot]) -> Iterator[RevisionSpec]:
    """The revision's predictor and, if it has replicas of its own, its transformer."""
    behind = revision.has_separate_transformer
    told = environment(serving, revision)
    by_component: dict[Component, tuple[int, ...]] = {
        component: tuple(number for one, number in slots if one == component) for component in Component
    }
    if numbers := by_component[Component.PREDICTOR]:
        without_log = inference_log.NOTHING if behind else {}
        yield _connected(
            predictor(revision, numbers, told | without_log, is_front=not behind), serving, revision
        )
    if numbers := by_component[Component.TRANSFORMER]:
        listed = predictors.path_for(serving, revision.number)
        yield _connected(transformer(revision, numbers, told, listed), serving, revision)


def predictor(
    revision: Revision, slots: tuple[int, ...], told: Mapping[str, str], *, is_front: bool = True
) -> RevisionSpec:
    """The replicas of a revision's script, with its transformer where both run in one process."""
    inline = revision.transformer is not None and not revision.has_separate_transformer
    files = _files(revision)
    return replace(
        files,
        slots=slots,
        script=_file(_script_path(revision), revision.script_id),
        transformer=transformer_file(revision) if inline else None,
        is_front=is_front,
        knows_example=not revision.has_separate_transformer,
        environment=_together(told, files.environment),
        cores=revision.cores,
        memory_mb=revision.memory_mb,
        gpus=revision.gpus,
    )


def transformer(
    revision: Revision, slots: tuple[int, ...], told: Mapping[str, str], predictors_file: Path
) -> RevisionSpec:
    """The replicas that stand before the predictors of a revision."""
    files = _files(revision)
    return replace(
        files,
        slots=slots,
        component=Component.TRANSFORMER,
        transformer=transformer_file(revision),
        predictors_file=predictors_file,
        environment=_together(told, files.environment),
        cores=revision.transformer_cores,
        memory_mb=revision.transformer_memory_mb,
    )


def control_url(serving: Serving) -> str:
    """Where the serving's replicas in containers find what the platform has for them. Raises DeployerError."""
    return f"{control.base()}/replicas/{serving.key}"


def fetchable(share: RevisionSpec) -> RevisionSpec:
    """The same with the address that its files can be fetched from, for some minutes from now. Raises DeployerError."""
    if share.deployer == control.LOCAL:
        return share
    beside = [(Path(file.path).name, file.sha256) for file in containers.scripts_beside(share)]
    token = tokens.make(share.artifact, beside)
    return replace(share, files_url=f"{control.base()}/replicas/files/?token={token}")


def _connected(share: RevisionSpec, serving: Serving, revision: Revision) -> RevisionSpec:
    """What a replica that shares no disk with the platform needs to reach it, and what its container may; one that
    does comes to the serving's port, where nobody counts percents, unless it is a canary's.
    """
    if share.deployer == control.LOCAL:
        return replace(share, joins_port=revision.pk != serving.canary_id)
    exemptions = frozenset(revision.exemptions)
    return replace(fetchable(share), control_url=control_url(serving), exemptions=exemptions)


def _files(revision: Revision) -> RevisionSpec:
    """What both components have in common."""
    assert revision.artifact is not None
    found = prepare.ready(revision)
    manifest, files = _laid_out(revision.artifact_id or 0, revision.artifact.digest)
    return RevisionSpec(
        revision=revision.number,
        slots=(),
        artifact=revision.artifact.digest,
        manifest=manifest,
        files=files,
        python=found.python or Path("python-of-an-environment-that-is-gone"),
        deployer=revision.deployer or settings.DEPLOYER,
        image=found.image,
        environment=found.variables,
    )


@functools.lru_cache(maxsize=16)
def _laid_out(artifact_id: int, digest: str) -> tuple[bytes, tuple[File, ...]]:
    """Manifest and files of an artifact, which never change under its digest."""
    lines = ArtifactFile.objects.filter(artifact=artifact_id).select_related("blob")
    manifest = [(line.path, line.blob.size, line.blob_id) for line in lines]
    return registry.manifest_digest_source(manifest), tuple(
        _file(path, sha256) for path, _, sha256 in manifest
    )


def _together(told: Mapping[str, str], needed: Mapping[str, str]) -> dict[str, str]:
    """What the environment needs to find the model server comes before the user's own import path."""
    paths_ = [each["PYTHONPATH"] for each in (needed, told) if each.get("PYTHONPATH")]
    return {**told, **needed, **({"PYTHONPATH": os.pathsep.join(paths_)} if paths_ else {})}


def _file(path: str, sha256: str) -> File:
    return File(path, sha256, partial(storage.open, sha256))


def transformer_file(revision: Revision) -> File:
    assert revision.transformer_id is not None
    return _file(artifacts.transformer_path(revision.transformer_name), revision.transformer_id)


def environment(serving: Serving, revision: Revision) -> dict[str, str]:
    """What the replica and the user's script find in their environment, the names Hopsworks sets included."""
    told = general(serving.project, revision, name=serving.name, user=serving.created_by)
    return told | inference_log.variables(serving, revision)


def general(project: Project, revision: Revision, *, name: str, user: User | None) -> dict[str, str]:
    """The same without what only a serving has."""
    version = revision.model_version
    ours = {
        "HOPYARD_MODEL_NAME": name,
        "HOPYARD_PROJECT": project.name,
        "HOPYARD_REVISION": str(revision.number),
        "HOPYARD_CLASS_NAME": revision.class_name,
        "HOPYARD_BATCHING": revision.batching,
        "HOPYARD_MAX_BATCH_SIZE": str(revision.max_batch_size),
        "HOPYARD_MAX_LATENCY": str(revision.max_latency_ms / 1000),
        "HOPYARD_MAX_CONCURRENCY": str(revision.max_concurrency),
        "HOPYARD_STUCK_SECONDS": str(settings.STUCK_SECONDS),
        "HOPYARD_MAX_BODY_BYTES": str(settings.MAX_INFERENCE_BYTES),
        "PROJECT_NAME": project.name,
        "HOPSWORKS_PROJECT_NAME": project.name,
        "HOPSWORKS_PROJECT_ID": str(project.pk),
        "SERVING_NAME": name,
        "DEPLOYMENT_NAME": name,
        "MODEL_NAME": version.model.name,
        "MODEL_VERSION": str(version.number),
        "ARTIFACT_VERSION": revision.artifact_label,
        "REST_ENDPOINT": settings.PUBLIC_URL,
        "HDFS_USER": f"{project.name}__{user}",
        "HADOOP_USER_NAME": f"{project.name}__{user}",
    }
    return {**revision.variables, **ours}


def _script_path(revision: Revision) -> str:
    """Relative to the version's folder where the script lies in it, else as it is."""
    inside = paths.in_version(revision.script_path)
    version = revision.model_version
    if inside is not None and (inside.model, inside.number) == (version.model.name, version.number):
        return inside.inside
    return revision.script_path
