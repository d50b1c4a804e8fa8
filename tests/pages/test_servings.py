"""Running and watching servings."""

import contextlib
import html
import json
import re
import shlex
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from models_registry.versions import aliases
from serving import gateway, services
from serving.environments import service as environments
from serving.gateway import Answer
from serving.models import InferenceRecord, Replica, Resolution, Revision, Serving
from serving.settings import Settings
from serving.states import Component, ReplicaState
from tests.client.scripted import Scripted, says_raw
from tests.client.scripted import running as served
from tests.conftest import IRIS_SCRIPT
from tests.pages.conftest import HTMX, SCRIPT, Pages

FAILURE = {"code": "DependencyMissing", "reason": "No module x.", "evidence": "Traceback <x>", "attempt": 2}


def newest(name: str = "Iris") -> Serving:
    return Serving.objects.select_related("revision__model_version__model").get(name=name, is_deleted=False)


def test_the_list_is_stable_filtered_and_shows_the_reason(
    running: Serving, owner: Access, bob: Pages
) -> None:
    services.create(access=owner, wanted=Settings(name="Aphid", script=SCRIPT))
    content = bob.get("servings/").content.decode()
    assert content.index("Aphid") < content.index("Iris")
    assert "1 of 1 replica ready" in content
    assert "1/1" in content
    filtered = bob.get("servings/?q=aphi").content.decode()
    assert "Aphid" in filtered
    assert "servings/Iris/" not in filtered
    assert "Nothing matches" in bob.get("servings/?q=zzz").content.decode()


def test_an_empty_list_teaches_the_three_steps(alice: Pages) -> None:
    assert b"serving.create_or_update(" in alice.get("servings/").content


