"""What a replica is told in its environment, read back as the model server reads it."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings

from accounts.access import Access
from accounts.models import Project
from hopyard.server import config
from serving import canaries, exempting
from serving.models import Serving, Topic
from serving.states import Component
from worker import specs


def read(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> config.Config:
    told = specs.environment(serving, serving.current) | {"HOPYARD_SCRIPT": "predictor.py"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return config.read([])


def test_the_model_server_is_told_how_to_predict(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(
        batching="on", max_batch_size=16, max_latency_ms=250, max_concurrency=4, class_name="Flowers"
    )
    seen = read(made, monkeypatch)
    assert (seen.batching, seen.max_batch_size, seen.max_latency) == ("on", 16, 0.25)
    assert (seen.max_concurrency, seen.class_name) == (4, "Flowers")


def test_left_alone_it_decides_for_itself(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = read(create(), monkeypatch)
    assert (seen.batching, seen.max_latency, seen.max_concurrency) == ("auto", 0, 1)
    assert seen.class_name == ""


def test_the_model_server_is_told_what_to_record_and_where(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.KAFKA_BROKERS, settings.KAFKA_OPTIONS = ["kafka-1:9092", "kafka-2:9092"], {"client.id": "us"}
    rules = [{"field": "instances[*].name", "in": "inputs", "action": "hash"}]
    made = create(inference_logging="PREDICTIONS", sampling_percent=12.5, redaction=rules)
    seen = read(made, monkeypatch)
    assert (seen.topic, seen.topic_subject, seen.topic_schema) == (
        made.current.topic,
        "inferenceschema",
        5,
    )
    assert (seen.inference_logging, seen.sampling_percent) == ("PREDICTIONS", 12.5)
    assert list(seen.redaction) == rules
    assert seen.kafka_brokers == ("kafka-1:9092", "kafka-2:9092")
    assert seen.kafka_options == {"client.id": "us"}
    assert (seen.topic_dir, seen.spill_dir) == (settings.TOPIC_DIR, settings.OUTBOX_DIR)
    assert seen.serving_id == made.pk


def test_without_kafka_it_writes_to_the_topics_folder(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    seen = read(create(), monkeypatch)
    assert (seen.kafka_brokers, seen.spill_dir, seen.topic_dir) == ((), None, settings.TOPIC_DIR)


def test_what_redaction_hashes_is_salted_with_a_secret_of_the_serving(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    rules = [{"field": "name", "in": "both", "action": "hash"}]
    one, other = (read(create(name=name, redaction=rules), monkeypatch) for name in ("one", "other"))
    assert len(one.redaction_salt) == 64
    assert one.redaction_salt != other.redaction_salt
    serving = Serving.objects.get(name="one")
    assert read(serving, monkeypatch).redaction_salt == one.redaction_salt
    settings.SECRET_KEY = "another"
    assert read(serving, monkeypatch).redaction_salt != one.redaction_salt


def test_a_topic_of_an_older_schema_gets_records_of_it(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create()
    Topic.objects.filter(name=made.current.topic).update(schema_version=2)
    assert read(made, monkeypatch).topic_schema == 2


def test_records_of_mlrun_go_to_a_topic_of_theirs(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(create(record_format="mlrun"), monkeypatch).topic_subject == "mlrunrecord"


def test_who_records_nothing_is_told_of_nothing(create: Callable[..., Serving]) -> None:
    made = create(topic="NONE")
    told = specs.environment(made, made.current)
    names = ("HOPYARD_TOPIC", "HOPYARD_KAFKA", "HOPYARD_SPILL", "HOPYARD_REDACTION", "HOPYARD_EVENTS")
    assert not [name for name in told if name.startswith(names)]


@pytest.mark.parametrize(("replica_brokers", "found"), [([], None), (["kafka:9093"], "kafka:9093")])
def test_a_container_learns_of_kafka_only_where_it_may_reach_it(
    create: Callable[..., Serving], settings: LazySettings, replica_brokers: list[str], found: str | None
) -> None:
    settings.DEPLOYER, settings.DEPLOYERS = "docker", ["docker"]
    settings.KAFKA_BROKERS, settings.KAFKA_REPLICA_BROKERS = ["kafka:9092"], replica_brokers
    settings.KAFKA_OPTIONS = {"sasl.password": "secret"}
    made = create()
    told = specs.environment(made, made.current)
    assert told.get("HOPYARD_KAFKA_BROKERS") == found
    assert ("HOPYARD_KAFKA_OPTIONS" in told) is bool(found)
    assert not {"HOPYARD_TOPIC_DIR", "HOPYARD_SPILL_DIR"} & told.keys()
    assert told["HOPYARD_TOPIC"] == made.current.topic


def test_an_old_revision_is_healed_with_what_it_was_given_and_no_more(
    create: Callable[..., Serving], owner: Access, settings
) -> None:
    settings.DEPLOYER, settings.DEPLOYERS = "docker", ["docker"]
    settings.CONTROL_URL = "http://platform:8001"
    made = create()
    exempting.set_exemptions(access=owner, serving=made, exemptions={"root-user"})
    made.refresh_from_db()
    slots = ((Component.PREDICTOR, 0),)
    shares = specs.serving_spec(made, {1: slots, 2: slots}).revisions
    assert [share.exemptions for share in shares] == [frozenset(), {"root-user"}]


def test_a_canary_on_this_machine_keeps_off_the_servings_port(
    create: Callable[..., Serving], owner: Access
) -> None:
    made = create()
    canary = canaries.begin(access=owner, serving=made, changes={"cores": 2.0}, percent=0)
    slots = ((Component.PREDICTOR, 0),)

    def joining(serving: Serving) -> list[bool]:
        return [share.joins_port for share in specs.serving_spec(serving, {1: slots, 2: slots}).revisions]

    assert joining(canary) == [True, False]
    assert joining(canaries.promote(access=owner, serving=canary)) == [True, True]


def test_the_schema_of_another_projects_topic_of_that_name_does_not_count(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create()
    elsewhere, _ = Project.objects.get_or_create(name="elsewhere")
    Topic.objects.filter(name=made.current.topic).update(schema_version=2, project=elsewhere)
    assert read(made, monkeypatch).topic_schema == 5
