"""Creating and editing servings in the form."""

import re
from collections.abc import Callable

import pytest

from models_registry.models import ModelVersion
from serving.models import Serving
from tests.conftest import IRIS_SCRIPT
from tests.pages.conftest import SCRIPT, Pages


def newest(name: str = "Iris") -> Serving:
    return Serving.objects.select_related("revision__model_version__model").get(name=name, is_deleted=False)


def test_a_script_alone_is_enough_to_create_a_serving(
    export: Callable[..., ModelVersion], bob: Pages
) -> None:
    export(files={"iris_flower_classifier.py": IRIS_SCRIPT})
    response = bob.post("new-serving/", {"script": "Models/iris/1/iris_flower_classifier.py"}, follow=True)
    assert b"press Run" in response.content
    revision = newest("irisflowerclassifier").revision
    assert revision is not None
    assert (str(revision.model_version), revision.replicas) == ("iris version 1", 1)


def test_every_setting_of_the_form_reaches_the_revision(version: ModelVersion, bob: Pages) -> None:
    given = {
        "script": SCRIPT,
        "name": "Iris",
        "model": "iris",
        "model_version": "1",
        "artifact_version": "MODEL-ONLY",
        "replicas": "2",
        "cores": "0.5",
        "memory_mb": "256",
        "topic": "NONE",
        "inference_logging": "PREDICTIONS",
        "batching": "on",
        "max_batch_size": "8",
        "max_latency_ms": "20",
        "max_concurrency": "3",
        "class_name": "Predict",
        "environment": "A=1\nB=x=y",
        "description": "for the shop",
    }
    assert bob.post("new-serving/", given).status_code == 302
    revision = newest().revision
    assert revision is not None
    assert (revision.replicas, revision.cores, revision.memory_mb, revision.max_batch_size) == (
        2,
        0.5,
        256,
        8,
    )
    assert (revision.topic, revision.batching, revision.environment) == ("", "on", {"A": "1", "B": "x=y"})
    assert (revision.max_latency_ms, revision.max_concurrency, revision.class_name) == (20, 3, "Predict")


def test_batching_is_chosen_from_three_ways_and_each_is_explained(serving: Serving, bob: Pages) -> None:
    content = bob.get("servings/Iris/edit/").content.decode()
    assert '<option value="auto" selected>Automatic</option>' in content
    assert "V2ModelServer (MLRun) or Model (KServe)" in content
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "batching": "off", "expected_revision": "1"})
    assert newest().revision.batching == "off"  # type: ignore[union-attr]
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "batching": "", "expected_revision": "2"})
    assert newest().revision.batching == "off", "left empty, it stays"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "field", "is_advanced"),
    [
        ({"name": "no-dash"}, "name", False),
        ({"model_version": "9"}, "model_version", False),
        ({"script": ""}, "script", False),
        ({"replicas": "0"}, "replicas", True),
        ({"memory_mb": "many"}, "memory_mb", True),
        ({"environment": "HOPYARD_X=1"}, "environment", True),
        ({"environment": "nonsense"}, "environment", True),
        ({"topic": "elsewhere"}, "topic", True),
        ({"batching": "perhaps"}, "batching", True),
        ({"max_latency_ms": "10001"}, "max_latency_ms", True),
        ({"max_concurrency": "0"}, "max_concurrency", True),
        ({"class_name": "two words"}, "class_name", True),
    ],
)
def test_an_error_stands_beside_its_field_and_the_input_is_kept(
    version: ModelVersion, bob: Pages, given: dict[str, str], field: str, is_advanced: bool
) -> None:
    response = bob.post("new-serving/", {"script": SCRIPT, "name": "Iris", "description": "typed", **given})
    content = response.content.decode()
    assert response.status_code == 400
    assert f'id="id_{field}_error"' in content
    assert "typed" in content
    assert ('<details class="advanced" open>' in content) == is_advanced
    assert not Serving.objects.exists()


def test_a_taken_name_is_refused(serving: Serving, bob: Pages) -> None:
    response = bob.post("new-serving/", {"script": SCRIPT, "name": "iris", "replicas": "2"})
    assert b"There is a serving Iris in garden already" in response.content


def test_a_project_without_scripts_says_where_to_get_one(alice: Pages) -> None:
    assert b"no Python script yet" in alice.get("new-serving/").content


def test_a_version_page_hands_its_script_to_the_form(version: ModelVersion, bob: Pages) -> None:
    content = bob.get(f"new-serving/?script={SCRIPT}").content.decode()
    assert f'<option value="{SCRIPT}" selected>' in content


def test_editing_makes_a_revision_and_says_what_happens_next(running: Serving, bob: Pages) -> None:
    given = {"script": SCRIPT, "replicas": "3", "expected_revision": "1"}
    response = bob.post("servings/Iris/edit/", given, follow=True)
    assert b"old replicas answer until the new ones are ready" in response.content
    revision = newest().revision
    assert revision is not None
    assert (revision.number, revision.replicas) == (2, 3)


def test_the_second_of_two_editors_is_told_and_sees_both_values(
    serving: Serving, alice: Pages, bob: Pages
) -> None:
    alice.post("servings/Iris/edit/", {"script": SCRIPT, "memory_mb": "2048", "expected_revision": "1"})
    given = {"script": SCRIPT, "memory_mb": "512", "topic": "CREATE", "expected_revision": "1"}
    content = bob.post("servings/Iris/edit/", given).content.decode()
    assert "alice changed Iris to revision 2 while you were editing" in content
    assert 'value="512"' in content
    assert re.findall("Now: <code>(.*?)</code>", content) == ["2048", newest().revision.topic]  # type: ignore[union-attr]
    assert 'name="expected_revision" value="2"' in content
    bob.post("servings/Iris/edit/", {**given, "expected_revision": "2"})
    assert newest().revision.memory_mb == 512  # type: ignore[union-attr]
