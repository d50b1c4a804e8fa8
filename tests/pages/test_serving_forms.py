"""Creating and editing servings in the form."""

import re
from collections.abc import Callable

import pytest

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from models_registry.versions import aliases
from serving import services
from serving.models import Interpreter, Serving
from serving.settings import Settings
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
        "variables": "A=1\nB=x=y",
        "description": "for the shop",
        "sampling_percent": "12.5",
        "record_format": "mlrun",
        "redaction": "mask inputs field customer.name\r\nremove both pattern [0-9]{4} [0-9]{4}\r\n",
        "events_url": "http://127.0.0.1:9/events",
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
    assert (revision.topic, revision.batching, revision.variables) == ("", "on", {"A": "1", "B": "x=y"})
    assert (revision.sampling_percent, revision.record_format) == (12.5, "mlrun")
    assert revision.events_url == "http://127.0.0.1:9/events"
    assert revision.redaction == [
        {"action": "mask", "in": "inputs", "field": "customer.name"},
        {"action": "remove", "in": "both", "pattern": "[0-9]{4} [0-9]{4}"},
    ]
    assert (revision.max_latency_ms, revision.max_concurrency, revision.class_name) == (20, 3, "Predict")


def test_who_chooses_mlruns_records_is_told_which_scripts_write_them(serving: Serving, bob: Pages) -> None:
    warning = "Calls of any other script are not recorded in this format."
    content = bob.get("servings/Iris/edit/").content.decode()
    assert warning not in content
    assert "only scripts with a V2ModelServer record anything" in content
    given = {"script": SCRIPT, "record_format": "mlrun", "replicas": "0", "expected_revision": "1"}
    assert warning in bob.post("servings/Iris/edit/", given).content.decode()
    bob.post("servings/Iris/edit/", given | {"replicas": "1"})
    content = bob.get("servings/Iris/edit/").content.decode()
    assert warning in content
    assert re.search(r'<details class="advanced" open>\s*<summary>Log of calls', content)


def test_batching_is_chosen_from_three_ways_and_each_is_explained(serving: Serving, bob: Pages) -> None:
    content = bob.get("servings/Iris/edit/").content.decode()
    assert '<option value="auto" selected>Automatic</option>' in content
    assert "V2ModelServer (MLRun) or Model (KServe)" in content
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "batching": "off", "expected_revision": "1"})
    assert newest().revision.batching == "off"  # type: ignore[union-attr]
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "batching": "", "expected_revision": "2"})
    assert newest().revision.batching == "off", "left empty, it stays"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "field", "section"),
    [
        ({"name": "no-dash"}, "name", ""),
        ({"model_version": "9"}, "model_version", ""),
        ({"script": ""}, "script", ""),
        ({"replicas": "0"}, "replicas", "Advanced"),
        ({"memory_mb": "many"}, "memory_mb", "Advanced"),
        ({"variables": "HOPYARD_X=1"}, "variables", "Advanced"),
        ({"variables": "nonsense"}, "variables", "Advanced"),
        ({"topic": "elsewhere"}, "topic", "Log of calls"),
        ({"topic_partitions": "0"}, "topic_partitions", "Log of calls"),
        ({"sampling_percent": "0"}, "sampling_percent", "Log of calls"),
        ({"sampling_percent": "nan"}, "sampling_percent", "Log of calls"),
        ({"record_format": "xml"}, "record_format", "Log of calls"),
        ({"redaction": "mask everything"}, "redaction", "Log of calls"),
        ({"redaction": "burn inputs field name"}, "redaction", "Log of calls"),
        ({"redaction": "mask inputs pattern (a+)+"}, "redaction", "Log of calls"),
        ({"events_url": "ftp://somewhere"}, "events_url", "Log of calls"),
        ({"input_topic": "elsewhere"}, "input_topic", "Requests from a topic"),
        ({"batching": "perhaps"}, "batching", "Advanced"),
        ({"max_latency_ms": "10001"}, "max_latency_ms", "Advanced"),
        ({"max_concurrency": "0"}, "max_concurrency", "Advanced"),
        ({"class_name": "two words"}, "class_name", "Advanced"),
        ({"alias": "champion"}, "alias", ""),
        ({"python": "2.7"}, "python", "Python and packages"),
        ({"requirements": "-e ."}, "requirements", "Python and packages"),
        ({"requirements": "../wheel.whl"}, "requirements", "Python and packages"),
        ({"transformer": "Resources/none.py"}, "transformer", "Transformer"),
        ({"transformer_placement": "elsewhere"}, "transformer_placement", "Transformer"),
        ({"transformer_replicas": "0"}, "transformer_replicas", "Transformer"),
        ({"artifact_version": "7"}, "artifact_version", "Transformer"),
        ({"artifact_version": "MODEL-ONLY", "transformer": SCRIPT}, "artifact_version", "Transformer"),
    ],
)
def test_an_error_stands_beside_its_field_and_the_input_is_kept(
    version: ModelVersion, bob: Pages, given: dict[str, str], field: str, section: str
) -> None:
    response = bob.post("new-serving/", {"script": SCRIPT, "name": "Iris", "description": "typed", **given})
    content = response.content.decode()
    assert response.status_code == 400
    assert f'id="id_{field}_error"' in content
    assert "typed" in content
    opened = re.findall('<details class="advanced" open>\\s*<summary>(.*?) <span', content)
    assert opened == ([section] if section else [])
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
    given = {"script": SCRIPT, "cores": "2", "expected_revision": "1"}
    response = bob.post("servings/Iris/edit/", given, follow=True)
    assert b"old replicas answer until the new ones are ready" in response.content
    revision = newest().revision
    assert revision is not None
    assert (revision.number, revision.cores) == (2, 2)


