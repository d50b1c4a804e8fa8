"""What may be asked for, what it is compared with, and who sees and changes which environment."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import User
from models_registry.models import ModelVersion
from serving import services
from serving.environments import changes, locks, queries, requirements, service, skew
from serving.environments.requirements import BadRequirements
from serving.errors import ServingError
from serving.models import Environment, Interpreter, Resolution, Serving
from serving.settings import Settings
from tests.conftest import People

URL = "/api/projects/garden/environments/"
LOCK = (
    f"numpy==2.4.6 \\\n    --hash=sha256:{'a' * 64}\nscikit-learn==1.9.1 \\\n    --hash=sha256:{'b' * 64}\n"
)


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    version = export()
    wanted = Settings(name="iris", script=f"{version.folder}/predictor.py", requirements="scikit-learn")
    return services.create(access=owner, wanted=wanted)[0]


@pytest.fixture
def environment(serving: Serving) -> Environment:
    """As the worker leaves it."""
    made = service.of_lock(serving.current.resolution.python, LOCK)
    Resolution.objects.update(environment=made, state=Resolution.State.DONE)
    serving.revisions.update(environment=made)
    Environment.objects.filter(pk=made.pk).update(
        state=Environment.State.READY,
        path="/nowhere",
        log="Resolved\n + numpy==2.4.6\n",
        size_bytes=5_000_000,
        build_seconds=2.5,
        built_at=timezone.now(),
        seal="c" * 64,
    )
    serving.refresh_from_db()
    made.refresh_from_db()
    return made


GOOD = """
# what the script imports
scikit-learn[docs]>=1.5,<2 ; python_version >= "3.11"  # with a comment
numpy \\
    >=1.26
