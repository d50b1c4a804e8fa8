"""Turns a serving's rows into the plain specification a deployer understands."""

from collections.abc import Iterable, Mapping

from django.conf import settings

from models_registry import paths, storage
from serving.models import Revision, Serving
from worker import keys
from worker.deployers.base import File, RevisionSpec, ServingSpec


def serving_spec(
    serving: Serving,
    shares: Mapping[int, tuple[int, ...]],
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
        unwanted=frozenset(unwanted),
        ended=frozenset(ended),
        revisions=tuple(
            revision_spec(serving, revision, shares[revision.number])
            for revision in revisions.select_related("model_version__model", "artifact", "script").order_by(
                "number"
            )
        ),
    )


def revision_spec(serving: Serving, revision: Revision, slots: tuple[int, ...]) -> RevisionSpec:
    assert revision.artifact is not None
    return RevisionSpec(
        revision=revision.number,
        slots=slots,
        artifact=revision.artifact.digest,
        files=tuple(
            File(file.path, file.blob_id, storage.path_of(file.blob_id))
            for file in revision.artifact.files.all()
        ),
        script=File(_script_path(revision), revision.script_id, storage.path_of(revision.script_id)),
        environment=environment(serving, revision),
        cores=revision.cores,
        memory_mb=revision.memory_mb,
        gpus=revision.gpus,
    )


def environment(serving: Serving, revision: Revision) -> dict[str, str]:
    """What the replica and the user's script find in their environment, the names Hopsworks sets included."""
    project = serving.project
    version = revision.model_version
    ours = {
        "HOPYARD_MODEL_NAME": serving.name,
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
        "SERVING_NAME": serving.name,
        "DEPLOYMENT_NAME": serving.name,
        "MODEL_NAME": version.model.name,
        "MODEL_VERSION": str(version.number),
        "ARTIFACT_VERSION": revision.artifact_label,
        "REST_ENDPOINT": settings.PUBLIC_URL,
        "HDFS_USER": f"{project.name}__{serving.created_by}",
        "HADOOP_USER_NAME": f"{project.name}__{serving.created_by}",
    }
    if revision.topic:
        ours |= {
            "HOPYARD_TOPIC_DIR": str(settings.TOPIC_DIR / project.name),
            "HOPYARD_TOPIC": revision.topic,
            "HOPYARD_INFERENCE_LOGGING": revision.inference_logging,
        }
    return {**revision.environment, **ours}


def _script_path(revision: Revision) -> str:
    """Relative to the version's folder where the script lies in it, else as it is."""
    inside = paths.in_version(revision.script_path)
    version = revision.model_version
    if inside is not None and (inside.model, inside.number) == (version.model.name, version.number):
        return inside.inside
    return revision.script_path
