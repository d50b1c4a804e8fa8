"""HAProxy and the Django view answer the same requests in the same way, to the letter."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts import access, services
from accounts.models import ApiKey, Member, Scope
from tests.conftest import People
from tests.worker.gateway.conftest import DOMAIN, Field, HAProxy
from worker.gateway import publishing

SAID = ("content-type", "x-request-id", "www-authenticate", "retry-after", "set-cookie", "allow")
ID = {"X-Request-Id": "r-1:a.b_c", "Content-Type": "application/json"}


@pytest.fixture
def keys(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> dict[str, str]:
    good = key_of(people.bob)[1]
    revoked, text_of_revoked = key_of(people.bob)
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    expired, text_of_expired = key_of(people.bob)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return {
        "good": good,
        "revoked": text_of_revoked,
        "expired": text_of_expired,
        "reading": key_of(people.bob, (Scope.READ,))[1],
        "foreign": _foreign(people),
        "unknown": good[:-1] + ("a" if good[-1] != "a" else "b"),
    }


def _foreign(people: People) -> str:
    member = Member.objects.get(user=people.charlie, project__name="elsewhere")
    return services.create_key(access=access.of_member(member, None), name="x", scopes=[Scope.PREDICT])[1]


CASES: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", "/inference/garden/iris/v1/models/iris:predict", {"Authorization": "ApiKey {good}"}, b"{}"),
    ("POST", "/inference/garden/iris/v1/models/iris:predict", {"Authorization": "bearer {good}"}, b"{}"),
    ("POST", "/inference/garden/iris/v1/models/iris:predict", {"X-API-Key": "{good}"}, b"{}"),
    ("GET", "/inference/garden/iris/v2/models/iris?a=1&b=%20x", {"X-API-Key": "{good}"}, b""),
    ("GET", "/inference/garden/iris/", {"X-API-Key": "{good}"}, b""),
    ("GET", "/inference/garden/iris//v2", {"X-API-Key": "{good}"}, b""),
    ("PUT", "/inference/garden/iris/status/500", {"X-API-Key": "{good}"}, b"{}"),
    ("DELETE", "/inference/garden/iris/status/503", {"X-API-Key": "{good}"}, b""),
    ("PATCH", "/inference/garden/iris/x", {"X-API-Key": "{good}"}, b"1"),
    ("HEAD", "/inference/garden/iris/x", {"X-API-Key": "{good}"}, b""),
    ("OPTIONS", "/inference/garden/iris/x", {"X-API-Key": "{good}"}, b""),
    ("POST", "/inference/garden/iris/x", {}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "Basic {good}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "Basic x", "X-API-Key": "{good}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {unknown}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {revoked}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {expired}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {foreign}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {reading}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey  {good} x"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"X-API-Key": "räuber".encode().decode("latin-1")}, b"{}"),
    ("POST", "/inference/garden/rose/x", {"Authorization": "ApiKey {good}"}, b"{}"),
    ("POST", "/inference/elsewhere/iris/x", {"Authorization": "ApiKey {good}"}, b"{}"),
    ("POST", "/inference/garden/still/x", {"Authorization": "ApiKey {good}"}, b"{}"),
    ("POST", "/inference/garden/iris/x", {"Authorization": "ApiKey {good}"}, bytes(1024 * 1024 + 1)),
    ("POST", "/v1/models/iris:predict", {"X-API-Key": "{good}", "Host": f"iris.garden.{DOMAIN}"}, b"{}"),
    ("POST", "/v1/models/x", {"X-API-Key": "{good}", "Host": f"IRIS-Garden.{DOMAIN}:80"}, b"{}"),
    ("POST", "/v1/models/x", {"X-API-Key": "{reading}", "Host": f"iris.garden.{DOMAIN}"}, b"{}"),
    ("POST", "/v1/models/x", {"X-API-Key": "{good}", "Host": f"rose.garden.{DOMAIN}"}, b"{}"),
    ("POST", "/v1/models/x", {"X-API-Key": "{good}", "Host": f"still.garden.{DOMAIN}"}, b"{}"),
    ("GET", "/health/", {"Host": f"hop.{DOMAIN}"}, b""),
]


@pytest.mark.django_db(transaction=True)
def test_both_gateways_answer_alike(
    plant: Callable[..., Field],
    keys: dict[str, str],
    started: HAProxy,
    live_server: Any,
    http: httpx.Client,
    settings: LazySettings,
) -> None:
    settings.MAX_INFERENCE_BYTES = 1024 * 1024
    plant("r1-0-1")
    still = plant("r1-0-1", name="still")
    still.leave("r1-0-1")
    publishing.publish_keys()
    for method, path, given, body in CASES:
        headers = {**ID, **{name: value.format(**keys) for name, value in given.items()}}
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        ours, theirs = (
            http.request(method, base + path, headers=raw, content=body)
            for base in (started.url, live_server.url)
        )
        seen = [(each.status_code, each.content and _said(each), _headers(each)) for each in (ours, theirs)]
        assert seen[0] == seen[1], (method, path, given)


def _said(response: httpx.Response) -> Any:
    said = response.json()
    if "headers" in said:
        said["headers"] = {
            name: value
            for name, value in said["headers"].items()
            if name not in {"host", "x-forwarded-for", "content-length", "connection"}
        }
    return said


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in SAID if name in response.headers}
