"""What a replica is told of its inference log: which calls to record, and where the records go."""

import hashlib
import hmac
import json

from django.conf import settings

from serving.models import RecordFormat, Revision, Serving, Topic
from serving.topics import schemas
from worker import control
from worker.topics import installed

NOTHING = {"HOPYARD_TOPIC": "", "HOPYARD_EVENTS_URL": ""}


def variables(serving: Serving, revision: Revision) -> dict[str, str]:
    """By the names of the model server's settings; none if nothing is recorded."""
    if not revision.topic and not revision.events_url:
        return {}
    told = {
        "HOPYARD_SERVING_ID": str(serving.pk),
        "HOPYARD_INFERENCE_LOGGING": revision.inference_logging,
        "HOPYARD_SAMPLING_PERCENT": f"{revision.sampling_percent:g}",
        "HOPYARD_REDACTION": json.dumps(revision.redaction),
        "HOPYARD_EVENTS_URL": revision.events_url,
    }
    if revision.redaction:
        told["HOPYARD_REDACTION_SALT"] = salt(serving)
    return told | (_topic(serving, revision) | _place(revision) if revision.topic else {})


def salt(serving: Serving) -> str:
    """Of its own, and secret: who guesses what was hashed cannot try it without. It stays while SECRET_KEY does."""
    what = f"hopyard redaction {serving.pk}"
    return hmac.new(settings.SECRET_KEY.encode(), what.encode(), hashlib.sha256).hexdigest()


def _topic(serving: Serving, revision: Revision) -> dict[str, str]:
    found = Topic.objects.filter(name=revision.topic, project=serving.project_id).first()
    version = found.schema_version if found else None
    subject = schemas.MLRUN if revision.record_format == RecordFormat.MLRUN else schemas.SUBJECT
    return {
        "HOPYARD_TOPIC": revision.topic,
        "HOPYARD_TOPIC_SUBJECT": subject,
        "HOPYARD_TOPIC_SCHEMA": str(version or schemas.CURRENT),
    }


def _place(revision: Revision) -> dict[str, str]:
    """Containers share no disk, and hear of Kafka where they may reach it: else the platform takes their records."""
    is_local = (revision.deployer or settings.DEPLOYER) == control.LOCAL
    brokers = settings.KAFKA_BROKERS if is_local else settings.KAFKA_REPLICA_BROKERS
    told = {"HOPYARD_SPILL_MB": str(settings.SPILL_MB)}
    if brokers and installed.has_kafka():
        told["HOPYARD_KAFKA_BROKERS"] = ",".join(brokers)
        told["HOPYARD_KAFKA_OPTIONS"] = json.dumps(settings.KAFKA_OPTIONS)
    if is_local:
        told["HOPYARD_TOPIC_DIR"] = str(settings.TOPIC_DIR)
        if installed.has_kafka():  # topics in folders are on the same disk, and full when it is
            told["HOPYARD_SPILL_DIR"] = str(settings.OUTBOX_DIR)
    return told
