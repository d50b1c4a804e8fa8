"""The pages of topics, without script: the list, one topic, a new one, messages, its end; and schemas."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts.access import Access
from accounts.models import Project
from serving import services
from serving.models import DeadLetter, Serving, Topic
from serving.settings import Settings
from serving.topics import frames
from tests.pages.conftest import HTMX, Pages

PARTITION = {"id": "writer.000001.log", "first": 0, "next": 4096, "bytes": 4096, "replicas": 1, "in_sync": 1}


@pytest.fixture
def topic(serving: Serving) -> Topic:
    """That of the serving, as broker and consumer left it, with a message that could not be used."""
    Topic.objects.update(
        state=Topic.State.READY,
        is_ours=True,
        described={"partitions": [PARTITION], "bytes": 4096, "messages": 4096},
        consumed={"stored": 1234, "skipped": 2, "lag": 0},
    )
    found = Topic.objects.get(name=serving.current.topic)
    DeadLetter.objects.create(
        topic=found, partition="0", offset=7, reason="It ends too early.", value=b"\x00\x02<b>", size=5
    )
    return found


def test_the_list_shows_each_topic_with_who_uses_it(topic: Topic, pages: Callable[[str], Pages]) -> None:
    content = pages("vera").get("topics/").content.decode()
    assert f'href="/projects/garden/topics/{topic.name}/"' in content
    assert 'href="/projects/garden/servings/Iris/"' in content
    assert "4.0\xa0KB" in content
    assert "1,234 stored" in content
    assert "2 skipped" in content
    assert "new-topic" not in content, "a viewer makes none"
    assert "new-topic" in pages("bob").get("topics/").content.decode()


def test_a_problem_of_a_topic_is_told_in_words(topic: Topic, bob: Pages) -> None:
    Topic.objects.update(state=Topic.State.WAITING, problem="No broker answers at kafka:9092.")
    for path in ("topics/", f"topics/{topic.name}/"):
        assert "No broker answers at kafka:9092." in bob.get(path).content.decode()


def test_the_list_answers_not_modified_until_something_changes(topic: Topic, bob: Pages) -> None:
    first = bob.get("topics/", headers=HTMX)
    again = {**HTMX, "HX-PTag": first["HX-PTag"]}
    assert bob.get("topics/", headers=again).status_code == 304
    Topic.objects.update(consumed={"stored": 1235})
    assert bob.get("topics/", headers=again).status_code == 200


def test_a_topic_shows_partitions_schema_and_dead_letters(topic: Topic, bob: Pages) -> None:
    content = bob.get(f"topics/{topic.name}/").content.decode()
    assert "writer.000001.log" in content
    assert "It ends too early." in content
    assert "000000  00 02 3c 62 3e" in content, "bytes that are no text are shown as numbers"
    assert "&lt;b&gt;" in content
    assert "<b>" not in content
    assert "&quot;name&quot;: &quot;inferencelog&quot;" in content
    for number in (1, 2, 3, 4):
        assert f"/schemas/inferenceschema/{number}/" in content


def test_a_dead_letter_is_said_to_go_on_only_if_more_of_it_is_kept(topic: Topic, bob: Pages) -> None:
    letter = DeadLetter.objects.get()
    for value, goes_on in ((b"", False), (b"redacted", False), (b"x" * 3000, True)):
        DeadLetter.objects.filter(pk=letter.pk).update(value=value, size=70_000)
        content = bob.get(f"topics/{topic.name}/").content.decode()
        assert ("Only its beginning is shown." in content) is goes_on
        assert ('aria-label="The message"' in content) is bool(value)


def test_schemas_are_shown_with_their_versions(topic: Topic, pages: Callable[[str], Pages]) -> None:
    vera = pages("vera")
    content = vera.get("schemas/inferenceschema/3/").content.decode()
    assert "servingTool" in content
    assert "/schemas/inferenceschema/5/" in content
    assert vera.get("schemas/inferenceschema/6/").status_code == 404
    assert vera.get("schemas/unheard/latest/").status_code == 404


def test_a_topic_is_made_from_the_form(project: object, bob: Pages) -> None:
    given = {"name": "requests", "kind": "", "partitions": "3", "replication": "1", "schema_version": "5"}
    answer = bob.post("new-topic/", given, follow=True)
    assert "requests is being made." in answer.content.decode()
    topic = Topic.objects.get()
    assert (topic.name, topic.subject, topic.schema_version, topic.partitions) == ("requests", "", None, 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "inferenceschema", "schema_version": "3"}, ("inferenceschema", 3, "")),
        ({"kind": "mlrunrecord"}, ("mlrunrecord", None, "")),
        ({"kind": "own", "subject": "prices", "schema": '"long"'}, ("prices", 1, '"long"')),
    ],
)
def test_each_kind_of_topic_gets_its_schema(
    given: dict[str, str], expected: tuple[object, ...], project: object, bob: Pages
) -> None:
    assert (
        bob.post("new-topic/", {"name": "made", "partitions": "1", "replication": "1", **given}).status_code
        == 302
    )
    topic = Topic.objects.get()
    assert (topic.subject, topic.schema_version, topic.schema) == expected


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "None"}, "name"),
        ({"partitions": "0"}, "partitions"),
        ({"replication": "x"}, "replication"),
        ({"kind": "elsewhere"}, "kind"),
        ({"kind": "own"}, "subject"),
        ({"kind": "own", "subject": "prices", "schema": "{"}, "schema"),
        ({"kind": "inferenceschema", "schema_version": "9"}, "schema_version"),
    ],
)
def test_a_wrong_topic_is_refused_beside_its_field(
    given: dict[str, str], field: str, project: object, bob: Pages
) -> None:
    answer = bob.post("new-topic/", {"name": "made", "partitions": "1", "replication": "1", **given})
    assert answer.status_code == 400
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Topic.objects.exists()


def test_messages_are_added_from_the_page(
    project: Project, bob: Pages, pages: Callable[[str], Pages], settings: LazySettings, tmp_path: Path
) -> None:
    settings.TOPIC_DIR = tmp_path
    Topic.objects.create(project=project, name="asked", state=Topic.State.READY)
    path = "topics/asked/publish/"
    said = bob.post(path, {"messages": "one\r\ntwo\r\n"}, follow=True).content.decode()
    assert "2 messages added to asked." in said
    (file,) = (tmp_path / "asked").iterdir()
    assert [each.value for each in frames.read(file.read_bytes(), 0, is_end=True)] == [b"one", b"two"]
    assert bob.post(path, {"messages": ""}).status_code == 400
    assert bob.post(path, {"messages": " \n "}).status_code == 400
    assert pages("vera").post(path, {"messages": "x"}).status_code == 403


def test_the_log_of_a_serving_has_no_form_and_takes_no_messages(
    topic: Topic, bob: Pages, settings: LazySettings, tmp_path: Path
) -> None:
    settings.TOPIC_DIR = tmp_path / "topics"
    path = f"topics/{topic.name}/"
    shown = bob.get(path).content.decode()
    assert 'name="messages"' not in shown
    assert "This is the inference log of Iris, to which only replicas write." in shown
    refusal = bob.post(f"{path}publish/", {"messages": "x"})
    assert refusal.status_code == 400
    assert "give it to the serving as its input topic" in refusal.content.decode()
    assert not (tmp_path / "topics").exists()


def test_a_topic_in_use_is_not_deleted_and_an_unused_one_is(
    topic: Topic, bob: Pages, owner: Access, serving: Serving
) -> None:
    path = f"topics/{topic.name}/delete/"
    assert "It is used by Iris" in bob.get(path).content.decode()
    assert "is used by Iris; give them another topic" in bob.post(path, follow=True).content.decode()
    services.delete(access=owner, serving=serving)
    assert "are being removed" in bob.post(path, follow=True).content.decode()
    assert bob.get(f"topics/{topic.name}/").status_code == 404


def test_a_topic_that_kafka_had_before_is_said_to_stay_there(topic: Topic, bob: Pages) -> None:
    assert b"Kafka had it before" not in bob.get(f"topics/{topic.name}/").content
    Topic.objects.create(project=topic.project, name="sales", state=Topic.State.READY)
    assert b"Kafka had it before" in bob.get("topics/sales/").content
    assert b"keeps it with its messages" in bob.get("topics/sales/delete/").content
    said = bob.post("topics/sales/delete/", follow=True).content.decode()
    assert "sales is being forgotten here; Kafka keeps it." in said


def test_a_serving_is_deleted_with_its_topic_only_if_the_box_is_ticked(
    serving: Serving, bob: Pages, owner: Access
) -> None:
    name = serving.current.topic
    assert f"Delete its topic <code>{name}</code>" in bob.get("servings/Iris/delete/").content.decode()
    bob.post("servings/Iris/delete/", {"topic": "delete"})
    assert Topic.objects.get(name=name).is_deleted
    assert Serving.objects.get().is_deleted


def test_a_serving_is_deleted_without_its_topic_otherwise(serving: Serving, bob: Pages) -> None:
    bob.post("servings/Iris/delete/")
    assert not Topic.objects.get().is_deleted


def test_a_shared_topic_is_said_to_stay(serving: Serving, bob: Pages, owner: Access) -> None:
    wanted = Settings(name="other", script=serving.current.script_path, topic=serving.current.topic)
    services.create(access=owner, wanted=wanted)
    content = bob.get("servings/Iris/delete/").content.decode()
    assert "stays: other uses it too." in content
    assert 'type="checkbox"' not in content


def test_the_form_of_a_serving_offers_the_topics_that_will_do(serving: Serving, bob: Pages) -> None:
    project = serving.project
    Topic.objects.create(project=project, name="events", subject="inferenceschema", schema_version=4)
    Topic.objects.create(project=project, name="shared", subject="inferenceschema", schema_version=3)
    Topic.objects.create(project=project, name="asked")
    content = bob.get("servings/Iris/edit/").content.decode()
    log, requests = (_options(content, name) for name in ("topic", "input_topic"))
    assert log == ["CREATE", "NONE", serving.current.topic, "shared"]
    assert requests == ["", "asked"]


def test_the_rules_of_a_serving_are_edited_as_lines(serving: Serving, bob: Pages) -> None:
    form = {"script": serving.current.script_path, "expected_revision": "1"}
    rule = r"mask inputs pattern \d{3} \d{3} "
    bob.post("servings/Iris/edit/", {**form, "redaction": f"{rule}\r\n\r\nhash both field a.b"})
    revision = Serving.objects.get().current
    assert revision.redaction == [
        {"action": "mask", "in": "inputs", "pattern": r"\d{3} \d{3} "},
        {"action": "hash", "in": "both", "field": "a.b"},
    ]
    content = bob.get("servings/Iris/edit/").content.decode()
    assert f"{rule}\nhash both field a.b</textarea>" in content
    assert "2 rules of what is left out" in bob.get("servings/Iris/").content.decode()
    bob.post("servings/Iris/edit/", {**form, "expected_revision": "2", "redaction": ""})
    assert Serving.objects.get().current.redaction == []


def _options(content: str, name: str) -> list[str]:
    select = content.split(f'<select name="{name}"')[1].split("</select>", maxsplit=1)[0]
    return [each.split('"')[0] for each in select.split('<option value="')[1:]]


@pytest.mark.parametrize("page", ["%0A1", "%E2%82%AC", "last", "9" * 5_000])
def test_a_page_that_is_none_is_the_nearest_one(page: str, topic: Topic, bob: Pages) -> None:
    assert topic.name in bob.get(f"topics/?page={page}").content.decode()
