"""What replicas in containers are told and how they are limited, decided without an engine."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from worker.deployers import containers, docker_config, host_paths, planning
from worker.deployers.base import DeployerError, Exit, File, Phase, ReplicaStatus, RevisionSpec, ServingSpec
from worker.deployers.hardening import MB, Hardening

START = datetime(2026, 1, 1, tzinfo=UTC)


def share(*slots: int, revision: int = 1, **others: object) -> RevisionSpec:
    manifest = json.dumps([["weights.txt", 3 * MB, "ab"], ["scripts/predict.py", 10, "cd"]]).encode()
    files = (File("weights.txt", "ab", Path("w").open), File("scripts/predict.py", "cd", Path("p").open))
    known = RevisionSpec(
        revision=revision, slots=slots, artifact="12" * 32, manifest=manifest, files=files, python=Path()
    )
    return replace(known, **others)  # type: ignore[arg-type]


def spec(*shares: RevisionSpec, **others: object) -> ServingSpec:
    known = ServingSpec("garden-sums-1", "", 0, Path(), token="let-me-in", revisions=shares)
    return replace(known, **others)  # type: ignore[arg-type]


def replica(name: str, phase: Phase = Phase.ALIVE, *, was_asked: bool = False) -> ReplicaStatus:
    revision, slot, attempt = map(int, name.removeprefix("r").split("-"))
    end = Exit(code=1, was_asked=was_asked) if phase == Phase.EXITED else None
    return ReplicaStatus(name, revision, slot, attempt, phase, START, exit=end)


def planned(wanted: ServingSpec, *replicas: ReplicaStatus) -> tuple[tuple[str, ...], list[str]]:
    found = planning.plan(wanted, replicas)
    return found.ending, [start.name for start in found.starting]


def test_a_slot_without_a_replica_gets_its_first_attempt() -> None:
    assert planned(spec(share(0, 1)), replica("r1-0-1")) == ((), ["r1-1-1"])


def test_an_end_that_was_not_asked_for_is_followed_once_the_caller_knows_of_it() -> None:
    crashed = replica("r1-0-1", Phase.EXITED)
    assert planned(spec(share(0)), crashed) == ((), [])
    assert planned(spec(share(0), ended=frozenset({"r1-0-1"})), crashed) == ((), ["r1-0-2"])
    assert planned(spec(share(0)), replica("r1-0-1", Phase.EXITED, was_asked=True)) == ((), ["r1-0-2"])


def test_attempts_whose_containers_are_gone_still_count() -> None:
    assert planned(spec(share(0), ended=frozenset({"r1-0-7", "r2-0-9"}))) == ((), ["r1-0-8"])


def test_what_is_unwanted_or_in_no_slot_ends_and_what_ends_already_is_not_told_again() -> None:
    replicas = (replica("r1-0-1"), replica("r1-1-1"), replica("r1-2-1", Phase.STOPPING), replica("r2-0-1"))
    wanted = spec(share(0, 2), unwanted=frozenset({"r1-0-1"}))
    assert planned(wanted, *replicas) == (("r1-0-1", "r1-1-1", "r2-0-1"), ["r1-0-2", "r1-2-2"])


def test_names_are_unique_to_installation_and_serving_and_short_enough_for_a_service() -> None:
    long = "a" * 39 + "-" + "b" * 60
    names = {
        containers.container_name(installation, serving, "r1000-t15-1000")
        for installation in ("one", "two")
        for serving in (f"{long}-1", f"{long}-2")
    }
    assert len(names) == 4
    assert max(map(len, names)) <= 63


def test_the_labels_of_a_container_say_who_it_is() -> None:
    found = containers.labels("here", spec(), share(3, component="transformer"), 3, 2)
    assert containers.Identity.of(found) == containers.Identity("r1-t3-2", 1, "transformer", 3, 2)
    assert containers.mine("here", "garden-sums-1").items() <= found.items()
    assert not containers.mine("elsewhere").items() <= found.items()


def test_a_script_is_found_among_the_artifacts_files_or_beside_them() -> None:
    inside = File("scripts/predict.py", "cd", Path("p").open)
    beside = File("Resources/predict.py", "ef", Path("p").open)
    for script, path in ((inside, "/hopyard/work/scripts/predict.py"), (beside, "/hopyard/work/predict.py")):
        wanted = share(0, script=script)
        told = containers.environment(spec(), wanted, replica="r1-0-1", grace_seconds=10, fetches=False)
        assert told["HOPYARD_SCRIPT"] == path
    assert containers.scripts_beside(share(0, script=inside, transformer=beside)) == [beside]


def test_a_replica_is_told_what_the_user_set_but_no_path_of_the_platforms_disk() -> None:
    variables = {"GREETING": "hello", "HOPYARD_TOPIC_DIR": "/data", "HOPYARD_PORT": "1", "PYTHONPATH": "mine"}
    wanted = share(0, environment=variables, control_url="http://h/replicas/s", files_url="http://h/files")
    told = containers.environment(spec(), wanted, replica="r1-0-1", grace_seconds=10, fetches=False)
    assert (told["GREETING"], told["HOPYARD_PORT"]) == ("hello", "8080")
    assert told["PYTHONPATH"].split(":") == ["/opt/hopyard", "mine"]
    assert told["HOPYARD_TOKEN"] == "let-me-in"
    assert told["HOPYARD_CONTROL_URL"] == "http://h/replicas/s"
    assert not {"HOPYARD_TOPIC_DIR", "HOPYARD_FILES_URL"} & told.keys()
    told = containers.environment(spec(), wanted, replica="r1-0-1", grace_seconds=10, fetches=True)
    assert told["HOPYARD_FILES_URL"] == "http://h/files"


def test_files_that_are_fetched_into_memory_do_not_eat_that_of_the_model() -> None:
    mounted, fetched = (Hardening.of(share(0, memory_mb=512), fetches=how) for how in (False, True))
    assert mounted.memory_bytes == 512 * MB
    extra = fetched.scratch[containers.ARTIFACT] + fetched.scratch[containers.START]
    assert fetched.memory_bytes == 512 * MB + extra
    assert fetched.scratch[containers.ARTIFACT] > 3 * MB + 10


def test_a_container_is_hardened_and_each_exemption_changes_one_thing() -> None:
    strict = host_config()
    assert strict["ReadonlyRootfs"]
    assert strict["CapDrop"] == ["ALL"]
    assert strict["SecurityOpt"] == ["no-new-privileges:true"]
    assert strict["MemorySwap"] == strict["Memory"]
    assert strict["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert "host" not in {
        strict[name] for name in ("NetworkMode", "IpcMode", "PidMode", "UTSMode", "UsernsMode")
    }
    assert all(mount["ReadOnly"] for mount in strict["Mounts"])
    assert difference(strict, host_config("writable-root")) == {"ReadonlyRootfs"}
    assert difference(strict, host_config("egress")) == {"Dns", "DnsOptions"}
    assert difference(strict, host_config("root-user")) == set()
    assert (body()["User"], body("root-user")["User"]) == ("10001:10001", "0:0")


def body(*exemptions: str) -> dict[str, object]:
    limits = Hardening.of(share(0, exemptions=frozenset(exemptions)), fetches=False)
    return docker_config.container(
        image="image",
        hostname="r1-0-1",
        environment={},
        labels={},
        limits=limits,
        mounts={"/hopyard/artifact": "/data/a"},
        network="inside",
    )


def host_config(*exemptions: str) -> dict[str, object]:
    found = body(*exemptions)["HostConfig"]
    assert isinstance(found, dict)
    return found


def difference(one: dict[str, object], other: dict[str, object]) -> set[str]:
    return {name for name in one | other if one.get(name) != other.get(name)}


def test_a_folder_is_where_the_deepest_mount_has_it() -> None:
    mounts = {"/data": "/srv/hopyard", "/data/artifacts": "/big/artifacts"}
    assert host_paths.on_host(Path("/data/starts/x"), mounts) == "/srv/hopyard/starts/x"
    assert host_paths.on_host(Path("/data/artifacts/x"), mounts) == "/big/artifacts/x"
    assert host_paths.on_host(Path("/anywhere"), {}) == "/anywhere"
    with pytest.raises(DeployerError, match="HOPYARD_HOST_PATHS"):
        host_paths.on_host(Path("/database/x"), mounts)