@pytest.mark.parametrize(
    "path", ["servings/", "servings/Iris/", "servings/Iris/logs/", "servings/Iris/history/"]
)
def test_a_poll_gets_only_the_section_and_304_while_nothing_changes(
    serving: Serving, owner: Access, bob: Pages, path: str
) -> None:
    first = bob.get(path, headers=HTMX)
    assert b"<html" not in first.content
    tag = first["HX-PTag"]
    assert f'hx-ptag="{tag}"'.encode() in first.content
    unchanged = bob.get(path, headers=HTMX | {"HX-PTag": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    services.start(access=owner, serving=serving)
    assert bob.get(path, headers=HTMX | {"HX-PTag": tag}).status_code == 200


def test_an_unchanged_poll_costs_four_small_reads(
    serving: Serving, bob: Pages, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tag = bob.get("servings/", headers=HTMX)["HX-PTag"]
    with django_assert_num_queries(4):  # session, user, membership, tag
        bob.get("servings/", headers=HTMX | {"HX-PTag": tag})


def test_another_filter_is_another_tag(serving: Serving, bob: Pages) -> None:
    tag = bob.get("servings/?q=iris", headers=HTMX)["HX-PTag"]
    assert bob.get("servings/?q=zzz", headers=HTMX | {"HX-PTag": tag}).status_code == 200


def test_run_and_stop_are_shown_when_they_make_sense(serving: Serving, owner: Access, bob: Pages) -> None:
    def buttons() -> tuple[bool, bool]:
        content = bob.get("servings/Iris/").content
        return b"/Iris/run/" in content, b"/Iris/stop/" in content

    assert buttons() == (True, False)
    bob.post("servings/Iris/run/")
    assert buttons() == (False, True)
    Serving.objects.update(has_given_up=True)
    assert buttons() == (True, True)
    bob.post("servings/Iris/stop/")
    assert buttons() == (True, False)


def test_a_button_leads_back_to_where_it_was_pressed_but_never_elsewhere(
    serving: Serving, bob: Pages
) -> None:
    back = "/projects/garden/servings/?q=iris"
    assert bob.post("servings/Iris/run/", {"next": back})["Location"] == back
    elsewhere = bob.post("servings/Iris/stop/", {"next": "//evil.example/"})
    assert elsewhere["Location"] == "/projects/garden/servings/Iris/"


def test_deleting_asks_first(serving: Serving, bob: Pages) -> None:
    assert b"Delete the serving Iris?" in bob.get("servings/Iris/delete/").content
    assert Serving.objects.filter(is_deleted=False).exists()
    bob.post("servings/Iris/delete/")
    assert not Serving.objects.filter(is_deleted=False).exists()


def test_the_overview_shows_both_addresses_and_a_curl_line(
    running: Serving, vera: Pages, settings: LazySettings
) -> None:
    content = vera.get("servings/Iris/").content.decode()
    path = f"{settings.PUBLIC_URL}/inference/garden/Iris/v1/models/Iris:predict"
    assert f'<code id="path-url">{path}</code>' in content
    assert f"http://{settings.REPLICA_HOST}:{running.port}/v1/models/Iris:predict" in content
    assert f"curl {path}" in content
    assert "$HOPYARD_API_KEY" in content
    assert "r1-0-1" in content


def snippets(content: str) -> dict[str, str]:
    """The texts that can be copied, by id."""
    return {
        id_: html.unescape(text)
        for id_, text in re.findall(r'<code id="(.+?)">(.*?)</code>', content, re.DOTALL)
    }


def test_the_overview_says_how_to_ask_in_each_protocol_at_each_address(
    running: Serving, vera: Pages, settings: LazySettings
) -> None:
    found = snippets(vera.get("servings/Iris/").content.decode())
    path = f"{settings.PUBLIC_URL}/inference/garden/Iris"
    port = f"{settings.REPLICA_HOST}:{running.port}"
    rows = '{"instances": [[1.0, 2.0, 3.0, 4.0]]}'
    tensor = '"name": "input-0", "shape": [1, 4], "datatype": "FP64", '
    tensors = f'{{"inputs": [{{{tensor}"data": [1.0, 2.0, 3.0, 4.0]}}]}}'
    for base, place in ((path, "path"), (f"http://{port}", "port")):
        v1, v2 = shlex.split(found[f"ask-v1-{place}"]), shlex.split(found[f"ask-v2-{place}"])
        assert (v1[:2], v1[-1]) == (["curl", f"{base}/v1/models/Iris:predict"], rows)
        assert (v2[:2], v2[-1]) == (["curl", f"{base}/v2/models/Iris/infer"], tensors)
    grpc = shlex.split(found["ask-grpc-port"])
    assert grpc[-2:] == [port, "inference.GRPCInferenceService/ModelInfer"]
    assert "authorization: ApiKey $HOPYARD_API_KEY" in grpc
    message = json.loads(grpc[grpc.index("-d") + 1])
    assert message["model_name"] == "Iris"
    assert message["inputs"][0]["contents"] == {"fp64_contents": [1.0, 2.0, 3.0, 4.0]}
    assert "ask-grpc-path" not in found


ROWS = [[0.1] * 100, [0.2] * 100]


@pytest.mark.parametrize(
    ("example", "v1", "v2", "contents"),
    [
        ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]], [[[2, 2], "INT64", [1, 2, 3, 4]]], {"int64_contents": [1, 2]}),
        ('["a", "ä"]', [["a", "ä"]], [[[1, 2], "BYTES", ["a", "ä"]]], {"bytes_contents": ["YQ==", "w6Q="]}),
        (
            '{"instances": [{"x": 1, "y": true}, {"x": 2.5, "y": false}]}',
            [{"x": 1, "y": True}, {"x": 2.5, "y": False}],
            [[[2], "FP64", [1, 2.5]], [[2], "BOOL", [True, False]]],
            {"int64_contents": [1]},
        ),
        (
            '{"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}]}',
            [[1], [2]],
            [[[2, 1], "FP32", [1, 2]]],
            {"fp32_contents": [1, 2]},
        ),
        (
            "[[1, 2], [3]]",
            [[1, 2], [3]],
            [[[1, 4], "FP64", [1.0, 2.0, 3.0, 4.0]]],
            {"int64_contents": [1, 2]},
        ),
        (json.dumps(ROWS), ROWS, [[[2, 100], "FP64", ROWS[0] + ROWS[1]]], None),
    ],
)
def test_each_protocols_body_comes_from_the_input_example(
    export: Callable[..., ModelVersion],
    owner: Access,
    bob: Pages,
    example: str,
    v1: object,
    v2: list[list[object]],
    contents: dict[str, object] | None,
) -> None:
    export(files={"predictor.py": IRIS_SCRIPT, "input_example.json": example})
    services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT))

    def suggested(verb: str) -> Any:
        response = bob.get(f"servings/Iris/try/?verb={verb}")
        return json.loads(response.context["try_form"]["body"].value())

    assert suggested("predict") == {"instances": v1}
    assert [[each["shape"], each["datatype"], each["data"]] for each in suggested("infer")["inputs"]] == v2
    found = snippets(bob.get("servings/Iris/").content.decode())
    grpc = shlex.split(found["ask-grpc-port"])
    if contents is None:
        assert grpc[-2:] == ["<", "request.json"]
        assert shlex.split(found["ask-v1-path"])[-1] == "@input_example.json"
        assert shlex.split(found["ask-v2-path"])[-1] == "@request.json"
    else:
        assert json.loads(grpc[grpc.index("-d") + 1])["inputs"][0]["contents"] == contents


