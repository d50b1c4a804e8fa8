"""The configuration is a pure function of the wish, HAProxy accepts it, and only what must be reloaded is."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from worker.gateway import changes, maps, render
from worker.gateway.description import Entry, Installation, Key, Server
from worker.gateway.runtime import Seen

INSTALLATION = Installation(
    bind="127.0.0.1:8000",
    web="unix@web.sock",
    pepper="cGVwcGVy",
    stats_bind="127.0.0.1:8404",
    domain="example.com",
    own_hosts=("localhost", "hop.example.com"),
)
ONE, TWO = Server("r1-0-1", "10.0.0.1:8080"), Server("r2-0-1", "10.0.0.2:8080")
IRIS = Entry(1, "garden", "iris", "token", port=20001, stable=(ONE,), canary=(TWO,), percent=10)
ROSE = Entry(2, "my_Team", "Rose", "token")


@pytest.mark.parametrize(
    "installation",
    [
        INSTALLATION,
        replace(INSTALLATION, domain="", stats_bind="", threads=2, access_log=True),
        replace(INSTALLATION, buffer_bytes=65_536, web="127.0.0.1:1"),
    ],
)
def test_haproxy_accepts_what_is_rendered(installation: Installation, tmp_path: Path) -> None:
    if (program := shutil.which("haproxy")) is None:
        pytest.skip("haproxy is not installed; what is rendered cannot be checked without it")
    for name in (maps.SERVINGS, maps.HOSTS, maps.CANARIES, maps.KEYS, maps.FREE_KEYS):
        (tmp_path / name).write_text("")
    (tmp_path / "haproxy.cfg").write_text(render.configuration(installation, [IRIS, ROSE]))
    command = [program, "-c", "-C", str(tmp_path), "-f", "haproxy.cfg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_the_order_of_servings_does_not_matter() -> None:
    assert render.configuration(INSTALLATION, [IRIS, ROSE]) == render.configuration(
        INSTALLATION, [ROSE, IRIS]
    )


@pytest.mark.parametrize(
    ("changed", "needs_a_reload"),
    [
        (replace(IRIS, stable=(ONE, TWO)), False),
        (replace(IRIS, percent=50), False),
        (replace(IRIS, canary=(), percent=0), True),
        (replace(IRIS, port=0), True),
        (replace(IRIS, token="another"), True),
    ],
)
def test_only_what_cannot_be_told_needs_a_reload(changed: Entry, needs_a_reload: bool) -> None:
    before, after = (render.structure(INSTALLATION, [each, ROSE]) for each in (IRIS, changed))
    assert (before != after) == needs_a_reload


def test_a_configuration_tells_its_structure_and_its_settings() -> None:
    text = render.configuration(INSTALLATION, [IRIS])
    assert render.structure_in(text) == render.structure(INSTALLATION, [IRIS])
    assert render.settings_mark(INSTALLATION) in text
    assert render.settings_mark(replace(INSTALLATION, certificate_digest="renewed")) not in text


def test_an_entry_is_read_as_it_was_written() -> None:
    assert Entry.read(IRIS.text()) == IRIS


def test_hosts_have_hyphens_for_underscores_and_no_capitals() -> None:
    found = maps.hosts([IRIS, ROSE], "example.com")
    assert found["iris.garden.example.com"] == found["iris-garden.example.com"] == "garden.iris"
    assert {host for host, name in found.items() if name == "my_Team.Rose"} == {
        "rose.my-team.example.com",
        "rose-my-team.example.com",
    }
    assert maps.hosts([IRIS], "") == {}


def test_only_free_keys_take_the_short_way() -> None:
    keys = [
        Key("a", "aa", "garden"),
        Key("b", "bb", "garden", expires=7),
        Key("c", "cc", "garden", may_predict=False),
        Key("d", "dd", "garden", limit=5),
    ]
    assert maps.free_keys(keys) == {"a.garden": str(maps.NEVER), "b.garden": "7"}
    assert maps.keys(keys)["d"] == f"DD|garden|{maps.NEVER}|{maps.LIMITED}|5"


def test_both_sides_of_a_canary_stand_in_for_each_other() -> None:
    servers = IRIS.servers
    assert [(each.name, each.is_backup) for each in servers["garden.iris"]] == [
        ("r1-0-1", False),
        ("backup-r2-0-1", True),
    ]
    assert [(each.address, each.is_backup) for each in servers["garden.iris.canary"]] == [
        (TWO.address, False),
        (ONE.address, True),
    ]
    assert servers["garden.iris.grpc"] == servers["garden.iris"]


def test_what_is_as_it_should_be_needs_no_command() -> None:
    seen = {"r1-0-1": Seen(ONE, is_ready=True)}
    assert list(changes.arrivals("b", [ONE], seen, "")) == []
    assert list(changes.departures("b", [ONE], seen)) == []
    assert list(changes.removals("b", [ONE], seen)) == []


def test_a_replica_that_moved_or_was_drained_is_set_right() -> None:
    moved = Seen(Server("r1-0-1", "10.0.0.9:8080"), is_ready=False)
    assert list(changes.arrivals("b", [ONE], {"r1-0-1": moved}, "")) == [
        "set server b/r1-0-1 addr 10.0.0.1 port 8080",
        "set server b/r1-0-1 state ready",
    ]


def test_a_few_changes_of_a_map_are_told_one_by_one_and_many_at_once() -> None:
    assert changes.of_map("m", {"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == [
        "set map m b 2",
        "add map m a 1",
        "del map m c",
    ]
    assert changes.of_map("m", {str(number): "1" for number in range(1000)}, {}) is None
