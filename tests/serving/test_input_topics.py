"""Which topics a serving may be asked and answer through."""

from collections.abc import Callable

import pytest

from accounts.access import Access
from accounts.models import Project
from models_registry.models import ModelVersion
from serving import canaries, services
from serving.errors import ServingError
from serving.models import Revision, Serving, Topic
from serving.settings import Settings
from serving.topics import schemas
from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def create(owner: Access, export: Callable[..., ModelVersion]) -> Callable[..., Serving]:
    export()

    def make(name: str = "iris", **settings: str) -> Serving:
        wanted = Settings(name=name, script="Models/iris/1/predictor.py", topic="NONE", **settings)  # type: ignore[arg-type]
        return services.create(access=owner, wanted=wanted)[0]

    return make


@pytest.fixture
def topic(project: Project) -> Callable[..., Topic]:
    return lambda name, **columns: Topic.objects.create(**{"project": project, "name": name} | columns)


@pytest.fixture
def refusal(create: Callable[..., Serving]) -> Callable[..., tuple[str | None, str]]:
    """The field and the sentence."""

    def of(**settings: str) -> tuple[str | None, str]:
        with pytest.raises(ServingError) as error:
            create(**settings)
        return error.value.field, str(error.value)

    return of


def test_topics_of_the_project_are_taken(create: Callable[..., Serving], topic: Callable[..., Topic]) -> None:
    topic("asked")
    topic("answered", subject="own", schema_version=1)
    topic("asked-dead")
    create(input_topic="asked", output_topic="answered")
    revision = Revision.objects.get()
    assert (revision.input_topic, revision.output_topic) == ("asked", "answered")


def test_an_edit_may_keep_them(
    create: Callable[..., Serving], owner: Access, topic: Callable[..., Topic]
) -> None:
    topic("asked")
    serving = create(input_topic="asked")
    services.update(access=owner, serving=serving, changes={"cores": 2.0})
    assert [each.input_topic for each in serving.revisions.all()] == ["asked", "asked"]


def test_what_is_no_topic_for_requests_is_refused(
    refusal: Callable[..., tuple[str | None, str]], topic: Callable[..., Topic], people: People
) -> None:
    topic("asked")
    topic("gone", is_deleted=True)
    topic("records", subject=schemas.SUBJECT, schema_version=5)
    topic("mlrun", subject=schemas.MLRUN)
    topic("theirs", project=Project.objects.get(name="elsewhere"))
    for name in ("nowhere", "gone", "theirs"):
        field, sentence = refusal(input_topic=name)
        assert (field, f"no topic {name} in garden" in sentence) == ("input_topic", True)
        assert refusal(input_topic="asked", output_topic=name)[0] == "output_topic"
    for name in ("records", "mlrun"):
        field, sentence = refusal(input_topic=name)
        assert (field, "for records of calls" in sentence) == ("input_topic", True)
        assert refusal(input_topic="asked", output_topic=name)[0] == "output_topic"


def test_answers_without_requests_are_refused(
    refusal: Callable[..., tuple[str | None, str]], topic: Callable[..., Topic]
) -> None:
    topic("answered")
    assert refusal(output_topic="answered")[0] == "output_topic"


def test_answers_that_would_come_back_are_refused(
    create: Callable[..., Serving],
    refusal: Callable[..., tuple[str | None, str]],
    topic: Callable[..., Topic],
) -> None:
    for name in ("a", "b", "c", "a-dead"):
        topic(name)
    assert "come back" in refusal(input_topic="a", output_topic="a")[1]
    assert "cannot be answered" in refusal(input_topic="a", output_topic="a-dead")[1]
    create("first", input_topic="a", output_topic="b")
    create("second", input_topic="b", output_topic="c")
    field, sentence = refusal(name="third", input_topic="c", output_topic="a")
    assert (field, "through other servings" in sentence) == ("output_topic", True)


def test_a_topic_asks_one_serving_only(
    create: Callable[..., Serving],
    refusal: Callable[..., tuple[str | None, str]],
    topic: Callable[..., Topic],
) -> None:
    topic("asked")
    create("first", input_topic="asked")
    field, sentence = refusal(name="second", input_topic="asked")
    assert (field, "first is asked through asked already" in sentence) == ("input_topic", True)
    Serving.objects.update(is_deleted=True)
    create("second", input_topic="asked")


def test_the_topic_of_dead_letters_must_be_free(
    refusal: Callable[..., tuple[str | None, str]], topic: Callable[..., Topic], people: People
) -> None:
    topic("asked")
    topic("asked-dead", project=Project.objects.get(name="elsewhere"))
    field, sentence = refusal(input_topic="asked")
    assert (field, "asked-dead" in sentence) == ("input_topic", True)
    long = "x" * 245
    topic(long)
    assert "at most 244 characters" in refusal(input_topic=long)[1]


def test_a_roll_back_to_requests_that_another_serving_takes_by_now_is_refused(
    create: Callable[..., Serving], owner: Access, topic: Callable[..., Topic]
) -> None:
    topic("asked")
    first = create("first", input_topic="asked")
    services.update(access=owner, serving=first, changes={"input_topic": ""})
    create("second", input_topic="asked")
    with pytest.raises(ServingError, match="Revision 1 cannot become the current one: second is asked"):
        services.roll_back(access=owner, serving=first, number=1)
    assert first.revisions.count() == 2
    Serving.objects.filter(name="second").update(is_deleted=True)
    services.roll_back(access=owner, serving=first, number=1)
    assert first.revisions.latest("pk").input_topic == "asked"


def test_a_canary_is_not_promoted_to_requests_that_another_serving_takes_by_now(
    create: Callable[..., Serving], owner: Access, topic: Callable[..., Topic]
) -> None:
    topic("asked")
    first = create("first")
    first = canaries.begin(access=owner, serving=first, changes={"input_topic": "asked"}, percent=10)
    create("second", input_topic="asked")
    with pytest.raises(ServingError, match="Revision 2 cannot become the current one: second is asked"):
        canaries.promote(access=owner, serving=first)
    Serving.objects.filter(name="second").update(is_deleted=True)
    assert canaries.promote(access=owner, serving=first).current.input_topic == "asked"
