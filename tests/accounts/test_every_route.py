"""Walks the whole table of URLs as owner, member, viewer, stranger and nobody, so that no route is forgotten."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import User
from models_registry import services as registry
from models_registry import storage
from models_registry.incoming import services as incoming
from models_registry.models import ModelVersion
from serving import services
from serving.models import Environment, InferenceRecord, Replay, Serving
from serving.settings import Settings
from tests.conftest import People

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
UNSAFE = METHODS[1:]

# Open to everybody, or to everybody who is signed in, by design.
PUBLIC = {"health/", "api/login/", "sign-in/", "api/^.*$", "api/schema/", "api/docs/"}
# Writes a viewer may do: ask for predictions, and make or end keys of their own.
FOR_VIEWERS = {
    "projects/<str:project>/servings/<str:name>/try/",
    "projects/<str:project>/keys/",
    "api/projects/<str:project>/api-keys/",
}
OWN_KEYS = {
    "api/projects/<str:project>/api-keys/<str:key_id>/",
    "projects/<str:project>/keys/<str:key_id>/revoke/",
}
FOR_OWNERS = {
    "api/projects/<str:project>/audit/": METHODS,
    "projects/<str:project>/audit/": METHODS,
    "projects/<str:project>/members/": UNSAFE,
    "api/projects/<str:project>/members/<str:username>/": UNSAFE,
    "projects/<str:project>/members/<str:username>/remove/": METHODS,
    "api/projects/<str:project>/settings/": METHODS,
    "projects/<str:project>/settings/": METHODS,
    "api/projects/<str:project>/reports/<str:sha256>/approve/": METHODS,
    "projects/<str:project>/safety/<str:sha256>/approve/": METHODS,
    "projects/<str:project>/safety/<str:sha256>/withdraw/": METHODS,
    "projects/<str:project>/servings/<str:name>/start-anyway/": METHODS,
    "projects/<str:project>/servings/<str:name>/exemptions/": METHODS,
    "api/projects/<str:project>/servings/<str:name>/exemptions/": METHODS,
}
# For replicas alone, which come with their serving's token or a signed address: a person is nobody there.
FOR_REPLICAS = {
    "replicas/files/",
    "replicas/<str:key>/records/",
    "replicas/<str:key>/predictors/<int:revision>/",
}
INFERENCE = {"inference/<str:project>/<str:serving>/<path:path>", "inference/<str:project>/<str:serving>/"}


@dataclass(frozen=True)
class Route:
    pattern: str
    url: str

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/")

    @property
    def is_in_project(self) -> bool:
        return "<str:project>" in self.pattern


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each, prefix + str(each.pattern))
        elif isinstance(each, URLPattern):
            yield prefix + str(each.pattern)


EVERY = sorted(set(patterns(get_resolver())))


@pytest.fixture
def routes(people: People, export: Callable[..., ModelVersion]) -> list[Route]:
    """Every route with parameters that name something real."""
    owner = people.access(people.alice)
    export()
    draft = registry.start_upload(access=owner, model_name="iris")
    notes = incoming.Announced(path="Resources/more.txt", size=2)
    file, _ = incoming.begin(access=owner, draft=None, announced=notes)
    notes_blob = storage.receive([b"notes"])
    registry.save_file(access=owner, path="Resources/notes.txt", blob=notes_blob)
    made, _ = services.create(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    real = {
        "<str:project>": "garden",
        "<str:model>": "iris",
        "<int:number>": "1",
        "<int:revision>": "1",
        "<int:record>": str(_record(made).pk),
        "<int:replay>": str(Replay.objects.create(serving=made, revision=1).pk),
        "<str:topic>": made.current.topic,
        "<str:subject>": "inferenceschema",
        "<str:schema_version>": "latest",
        "<str:name>": "iris",
        "<slug:alias>": "latest",
        "<str:serving>": "iris",
        "<uuid:upload>": str(draft.upload),
        "<uuid:incoming>": str(file.pk),
        "<slug:artifact>": "0",
        "<int:artifact_id>": str(made.current.artifact_id),
        "<int:preflight>": str(made.current.preflight_id),
        "<int:chunk>": "0",
        "<path:path>": "Resources/notes.txt",
        "<str:sha256>": notes_blob.sha256,
        "<str:username>": "bob",
        "<str:key_id>": "nosuchkey123",
        "<str:key>": Environment.objects.get().key,
        "<str:replica>": "r1-0-1",
        "^.*$": "nothing-here",
    }
    return [Route(pattern, _fill(pattern, real)) for pattern in EVERY]


def _record(serving: Serving) -> InferenceRecord:
    return InferenceRecord.objects.create(
        serving=serving,
        request_id="a",
        revision=1,
        replica="r1-0-1",
        verb="predict",
        status=200,
        requested_at=timezone.now(),
        duration_us=1,
    )


def _fill(pattern: str, real: dict[str, str]) -> str:
    url = pattern
    for parameter, value in real.items():
        url = url.replace(parameter, value)
    assert "<" not in url, f"{pattern} has a parameter this test does not know; add it to `real`"
    return f"/{url}"


def ask(client: Client, method: str, url: str) -> int:
    """The status of a request whose effects are undone."""
    with transaction.atomic():
        response = client.generic(method, url, data="{}", content_type="application/json")
        transaction.set_rollback(True)
    if response.streaming:
        response.getvalue()  # type: ignore[union-attr]
    return response.status_code


def test_nobody_gets_in_without_signing_in(routes: list[Route]) -> None:
    nobody = Client(raise_request_exception=False)
    for route in routes:
        for method in METHODS:
            status = ask(nobody, method, route.url)
            assert status != 500, (method, route)
            if route.pattern in PUBLIC:
                continue
            is_for_programs = route.is_api or route.pattern in INFERENCE | FOR_REPLICAS
            expected = {401, 403} if is_for_programs else {302, 405}
            assert status in expected | {405}, (method, route, status)


def test_a_stranger_does_not_learn_that_the_project_exists(
    routes: list[Route], people: People, browser_of: Callable[[User], Client]
) -> None:
    stranger = browser_of(people.charlie)
    for route in routes:
        if not route.is_in_project or route.pattern in INFERENCE:
            continue
        for method in METHODS:
            assert ask(stranger, method, route.url) in {404, 405}, (method, route)


def test_a_viewer_changes_nothing(
    routes: list[Route], people: People, browser_of: Callable[[User], Client]
) -> None:
    viewer = browser_of(people.vera)
    for route in routes:
        if not route.is_in_project or route.pattern in FOR_VIEWERS | OWN_KEYS | INFERENCE:
            continue
        for method in UNSAFE:
            assert ask(viewer, method, route.url) in {403, 405}, (method, route)


def test_a_member_does_not_do_what_is_for_owners(
    routes: list[Route], people: People, browser_of: Callable[[User], Client]
) -> None:
    member, owner = browser_of(people.bob), browser_of(people.alice)
    seen = {route.pattern: route for route in routes}
    for pattern, methods in FOR_OWNERS.items():
        for method in methods:
            assert ask(member, method, seen[pattern].url) in {403, 405}, (method, pattern)
            assert ask(owner, method, seen[pattern].url) not in {403, 404, 500}, (method, pattern)


@pytest.mark.parametrize("who", ["alice", "bob", "vera"])
def test_everybody_in_the_project_reads_all_else_and_nothing_breaks(
    who: str, routes: list[Route], people: People, browser_of: Callable[[User], Client]
) -> None:
    client = browser_of(getattr(people, who))
    client.raise_request_exception = False
    writing = set()
    for route in routes:
        if route.pattern in INFERENCE | FOR_REPLICAS | FOR_OWNERS.keys():
            continue
        statuses = {method: ask(client, method, route.url) for method in METHODS}
        assert 500 not in statuses.values(), (route, statuses)
        if statuses["GET"] in {401, 403} and who != "vera":
            writing.add(route.pattern)
    assert not writing, "pages that a member cannot open"


@pytest.mark.parametrize("scope", ["read", "predict", "write"])
def test_a_key_reaches_no_further_than_its_scopes(
    scope: str, routes: list[Route], people: People, key_of: Callable[..., tuple[object, str]]
) -> None:
    _, text = key_of(people.alice, (scope,))
    client = Client(headers={"authorization": f"ApiKey {text}"}, raise_request_exception=False)
    for route in routes:
        if not (route.is_api and route.is_in_project) or route.pattern in FOR_VIEWERS | OWN_KEYS:
            continue
        for method in METHODS:
            status = ask(client, method, route.url)
            is_read = method == "GET" and route.pattern not in FOR_OWNERS
            may = scope == ("read" if is_read else "write") and route.pattern not in FOR_OWNERS
            assert status != 500
            assert may or status in {403, 405} or (method == "GET" and status == 403), (method, route, status)


def test_a_key_of_one_project_is_a_stranger_in_another(
    people: People, key_of: Callable[..., tuple[object, str]]
) -> None:
    from accounts import services as accounts

    accounts.create_project(name="orchard", owner=people.alice)
    _, text = key_of(people.alice)
    client = Client(headers={"authorization": f"ApiKey {text}"})
    assert client.get("/api/projects/garden/servings/").status_code == 200
    assert client.get("/api/projects/orchard/servings/").status_code == 404
    assert client.get("/api/me/").json()["projects"] == [{"name": "garden", "role": "owner"}]


@pytest.mark.parametrize("who", ["alice", "bob", "vera", "charlie"])
def test_people_have_no_business_with_the_documents_of_replicas(
    who: str, routes: list[Route], people: People, browser_of: Callable[[User], Client]
) -> None:
    client = browser_of(getattr(people, who))
    for route in routes:
        if route.pattern in FOR_REPLICAS:
            assert {ask(client, method, route.url) for method in METHODS} == {401, 405}, route


def test_an_unknown_upload_id_is_not_found(people: People, browser_of: Callable[[User], Client]) -> None:
    url = f"/api/projects/garden/uploads/{uuid.uuid4()}/"
    assert browser_of(people.bob).delete(url).status_code == 404