six==1.16.0 --hash=sha256:{}
""".format("a" * 64)


def test_names_versions_extras_markers_hashes_and_comments_are_understood() -> None:
    lines = requirements.parse(GOOD)
    assert [(line.number, line.name) for line in lines] == [(3, "scikit-learn"), (4, "numpy"), (6, "six")]
    assert lines[0].requirement.extras == {"docs"}
    assert str(lines[1].requirement) == "numpy>=1.26"
    assert lines[2].hashes == (f"sha256:{'a' * 64}",)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("-r other.txt", "read another file"),
        ("-c other.txt", "read another file"),
        ("--requirement=/etc/passwd", "read another file"),
        ("-e .", "editable"),
        ("--editable=git+https://x/y", "editable"),
        ("--index-url https://evil.example/simple", "administrator"),
        ("--extra-index-url=https://evil.example", "administrator"),
        ("-i https://evil.example", "administrator"),
        ("--find-links /tmp", "administrator"),
        ("--trusted-host evil.example", "administrator"),
        ("--no-binary :all:", "options such as --no-binary"),
        ("--pre", "options such as --pre"),
        ("six --global-option=x", "only --hash"),
        ("six --config-settings x=y", "only --hash"),
        ("./local", "is a path"),
        ("../up", "is a path"),
        ("/etc/passwd", "is a path"),
        ("~/wheel.whl", "is a path"),
        ("package-1.0-py3-none-any.whl", "is a path"),
        ("C:\\wheels\\x", "is a path"),
        ("folder/sub", "is a path"),
        ("file:///etc/passwd", "is an address"),
        ("https://example.com/x.whl", "is an address"),
        ("git+https://example.com/x", "repository"),
        ("x @ git+ssh://git@example.com/x", "repository"),
        ("x @ file:///etc/passwd", "not an https address"),
        ("x @ http://example.com/x.whl", "not an https address"),
        ("x @ https://example.com/x.whl", "HOPYARD_ALLOW_URL_REQUIREMENTS"),
        ("six==1.0 --hash=md5:abc", "is no hash"),
        (f"six>=1.0 --hash=sha256:{'a' * 64}", "belongs to one version"),
        ("hopyard", "has hopyard already"),
        ("${HOME}", "variables"),
        ("six\0", "control characters"),
        ("six == ", "is no requirement"),
        ("what is this", "is no requirement"),
        ("; rm -rf /", "has an option"),
        ("x @" + " " * 60_000 + "h", "may have 2000 characters"),
        (f"x; {'(' * 5000}{')' * 5000}", "may have 2000 characters"),
        (f"x; {'(' * 900}python_version>'3'{')' * 900}", "parentheses"),
    ],
)
def test_what_could_touch_the_host_is_refused_by_line(line: str, sentence: str) -> None:
    with pytest.raises(BadRequirements) as refused:
        requirements.parse(f"numpy\n{line}\n")
    assert str(refused.value).startswith("Line 2: ")
    assert sentence in str(refused.value)


def test_every_bad_line_has_its_sentence_and_the_text_its_bounds() -> None:
    with pytest.raises(BadRequirements) as refused:
        requirements.parse("-r a\nsix\n" + "-e .\n" * 10)
    assert str(refused.value).count("Line ") == requirements.MOST_COMPLAINTS
    assert "6 more lines" in str(refused.value)
    with pytest.raises(BadRequirements, match="64 KB"):
        requirements.parse("a" * 65_537)


def test_addresses_are_taken_where_the_administrator_allows_them() -> None:
    (line,) = requirements.parse("x @ https://example.com/x.whl", allows_urls=True)
    assert line.requirement.url == "https://example.com/x.whl"
    with pytest.raises(BadRequirements):
        requirements.parse("x @ git+https://example.com/x", allows_urls=True)


def test_a_lock_for_several_pythons_installs_one_version_each() -> None:
    lock = "numpy==2.4.6 ; python_full_version < '3.12'\nnumpy==2.5.5 ; python_full_version >= '3.12'\n"
    assert [str(each) for each in locks.packages(lock, "3.11")] == ["numpy==2.4.6"]
    assert [str(each) for each in locks.packages(lock, "3.12")] == ["numpy==2.5.5"]


def test_the_same_text_is_one_resolution_whatever_its_line_ends(db: None) -> None:
    first, _ = service.adopt("", "six\niniconfig\n")
    assert service.adopt("", "\r\nsix  \r\niniconfig")[0] == first
    assert service.adopt("", "six")[0] != first
    assert first.state == Resolution.State.WAITING


def test_no_requirements_are_the_platforms_own_packages(db: None) -> None:
    resolution, environment = service.adopt("", "  \n# nothing but a comment\n")
    assert resolution is None
    assert (environment.state, service.adopt("", "")[1]) == (Environment.State.READY, environment)


def test_a_python_that_is_not_there_is_refused_with_those_that_are(db: None) -> None:
    Interpreter.objects.create(version="3.13", full_version="3.13.0", path="/usr/bin/python3.13")
    with pytest.raises(ServingError, match=r"has Python 3\.\d+.*3\.13, not 2\.7") as refused:
        service.adopt("2.7", "six")
    assert refused.value.field == "python"
    assert service.adopt("3.13", "six")[0].python == "3.13"


SKEWS = [
    ({"scikit-learn": "1.5.0"}, {"scikit-learn": "1.9.1"}, ["scikit-learn==1.5.0"]),
    ({"scikit_learn": "1.5.0"}, {"scikit-learn": "1.5.2"}, []),
    ({"numpy": "1.26.4"}, {"numpy": "2.4.6"}, ["numpy==1.26.4"]),
    ({"numpy": "2.1"}, {"numpy": "2.4.6"}, []),
    ({"torch": "1.13.1+cu117"}, {"torch": "2.5.0"}, ["torch==1.13.1"]),
    (
        {"xgboost": "1.7.6", "lightgbm": "3.3", "pandas": "1.5"},
        {"xgboost": "2.1", "lightgbm": "4.0", "pandas": "2.2"},
        3,
    ),
    ({"six": "1.0"}, {"six": "9.0"}, []),
    ({"numpy": "1.26"}, {}, []),
    ({"numpy": "not a version"}, {"numpy": "2.0"}, []),
]


@pytest.mark.parametrize(("trained", "locked", "expected"), SKEWS)
def test_a_difference_known_to_break_is_named(trained, locked, expected) -> None:
    found = skew.compare(trained, locked)
    assert len(found) == expected if isinstance(expected, int) else [each.pin for each in found] == expected
    assert all(f"served with {each.locked}" in each.sentence for each in found)


def test_another_python_breaks_what_cloudpickle_wrote() -> None:
    trained = {"cloudpickle": "3.0"}
    (found,) = skew.compare(trained, trained, trained_python="3.12.4", python="3.11")
    assert (found.package, found.pin) == ("python", "python==3.12")
    assert skew.compare(trained, trained, trained_python="3.11.2", python="3.11") == []
    assert skew.compare({"numpy": "2.0"}, {}, trained_python="3.12.4", python="3.11") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scikit-learn\nsix", "scikit-learn==1.5.0\nsix"),
        (
            'Scikit_Learn[x]>=1.6 ; python_version > "3"  # why',
            'scikit-learn[x]==1.5.0 ; python_version > "3"',
        ),
        ("# first\nsix", "# first\nsix\nscikit-learn==1.5.0"),
        ("", "pandas\nscikit-learn==1.5.0"),
    ],
)
def test_a_pin_takes_the_place_of_what_was_asked(text: str, expected: str) -> None:
    found = skew.compare({"scikit-learn": "1.5.0"}, {"scikit-learn": "1.9.1"})
    assert skew.pins(text, found, otherwise=["scikit-learn", "pandas"]) == expected


def test_one_click_saves_a_revision_with_the_version_of_the_training(
    serving: Serving, environment: Environment, owner: Access
) -> None:
    version = serving.current.model_version
    ModelVersion.objects.filter(pk=version.pk).update(packages={"scikit-learn": "1.5.0", "numpy": "2.0"})
    serving = Serving.objects.get(pk=serving.pk)
    assert [each.pin for each in queries.skews(serving.current)] == ["scikit-learn==1.5.0"]
    saved = changes.pin(access=owner, serving=serving, package="scikit-learn")
    assert (saved.current.number, saved.current.requirements) == (2, "scikit-learn==1.5.0")
    with pytest.raises(ServingError, match="nothing was changed"):
        changes.pin(access=owner, serving=saved)


def test_the_api_lists_environments_with_their_users(environment: Environment, api: APIClient) -> None:
    (listed,) = api.get(URL).json()["items"]
    assert listed["key"] == environment.key
    assert (listed["state"], listed["servings"], listed["is_locked"]) == ("ready", ["iris"], True)
    shown = api.get(f"{URL}{environment.key[:12]}/").json()
    assert [(each["name"], each["version"]) for each in shown["packages"]] == [
        ("numpy", "2.4.6"),
        ("scikit-learn", "1.9.1"),
    ]
    assert shown["lock"] == LOCK
    assert "+ numpy==2.4.6" in shown["log"]
    assert api.get(f"{URL}abc/").status_code == 404


def test_a_longer_list_takes_no_more_queries(environment: Environment, owner: Access, api: APIClient) -> None:
    counts = []
    for name in ("two", "three", "four", "five"):
        wanted = Settings(name=name, script="Models/iris/1/predictor.py", requirements=f"numpy # {name}\nsix")
        other, _ = services.create(access=owner, wanted=wanted)
        made = service.of_lock("3.11", LOCK.replace("2.4.6", f"2.4.{len(counts)}"))
        other.revisions.update(environment=made)
        api.get(URL)  # the first use of a key is written down
        with CaptureQueriesContext(connection) as queries_made:
            listed = api.get(URL).json()["items"]
        assert [name] in [each["servings"] for each in listed]
        counts.append(len(queries_made))
    assert (len(listed), len(set(counts))) == (5, 1)


def test_the_api_lists_the_hosts_pythons(api: APIClient) -> None:
    Interpreter.objects.create(version="3.12", full_version="3.12.1", path="/usr/bin/python3.12")
    (found,) = api.get("/api/projects/garden/interpreters/").json()
    assert (found["version"], found["full_version"]) == ("3.12", "3.12.1")
    assert "path" not in found


@pytest.mark.parametrize("verb", ["verify", "rebuild"])
@pytest.mark.parametrize(("who", "status"), [("alice", 202), ("bob", 202), ("vera", 403), ("charlie", 404)])
def test_those_who_may_write_verify_and_rebuild(
    environment: Environment,
    people: People,
    browser_of: Callable[[User], APIClient],
    verb: str,
    who: str,
    status: int,
) -> None:
    client = browser_of(getattr(people, who))
    assert client.post(f"{URL}{environment.key}/{verb}/").status_code == status
    environment.refresh_from_db()
    is_waiting = environment.state == Environment.State.WAITING
    assert is_waiting == (verb == "rebuild" and status == 202)


def test_an_environment_of_another_project_does_not_exist_here(
    environment: Environment, people: People, browser_of: Callable[[User], APIClient]
) -> None:
    charlie = browser_of(people.charlie)
    elsewhere = f"/api/projects/elsewhere/environments/{environment.key}/"
    assert charlie.get(elsewhere).status_code == 404
    assert charlie.get("/api/projects/elsewhere/environments/").json()["count"] == 0


def test_one_that_is_being_built_is_neither_rebuilt_nor_verified(
    environment: Environment, api: APIClient
) -> None:
    until = timezone.now() + timedelta(minutes=1)
    Environment.objects.update(state=Environment.State.BUILDING, lease="x", lease_until=until)
    for verb in ("rebuild", "verify"):
        answer = api.post(f"{URL}{environment.key}/{verb}/")
        assert answer.status_code == 400
        assert (
            "being built" in answer.json()["error"]["message"]
            or "building" in answer.json()["error"]["message"]
        )


def test_a_line_with_the_hashes_of_a_hundred_wheels_is_taken() -> None:
    hashes = " ".join(f"--hash=sha256:{number:064x}" for number in range(100))
    assert len(requirements.parse(f"six==1.0 {hashes}\t# of all wheels")[0].hashes) == 100
