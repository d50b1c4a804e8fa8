"""gRPC through HAProxy: chosen by `:authority`, checked like all predictions, answered by a real model server."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from accounts.models import ApiKey
from serving.models import Replica
from serving.states import ReplicaState
from tests.conftest import People
from tests.server.grpc.peer import Peer, infer_request
from tests.server.process import ECHO, ServerProcess
from tests.worker.gateway.conftest import DOMAIN, Field, HAProxy
from worker.gateway import publishing

pytestmark = pytest.mark.django_db(transaction=True)


def test_grpc_is_routed_by_authority_and_asks_for_the_key(
    plant: Callable[..., Field],
    started: HAProxy,
    people: People,
    key_of: Callable[..., tuple[ApiKey, str]],
    tmp_path: Path,
) -> None:
    iris = plant()
    key = key_of(people.bob)[1]
    server = ServerProcess(tmp_path, ECHO, {"TOKEN": iris.serving.gateway_token}).ready()
    try:
        Replica.objects.create(
            serving=iris.serving,
            name="r1-0-1",
            revision=1,
            slot=0,
            attempt=1,
            state=ReplicaState.READY,
            address=":".join(map(str, server.address)),
        )
        iris.publish()
        publishing.publish_keys()
        with Peer(("127.0.0.1", started.port)) as peer:
            host = f"iris.garden.{DOMAIN}"
            question = infer_request([1, 2, 3, 4])
            for _ in range(2):
                answer = peer.call(
                    "ModelInfer", question, **{":authority": host, "authorization": f"Bearer {key}"}
                )
                (output,) = answer.message("ModelInferResponse").outputs
                assert list(output.contents.fp64_contents) == [1, 2, 3, 4]
            refused = peer.call("ModelInfer", question, **{":authority": host})
            assert refused.headers[":status"] == "401"
            missing = peer.call("ModelInfer", question, **{":authority": f"rose.garden.{DOMAIN}"})
            assert missing.headers[":status"] == "404"
        assert httpx.get(server.url("/v2/health/ready")).is_success
    finally:
        server.close()