def test_try_it_asks_v2_with_tensors(running: Serving, vera: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    form = vera.get("servings/Iris/try/?verb=infer", headers=HTMX).content.decode()
    assert "<html" not in form
    assert '<input type="hidden" name="verb" value="infer"' in form
    assert 'aria-current="true">V2 infer</a>' in form
    asked: dict[str, Any] = {}

    def forward(serving: Serving, **request: object) -> Answer:
        asked.update(request)
        return Answer(200, b'{"outputs":[]}')

    monkeypatch.setattr(gateway, "forward", forward)
    assert b"outputs" in vera.post("servings/Iris/try/", {"verb": "infer", "body": "{}"}).content
    assert asked["path"] == "v2/models/Iris/infer"
    vera.post("servings/Iris/try/", {"verb": "explain", "body": "{}"})
    assert asked["path"] == "v1/models/Iris:explain"
    asked.clear()
    assert vera.post("servings/Iris/try/", {"verb": "../x", "body": "{}"}).status_code == 200
    assert not asked


def test_the_models_own_description_is_shown_as_json_whatever_it_says(
    running: Serving, vera: Pages, bob: Pages
) -> None:
    with running_replica() as replica:
        Replica.objects.update(address=replica.url.removeprefix("http://"))
        replica.then(says_raw(200, b"<script>alert(1)</script>", "text/html"))
        answer = vera.get("servings/Iris/openapi.json")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert replica.calls == ["GET /openapi.json"]
        assert b"/servings/Iris/openapi.json" in vera.get("servings/Iris/").content
    bob.post("servings/Iris/stop/")
    Replica.objects.all().delete()
    refused = vera.get("servings/Iris/openapi.json")
    assert (refused.status_code, refused.json()["code"]) == (409, "NotRunning")


def test_a_stream_is_shown_as_far_as_it_came(running: Serving, vera: Pages) -> None:
    def breaks_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nhops \r\n")
        handler.close_connection = True

    with running_replica() as replica:
        Replica.objects.update(address=replica.url.removeprefix("http://"))
        replica.then(breaks_off)
        content = vera.post("servings/Iris/try/", {"verb": "predict", "body": "{}"}, headers=HTMX).content
        assert b"<code>hops </code>" in content


@contextlib.contextmanager
def running_replica() -> Iterator[Scripted]:
    script = Scripted()
    with served(script):
        yield script


def test_calls_of_every_operation_are_listed(running: Serving, vera: Pages) -> None:
    for number, verb in enumerate(("infer", "explain", "validate", "")):
        InferenceRecord.objects.create(
            serving=running,
            request_id=f"r-{number}",
            revision=1,
            replica="r1-0-1",
            verb=verb,
            status=200,
            requested_at=timezone.now(),
            duration_us=1,
        )
    content = vera.get("servings/Iris/calls/").content.decode()
    assert re.findall('data-label="Method">(.*?)<', content) == ["–", "validate", "explain", "infer"]


def test_a_failure_shows_code_reason_evidence_and_what_to_do(serving: Serving, vera: Pages) -> None:
    Serving.objects.update(failure=FAILURE, has_given_up=True, status="Failed")
    content = vera.get("servings/Iris/").content.decode()
    for shown in (
        "DependencyMissing",
        "No module x.",
        "Traceback &lt;x&gt;",
        "after attempt 2",
        "All logs of the attempts",
    ):
        assert shown in content


@pytest.mark.parametrize(
    ("code", "advice", "link"),
    [
        ("EnvironmentConflict", "Change the requirements", "/servings/Iris/edit/"),
        ("PackageNotFound", "Change the requirements", "/servings/Iris/edit/"),
        ("DependencyMissing", "Add the package to the requirements", "/servings/Iris/edit/"),
        ("FilesRefused", "let an owner look at the reports", "/projects/garden/safety/"),
        ("ArtifactCorrupt", "no longer what was registered", "/servings/Iris/logs/"),
        ("NoSpace", "Tell the administrator", "/servings/Iris/logs/"),
        ("SomethingNew", "Correct the script or its files", "/servings/Iris/logs/"),
    ],
)
def test_each_failure_comes_with_its_own_advice(
    serving: Serving, bob: Pages, code: str, advice: str, link: str
) -> None:
    Serving.objects.update(failure={**FAILURE, "code": code}, has_given_up=True, status="Failed")
    content = bob.get("servings/Iris/").content.decode()
    section = content[content.index('<section class="failure"') :].partition("</section>")[0]
    assert advice in section
    assert f'{link}"' in section


def test_packages_that_failed_are_told_once_and_can_be_tried_again(
    version: ModelVersion, owner: Access, bob: Pages
) -> None:
    services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT, requirements="six"))
    failure = {"code": "EnvironmentConflict", "reason": "They contradict.", "evidence": "cause: x"}
    Resolution.objects.update(state=Resolution.State.FAILED, failure=failure, log="cause: x")
    assert "They contradict." in bob.get("servings/Iris/").content.decode(), "also before Run was pressed"
    Serving.objects.update(failure={**failure, "attempt": 1}, has_given_up=True, status="Failed")
    content = bob.get("servings/Iris/").content.decode()
    assert content.count('role="alert"') == 1
    assert "cause: x" in content
    assert "Try again" in content
    bob.post("servings/Iris/check-again/")
    assert Resolution.objects.get().state == Resolution.State.WAITING