def test_the_second_of_two_editors_is_told_and_sees_both_values(
    serving: Serving, alice: Pages, bob: Pages
) -> None:
    alice.post("servings/Iris/edit/", {"script": SCRIPT, "memory_mb": "2048", "expected_revision": "1"})
    given = {"script": SCRIPT, "memory_mb": "512", "topic": "CREATE", "expected_revision": "1"}
    content = bob.post("servings/Iris/edit/", given).content.decode()
    assert "alice changed Iris to revision 2 while you were editing" in content
    assert 'value="512"' in content
    assert re.findall("Now: <code>(.*?)</code>", content) == [newest().revision.topic, "2048"]  # type: ignore[union-attr]
    assert 'name="expected_revision" value="2"' in content
    bob.post("servings/Iris/edit/", {**given, "expected_revision": "2"})
    assert newest().revision.memory_mb == 512  # type: ignore[union-attr]


@pytest.fixture
def scaler(owner: Access) -> str:
    blob = storage.receive([b"class Transformer: ...\n"])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    return "Resources/scaler.py"


def options(content: str, field: str) -> dict[str, str]:
    """Label by value."""
    select = re.search(rf'<select name="{field}".*?</select>', content, re.DOTALL)
    assert select is not None
    return dict(re.findall(r'<option value="(.*?)"(?: selected)?>(.*?)</option>', select[0]))


def opened(content: str) -> list[str]:
    return re.findall(r'<details class="advanced" open>\s*<summary>([A-Za-z ]+?) <', content)


def test_packages_and_transformer_reach_the_revision(version: ModelVersion, scaler: str, bob: Pages) -> None:
    Interpreter.objects.create(version="3.12", full_version="3.12.1", path="/usr/bin/python3.12")
    given = {
        "script": SCRIPT,
        "name": "Iris",
        "python": "3.12",
        "requirements": "six==1.17.0\r\nidna",
        "transformer": scaler,
        "transformer_placement": "inline",
        "transformer_replicas": "3",
        "transformer_cores": "0.5",
        "transformer_memory_mb": "300",
        "artifact_version": "CREATE",
    }
    assert bob.post("new-serving/", given).status_code == 302
    found = newest().current
    assert (found.python, found.requirements, found.requirements_path) == ("3.12", "six==1.17.0\nidna", "")
    assert (found.transformer_path, found.transformer_placement, found.transformer_replicas) == (
        scaler,
        "inline",
        3,
    )
    assert (found.transformer_cores, found.transformer_memory_mb) == (0.5, 300)
    assert str(found.artifact) == "iris_1_1"


def test_a_newcomer_sees_script_name_and_model_and_the_rest_is_folded(
    version: ModelVersion, bob: Pages
) -> None:
    content = bob.get("new-serving/").content.decode()
    before, _, folded = content.partition('<details class="advanced"')
    for field in ("script", "name", "model"):
        assert f'id="id_{field}"' in before
    for field in ("requirements", "python", "transformer", "artifact_version", "replicas"):
        assert f'id="id_{field}"' in folded
    assert opened(content) == []


def test_what_is_in_use_is_unfolded_when_editing(serving: Serving, scaler: str, bob: Pages) -> None:
    given = {"script": SCRIPT, "transformer": scaler, "requirements": "six", "expected_revision": "1"}
    bob.post("servings/Iris/edit/", given)
    content = bob.get("servings/Iris/edit/").content.decode()
    assert opened(content) == ["Python and packages", "Transformer"]
    assert "now the requirements typed here" in content
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "expected_revision": "2"})
    content = bob.get("servings/Iris/edit/").content.decode()
    assert opened(content) == []
    assert "now the platform&#x27;s own packages" in content, "emptied fields are emptied settings"
    assert newest().current.transformer is None


