"""How a replica is worded as a service, and what Swarm's documents say of one. No engine."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.deployers import services, swarm_tasks
from worker.deployers.base import Phase, RevisionSpec, ServingSpec
from worker.deployers.planning import Start
from worker.deployers.services import NO_NODE, Ground
from worker.deployers.swarm_networks import SwarmNetworks, Way
from worker.deployers.swarm_tasks import Sight

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
PUBLISHED = Ground(("hopyard-swarm",), is_published=True)
ATTACHED = Ground(("hopyard-swarm-internal",), is_published=False)
HERE = {"local": swarm_tasks.Node("bee", "10.0.0.5", is_down=False)}


def share(**given: Any) -> RevisionSpec:
    manifest = json.dumps([["weights.bin", 300_000_000, "00"]]).encode()
    return RevisionSpec(
        revision=1, slots=(0,), artifact="a" * 64, manifest=manifest, files=(), python=Path(), **given
    )


def worded(ground: Ground = PUBLISHED, **given: Any) -> dict[str, Any]:
    spec = ServingSpec(name="garden.sums-1", host="", port=0, keys_file=Path(), token="let-me-in")
    start = Start(share(**given), slot=0, attempt=2)
    return services.service(spec, start, installation="i", image="sha256:00", ground=ground, grace_seconds=5)


def seen(state: str = "running", *, service: Any = None, node: str = "local", **task: Any) -> Sight:
    """A replica whose task is in a state; `task` overrides its document."""
    document = {
        "ID": "t",
        "ServiceID": "s",
        "CreatedAt": "2026-01-01T11:59:01.123456789Z",
        "Spec": {},
        "NodeID": node,
        "DesiredState": "running",
        "Status": {"State": state, "Timestamp": "2026-01-01T11:59:30Z", **task.pop("status", {})},
        **task,
    }
    return swarm_tasks.read(service or a_service(), [document], HERE)


def a_service(created: str = "2026-01-01T11:59:00Z", **labels: str) -> dict[str, Any]:
    return {
        "ID": "s",
        "CreatedAt": created,
        "Spec": {"Labels": labels, "Mode": {"Replicated": {"Replicas": 1}}},
    }


class TestWording:
    def test_a_name_is_one_that_swarm_takes(self) -> None:
        name = worded()["name"]
        assert name.startswith("hopyard-")
        assert name.endswith("-garden-sums-1-r1-0-2")
        assert len(services.name_of("i", "x" * 90, "r1234-t12-12345")) <= 63

    def test_files_that_are_fetched_lie_in_memory_that_is_added_to_the_limit(self) -> None:
        template = worded(memory_mb=256, cores=2.0)["task_template"]
        mounts = {each["Target"]: each for each in template["ContainerSpec"]["Mounts"]}
        sizes = {path: each["TmpfsOptions"]["SizeBytes"] for path, each in mounts.items()}
        assert {each["Type"] for each in mounts.values()} == {"tmpfs"}
        assert 300_000_000 < sizes["/hopyard/artifact"] < 310_000_000
        limit = 256 * 2**20 + sizes["/hopyard/artifact"] + sizes["/hopyard/start"]
        limits, reserved = template["Resources"]["Limits"], template["Resources"]["Reservations"]
        assert (limits["MemoryBytes"], reserved["MemoryBytes"]) == (limit, limit)
        assert (limits["NanoCPUs"], reserved["NanoCPUs"]) == (2_000_000_000, 500_000_000)

    def test_a_task_is_never_started_again_and_its_log_is_bounded(self) -> None:
        template = worded()["task_template"]
        assert template["RestartPolicy"] == {"Condition": "none"}
        assert template["LogDriver"]["Options"] == {"max-size": "10m", "max-file": "3"}
        assert template["ContainerSpec"]["StopGracePeriod"] == 5_000_000_000

    def test_gpus_are_asked_of_the_nodes_as_generic_resources(self) -> None:
        reserved = worded(gpus=2)["task_template"]["Resources"]["Reservations"]
        assert reserved["GenericResources"] == [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}]
        assert "GenericResources" not in worded()["task_template"]["Resources"]["Reservations"]

    def test_only_a_published_replica_has_a_port_and_only_a_closed_one_no_names(self) -> None:
        open_, closed = worded(PUBLISHED), worded(ATTACHED)
        assert open_["endpoint_spec"]["Ports"] == [
            {"Protocol": "tcp", "TargetPort": 8080, "PublishMode": "host"}
        ]
        assert closed["endpoint_spec"]["Ports"] == []
        assert closed["task_template"]["ContainerSpec"]["DNSConfig"] == {"Nameservers": ["127.0.0.1"]}
        excepted = worded(ATTACHED, exemptions=frozenset({"egress"}))
        assert excepted["task_template"]["ContainerSpec"]["DNSConfig"] == {}

    def test_a_replica_that_may_call_out_is_on_a_second_network_where_the_first_is_closed(self) -> None:
        names = SwarmNetworks("p", "a", "e")
        assert [names.of(Way.ATTACHED, has_egress=each) for each in (False, True)] == [("a",), ("a", "e")]
        assert [names.of(Way.PUBLISHED, has_egress=each) for each in (False, True)] == [("p",), ("p",)]

    def test_the_task_s_container_bears_no_label_of_a_replica(self) -> None:
        made = worded()
        assert made["labels"]["hopyard.replica"] == "r1-0-2"
        assert made["task_template"]["ContainerSpec"]["Labels"] == {
            "hopyard.managed": "true",
            "hopyard.installation": "i",
        }

    @pytest.mark.parametrize(
        ("named", "digests", "expected"),
        [
            (
                "registry:5000/hopyard/environment:1",
                ["registry:5000/hopyard/environment@sha256:11"],
                "registry",
            ),
            ("hopyard/environment:1", ["registry:5000/hopyard/environment@sha256:11"], "sha256:00"),
            ("hopyard/environment:1", [], "sha256:00"),
        ],
    )
    def test_an_image_is_named_by_its_content(self, named: str, digests: list[str], expected: str) -> None:
        assert services.image_of(named, digests, "sha256:00").startswith(expected)

    def test_a_registry_is_told_from_a_public_name(self) -> None:
        found = [services.names_registry(each) for each in ("r:5000/a/b:1", "r.example/a", "localhost/a")]
        assert found == [True] * 3
        assert not services.names_registry("hopyard/environment:1")
        assert not services.names_registry("python:3.11")


class TestSight:
    def test_the_task_that_swarm_makes_when_told_to_end_one_is_not_the_replica(self) -> None:
        placeholder = {
            "ID": "p",
            "ServiceID": "s",
            "CreatedAt": "2026-01-01T11:59:50Z",
            "Spec": {"Placement": {"Constraints": [NO_NODE]}},
            "Status": {"State": "pending"},
        }
        first = seen("shutdown", status={"ContainerStatus": {"ContainerID": "c", "ExitCode": 0}}).task
        assert first is not None
        service = a_service(**{services.TOLD_TO_END: "true"})
        found = swarm_tasks.read(service, [placeholder, first], HERE)
        assert swarm_tasks.phase(found, NOW) == Phase.EXITED
        how = swarm_tasks.end(found, said=None, state=None)
        assert (how.code, how.was_asked, how.failure) == (0, True, None)

    def test_a_service_without_a_task_lives_for_moments_only(self) -> None:
        young = a_service((NOW - timedelta(seconds=2)).isoformat())
        assert swarm_tasks.phase(swarm_tasks.read(young, [], HERE), NOW) == Phase.ALIVE
        assert swarm_tasks.phase(swarm_tasks.read(a_service(), [], HERE), NOW) == Phase.EXITED
        told = young | {"Spec": young["Spec"] | {"Labels": {services.TOLD_TO_END: "true"}}}
        assert swarm_tasks.phase(swarm_tasks.read(told, [], HERE), NOW) == Phase.EXITED

    def test_what_a_node_took_with_it_has_ended_and_says_so(self) -> None:
        down = {"local": swarm_tasks.Node("bee", "10.0.0.5", is_down=True)}
        task = seen().task
        assert task is not None
        found = swarm_tasks.read(a_service(), [task], down)
        assert swarm_tasks.phase(found, NOW) == Phase.EXITED
        how = swarm_tasks.end(found, said=None, state=None)
        assert how.failure is not None
        assert (how.failure["code"], how.code, how.was_asked) == ("NodeDown", None, False)
        removed = swarm_tasks.read(a_service(), [task], {})
        assert swarm_tasks.phase(removed, NOW) == Phase.EXITED

    def test_what_swarm_ends_by_itself_as_on_a_drained_node_is_no_failure(self) -> None:
        assert swarm_tasks.phase(seen(DesiredState="shutdown"), NOW) == Phase.STOPPING
        ended = {"ContainerStatus": {"ContainerID": "c", "ExitCode": 137}}
        how = swarm_tasks.end(seen("shutdown", status=ended), said=None, state=None)
        assert (how.signal, how.was_asked, how.failure) == (9, True, None)

    def test_a_kill_on_another_node_names_memory_as_the_likely_cause(self) -> None:
        ended = {"ContainerStatus": {"ContainerID": "c", "ExitCode": 137}, "Err": "task: non-zero exit (137)"}
        how = swarm_tasks.end(seen("failed", status=ended), said=None, state=None)
        assert how.failure is not None
        assert (how.failure["code"], how.out_of_memory) == ("Killed", False)
        assert "memory" in how.failure["reason"]
        here = swarm_tasks.end(seen("failed", status=ended), said=None, state={"OOMKilled": True})
        assert (here.signal, here.out_of_memory, here.failure) == (9, True, None)

    def test_what_the_replica_said_comes_first(self) -> None:
        ended = {"ContainerStatus": {"ContainerID": "c", "ExitCode": 3}, "Err": "task: non-zero exit (3)"}
        said = {"code": "ModelFileMissing", "reason": "weights.bin"}
        how = swarm_tasks.end(seen("failed", status=ended), said=said, state=None)
        assert (how.code, how.failure) == (3, said)

    def test_a_container_that_could_not_start_says_why(self) -> None:
        words = {"Err": "starting container failed: no space left on device"}
        how = swarm_tasks.end(seen("rejected", status=words), said=None, state=None)
        assert how.failure is not None
        assert how.failure["code"] == "CouldNotStart"
        assert "Node bee" in how.failure["reason"]
        assert "no space left" in how.failure["reason"]


class TestAddress:
    PORTS = {"PortStatus": {"Ports": [{"TargetPort": 8080, "PublishedPort": 32770}]}}

    def of_node(self, address: str, manager: str = "") -> str:
        document = {
            "ID": "n",
            "Description": {"Hostname": "bee"},
            "Status": {"State": "ready", "Addr": address},
        }
        if manager:
            document["ManagerStatus"] = {"Addr": manager}
        nodes = swarm_tasks.read_nodes([document])
        task = seen(status=self.PORTS, NodeID="n").task
        assert task is not None
        found = swarm_tasks.read(a_service(), [task], nodes)
        return swarm_tasks.address(found, network=None, loopback="172.20.0.1")

    @pytest.mark.parametrize(
        ("address", "manager", "expected"),
        [
            ("10.0.0.5", "", "10.0.0.5:32770"),
            ("fd00::5", "", "[fd00::5]:32770"),
            ("0.0.0.0", "10.0.0.6:2377", "10.0.0.6:32770"),
            ("127.0.0.1", "127.0.0.1:2377", "172.20.0.1:32770"),
            ("0.0.0.0", "[fd00::6]:2377", "[fd00::6]:32770"),
        ],
    )
    def test_a_published_port_is_asked_at_the_node_s_own_address(
        self, address: str, manager: str, expected: str
    ) -> None:
        assert self.of_node(address, manager) == expected

    def test_an_attached_replica_is_asked_on_the_network_of_its_callers(self) -> None:
        joined = [
            {"Network": {"Spec": {"Name": "egress"}}, "Addresses": ["10.0.9.3/24"]},
            {"Network": {"Spec": {"Name": "inside"}}, "Addresses": ["10.0.8.3/24"]},
        ]
        found = seen(NetworksAttachments=joined)
        assert swarm_tasks.address(found, network="inside", loopback="") == "10.0.8.3:8080"
        assert swarm_tasks.address(seen(), network="inside", loopback="") == ""

    def test_nothing_is_asked_before_there_is_a_port(self) -> None:
        assert swarm_tasks.address(seen("preparing"), network=None, loopback="") == ""
