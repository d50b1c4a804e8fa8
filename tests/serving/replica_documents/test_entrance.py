"""Predictors, and who gets in."""

from collections.abc import Callable

from django.conf import LazySettings
from django.test import Client

from serving.models import Replica, Serving
from serving.states import Component, ReplicaState

STRANGE_HOST = "172.19.0.1:8001"


def test_a_transformer_learns_of_its_ready_predictors_and_of_changes(
    serving: Serving, replica: Client
) -> None:
    url = f"/replicas/{serving.key}/predictors/1/"
    place = {"serving": serving, "revision": 1, "attempt": 1, "state": ReplicaState.READY}
    Replica.objects.create(name="r1-1-1", slot=1, address="172.19.0.4:8080", **place)
    Replica.objects.create(name="r1-2-1", slot=2, address="x:1", **place | {"state": ReplicaState.STOPPING})
    Replica.objects.create(name="r2-0-1", slot=0, address="y:1", **place | {"revision": 2})
    transformer = {"component": Component.TRANSFORMER, "slot": 0, "name": "r1-t0-1", "address": "z:1"}
    Replica.objects.create(**place, **transformer)
    answer = replica.get(url)
    assert answer.json() == ["172.19.0.4:8080", "172.19.0.5:8080"]
    assert replica.get(url, headers={"if-none-match": answer["ETag"]}).status_code == 304
    Replica.objects.filter(name="r1-1-1").update(state=ReplicaState.STOPPING)
    assert replica.get(url, headers={"if-none-match": answer["ETag"]}).json() == ["172.19.0.5:8080"]
    assert replica.get(f"/replicas/{serving.key}/predictors/{10**30}/").json() == []


def test_only_the_serving_s_own_token_opens_its_documents(
    create: Callable[..., Serving], serving: Serving
) -> None:
    other = create("other")
    url = f"/replicas/{serving.key}/predictors/1/"
    right = f"Bearer {serving.gateway_token}"
    for given in (
        "",
        "Bearer ",
        f"Bearer {other.gateway_token}",
        serving.gateway_token,
        "Basic x",
        "Bearer é",
    ):
        assert Client(headers={"authorization": given}).get(url).status_code == 401, given
    for key in ("nothing", "garden-iris-999999", f"other-{serving.pk}", "x-" + "9" * 40, "a b-\u0663"):
        client = Client(headers={"authorization": right})
        assert client.get(f"/replicas/{key}/predictors/1/").status_code == 401, key
    assert Client(headers={"authorization": right}).get(url).status_code == 200
    Serving.objects.filter(pk=serving.pk).update(is_deleted=True)
    assert Client(headers={"authorization": right}).get(url).status_code == 401


def test_somebody_who_tries_tokens_is_slowed_down(serving: Serving, replica: Client) -> None:
    url = f"/replicas/{serving.key}/predictors/1/"
    statuses = [Client().get(url).status_code for _ in range(40)]
    assert statuses == [401] * 30 + [429] * 10
    assert "Retry-After" in Client().get(url)
    assert replica.get(url).status_code == 200, "a right token is never counted"


def test_an_unlisted_host_gets_nothing_but_documents(
    serving: Serving, replica: Client, settings: LazySettings
) -> None:
    assert replica.get(f"/replicas/{serving.key}/predictors/1/").status_code == 200
    for elsewhere in ("/health/", "/sign-in/", "/api/projects/", "/inference/garden/iris/"):
        assert replica.get(elsewhere).status_code == 400, elsewhere
    answer = replica.get("/replicas/nothing/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_port_of_replicas_answers_nothing_else(serving: Serving, settings: LazySettings) -> None:
    settings.CONTROL_PORT = 8001
    settings.BIND = "127.0.0.1:8000"
    client = Client(headers={"authorization": f"Bearer {serving.gateway_token}"})
    url = f"/replicas/{serving.key}/predictors/1/"
    assert client.get(url, SERVER_PORT="8001").status_code == 200
    assert client.get("/sign-in/", SERVER_PORT="8001").status_code == 404
    assert client.get("/sign-in/", SERVER_PORT="8000").status_code == 200
    settings.BIND = "0.0.0.0:8001"  # one port for all, as somebody may choose
    assert client.get("/sign-in/", SERVER_PORT="8001").status_code == 200