def test_the_form_says_that_the_file_beside_the_script_is_in_force(
    export: Callable[..., ModelVersion], owner: Access, bob: Pages
) -> None:
    export(files={"predictor.py": IRIS_SCRIPT, "requirements.txt": "six\n"})
    services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT))
    content = bob.get("servings/Iris/edit/").content.decode()
    assert "now Models/iris/1/requirements.txt" in content
    assert re.search(r'<textarea name="requirements"[^>]*>\s*</textarea>', content)


@pytest.fixture
def champion(version: ModelVersion, export: Callable[..., ModelVersion], owner: Access) -> ModelVersion:
    """Version 1 of two."""
    aliases.put(access=owner, version=version, name="champion")
    export(files={"predictor.py": IRIS_SCRIPT, "more.txt": "x"})
    return version


def test_an_alias_is_followed_instead_of_a_version(champion: ModelVersion, bob: Pages) -> None:
    offered = options(bob.get("new-serving/").content.decode(), "alias")
    assert offered["champion"] == "champion (iris@1)"
    given = {"script": SCRIPT, "name": "Iris", "alias": "champion"}
    assert bob.post("new-serving/", given).status_code == 302
    assert (newest().current.alias, newest().current.model_version.number) == ("champion", 1)


@pytest.mark.parametrize(
    ("now", "then", "alias", "number"),
    [
        ({"model_version": "1"}, {"model_version": "1", "alias": "champion"}, "champion", 1),
        ({"alias": "champion"}, {"alias": "champion", "model_version": "2"}, "", 2),
        ({"alias": "champion"}, {"alias": "champion"}, "champion", 1),
        ({"alias": "champion"}, {"alias": "", "model_version": "1"}, "", 1),
    ],
)
def test_of_alias_and_version_the_one_that_was_changed_counts(
    champion: ModelVersion,
    scaler: str,
    bob: Pages,
    now: dict[str, str],
    then: dict[str, str],
    alias: str,
    number: int,
) -> None:
    base = {"script": scaler, "name": "Iris", "model": "iris"}
    assert bob.post("new-serving/", {**base, **now}).status_code == 302
    assert bob.post("servings/Iris/edit/", {**base, **then, "expected_revision": "1"}).status_code == 302
    assert (newest().current.alias, newest().current.model_version.number) == (alias, number)


def test_an_alias_of_one_model_alone_names_the_model(champion: ModelVersion, scaler: str, bob: Pages) -> None:
    assert (
        bob.post("new-serving/", {"script": scaler, "name": "Iris", "alias": "champion"}).status_code == 302
    )
    assert str(newest().current.model_version) == "iris version 1"


def test_an_artifact_can_be_chosen_by_its_number_with_the_transformer_in_it(
    version: ModelVersion, scaler: str, bob: Pages
) -> None:
    bob.post("new-serving/", {"script": SCRIPT, "name": "Iris", "transformer": scaler})
    content = bob.get("new-serving/").content.decode()
    assert options(content, "artifact_version") == {
        "": "Automatic",
        "CREATE": "CREATE: the next number",
        "MODEL-ONLY": "MODEL-ONLY: no transformer",
        "1": "1: iris_1_1 with scaler.py",
    }
    assert options(content, "transformer")["scaler.py"] == "scaler.py (in iris_1_1)"
    given = {"script": SCRIPT, "name": "Again", "artifact_version": "1"}
    refused = bob.post("new-serving/", {**given, "transformer": scaler}).content.decode()
    assert "without a folder" in refused
    assert 'id="id_artifact_version_error"' in refused
    assert bob.post("new-serving/", {**given, "transformer": "scaler.py"}).status_code == 302
    assert newest("Again").current.artifact == newest().current.artifact
    edit = {"script": SCRIPT, "transformer": "scaler.py", "replicas": "2", "expected_revision": "1"}
    assert bob.post("servings/Again/edit/", edit).status_code == 302
    assert str(newest("Again").current.artifact) == "iris_1_1", "an edit keeps it"


def test_the_pythons_of_the_host_are_offered(version: ModelVersion, bob: Pages) -> None:
    Interpreter.objects.create(version="3.12", full_version="3.12.1", path="/usr/bin/python3.12")
    offered = options(bob.get("new-serving/").content.decode(), "python")
    assert list(offered) == ["", "3.12"]
    assert offered[""].startswith("The platform&#x27;s own (3.")