def test_the_overview_names_packages_transformer_alias_and_artifact(
    version: ModelVersion, owner: Access, vera: Pages
) -> None:
    aliases.put(access=owner, version=version, name="champion")
    blob = storage.receive([b"class Transformer: ..."])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    wanted = Settings(
        name="Iris",
        script=SCRIPT,
        alias="champion",
        transformer="Resources/scaler.py",
        transformer_replicas=2,
        requirements="six==1.17.0",
    )
    made, _ = services.create(access=owner, wanted=wanted)
    content = vera.get("servings/Iris/").content.decode()
    artifact = made.current.artifact
    assert artifact is not None
    for shown in (
        'follows <span class="tag tag--alias">champion</span>',
        "2 replicas of its own, each with 1 core, 512 MB",
        "iris_1_1",
        artifact.digest[:12],
        "six==1.17.0",
        "not resolved yet",
        "Preparing the environment",
    ):
        assert shown in content
    environment = environments.of_lock("3.11", "six==1.17.0\n")
    Revision.objects.update(environment=environment)
    assert f"/environments/{environment.key[:12]}/" in vera.get("servings/Iris/").content.decode()


def test_replicas_of_a_transformer_are_counted_and_named(
    running: Serving, owner: Access, vera: Pages
) -> None:
    blob = storage.receive([b"class Transformer: ..."])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    changes = {"transformer": "Resources/scaler.py", "transformer_replicas": 2}
    services.update(access=owner, serving=running, changes=changes)
    Replica.objects.create(
        serving=running,
        name="t2-0-1",
        revision=2,
        component=Component.TRANSFORMER,
        slot=0,
        attempt=1,
        state=ReplicaState.READY,
    )
    content = vera.get("servings/Iris/").content.decode()
    assert "2 of 3 ready" in content
    assert "transformer, revision 2" in content
    assert "predictor, revision 1" in content
    assert "2/3" in vera.get("servings/").content.decode()


def test_rolling_back_makes_a_new_revision(serving: Serving, bob: Pages) -> None:
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "cores": "3"})
    assert b"roll-back/1/" in bob.get("servings/Iris/history/").content
    bob.post("servings/Iris/roll-back/1/")
    revision = newest().revision
    assert revision is not None
    assert (revision.number, revision.cores) == (3, 1)
    assert b"Revision 3 is revision 1 again" in bob.get("servings/Iris/history/").content
    assert b"has no revision 9" in bob.post("servings/Iris/roll-back/9/", follow=True).content


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ("[[5.1, 3.5]]", {"instances": [[5.1, 3.5]]}),
        ("[5.1, 3.5]", {"instances": [[5.1, 3.5]]}),
        ('{"inputs": {"a": [1]}}', {"inputs": {"a": [1]}}),
        ("not json", {"instances": [[1.0, 2.0, 3.0, 4.0]]}),
    ],
)
def test_the_try_it_box_begins_with_the_versions_own_example(
    export: Callable[..., ModelVersion], owner: Access, bob: Pages, example: str, shown: object
) -> None:
    export(files={"predictor.py": IRIS_SCRIPT, "input_example.json": example})
    services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT))
    response = bob.get("servings/Iris/")
    assert json.loads(response.context["try_form"]["body"].value()) == shown


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_try_it_shows_the_answer_with_and_without_script(
    running: Serving, vera: Pages, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    asked: dict[str, object] = {}

    def forward(serving: Serving, **request: object) -> Answer:
        asked.update(request)
        return Answer(200, b'{"predictions":["setosa"]}')

    monkeypatch.setattr(gateway, "forward", forward)
    response = vera.post(
        "servings/Iris/try/", {"verb": "classify", "body": '{"instances": []}'}, headers=headers
    )
    content = response.content.decode()
    assert asked["path"] == "v1/models/Iris:classify"
    assert asked["body"] == b'{"instances": []}'
    assert "setosa" in content
    assert " ms" in content
    assert ("<html" in content) == (headers == {})


def test_try_it_says_why_a_stopped_serving_does_not_answer(serving: Serving, vera: Pages) -> None:
    content = vera.post("servings/Iris/try/", {"verb": "predict", "body": "{}"}).content
    assert b"not running; start it first" in content
    assert b"409" in content
    assert b"Write a request body" in vera.post("servings/Iris/try/", {"verb": "predict"}).content


@pytest.fixture
def log(running: Serving, settings: LazySettings, tmp_path: Path) -> Path:
    settings.LOG_DIR = tmp_path
    path = tmp_path / running.key / "r1-0-1.log"
    path.parent.mkdir()
    path.write_text("2026-01-01T00:00:00Z model loaded\n2026-01-01T00:00:01Z <b>warm</b>\n")
    return path


def test_logs_are_searched_escaped_and_downloaded(log: Path, vera: Pages) -> None:
    content = vera.get("servings/Iris/logs/").content.decode()
    assert '<span class="log__time">2026-01-01T00:00:00Z</span> model loaded' in content
    assert "&lt;b&gt;warm" in content
    found = vera.get("servings/Iris/logs/?search=WARM&replica=r1-0-1").content.decode()
    assert "warm" in found
    assert "model loaded" not in found
    assert vera.get("servings/Iris/logs/r1-0-1/").getvalue() == log.read_bytes()
    assert vera.get("servings/Iris/logs/..%2fsecret/").status_code == 404


def test_a_new_log_line_changes_the_tag(log: Path, vera: Pages) -> None:
    tag = vera.get("servings/Iris/logs/", headers=HTMX)["HX-PTag"]
    with log.open("a") as file:
        file.write("2026-01-01T00:00:02Z more\n")
    assert b"more" in vera.get("servings/Iris/logs/", headers=HTMX | {"HX-PTag": tag}).content


def test_a_poll_of_the_logs_brings_the_header_along(log: Path, vera: Pages) -> None:
    assert b"hx-swap-oob" not in vera.get("servings/Iris/logs/").content
    assert b'hx-swap-oob="outerMorph"' in vera.get("servings/Iris/logs/", headers=HTMX).content


def test_calls_show_what_was_asked_and_answered(running: Serving, vera: Pages) -> None:
    assert b"No calls recorded" in vera.get("servings/Iris/calls/").content
    InferenceRecord.objects.create(
        request_id="abc",
        serving=running,
        revision=1,
        replica="r1-0-1",
        verb="predict",
        status=200,
        requested_at=timezone.now(),
        duration_us=1234,
        inputs="[[5.1]]",
        outputs='["setosa"]',
    )
    content = vera.get("servings/Iris/calls/").content.decode()
    for shown in ("[[5.1]]", "setosa", "1,234 µs", "abc"):
        assert shown in content
