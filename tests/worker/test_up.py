"""`manage.py up` before it starts anything: what it needs of this machine, and what it can do without."""

import io
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from worker import supervisor
from worker.gateway import installation
from worker.management.commands import up


@pytest.fixture
def taken() -> Iterator[str]:
    """The address of another program."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, settings, free_bind: str) -> list[list[supervisor.Program]]:
    """The families of programs that would have been started."""
    families: list[list[supervisor.Program]] = []
    monkeypatch.setattr(up.Command, "_prepare", lambda self: None)
    monkeypatch.setattr(supervisor, "run", lambda family, on_ready: families.append(family))
    monkeypatch.setenv(up.STATS_BIND, "kept by monkeypatch")
    settings.BIND = free_bind
    return families


@pytest.fixture
def free_bind() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def haproxy() -> None:
    if shutil.which("haproxy") is None:
        absent = "There is no haproxy on the PATH; install it."
        pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)


@pytest.mark.django_db
@pytest.mark.usefixtures("haproxy")
def test_a_taken_address_of_the_statistics_keeps_nothing_from_starting(
    started: list[list[supervisor.Program]], taken: str, settings
) -> None:
    settings.GATEWAY = "haproxy"
    settings.GATEWAY_STATS_BIND = taken
    said = io.StringIO()
    call_command("up", stderr=said)
    assert [program.name for program in started[0]][:2] == ["gateway", "web"]
    assert f"{taken} cannot be had (" in said.getvalue()
    assert "HOPYARD_GATEWAY_STATS_BIND" in said.getvalue()
    assert installation.described().stats_bind == ""
    assert os.environ[up.STATS_BIND] == "", (
        "the worker that writes the gateway's configuration is told as well"
    )


def test_a_taken_address_of_the_platform_is_refused_in_words(
    started: list[list[supervisor.Program]], taken: str, settings
) -> None:
    settings.GATEWAY = "off"
    settings.BIND = taken
    with pytest.raises(CommandError, match=r"cannot answer at .* set HOPYARD_BIND"):
        call_command("up")
    assert not started


@pytest.mark.django_db
@pytest.mark.usefixtures("haproxy")
def test_a_gateway_that_cannot_start_is_refused_where_it_is_asked_for_and_else_done_without(
    started: list[list[supervisor.Program]], free_bind: str, tmp_path: Path, settings, monkeypatch
) -> None:
    monkeypatch.setenv(up.GATEWAY, "kept by monkeypatch")
    settings.GATEWAY_DIR = tmp_path / "gateway"
    settings.GATEWAY_STATS_BIND = ""
    settings.GATEWAY_TLS_BIND = free_bind
    settings.GATEWAY_CERTIFICATE = str(tmp_path / "certificate.pem")
    (tmp_path / "certificate.pem").write_text("no certificate")
    settings.GATEWAY = "haproxy"
    with pytest.raises(
        CommandError, match=r"(?s)gateway cannot start: .*certificate\.pem.*HOPYARD_GATEWAY=off"
    ):
        call_command("up")
    assert not started
    settings.GATEWAY = "auto"
    said = io.StringIO()
    call_command("up", stderr=said)
    assert next(program.name for program in started[0]) == "web"
    assert "the web answers alone" in said.getvalue()
    assert "certificate.pem" in said.getvalue()
    assert os.environ[up.GATEWAY] == settings.GATEWAY == "off"


@pytest.mark.usefixtures("haproxy")
def test_a_taken_address_for_tls_is_named(
    started: list[list[supervisor.Program]], taken: str, tmp_path: Path, settings
) -> None:
    settings.GATEWAY = "haproxy"
    settings.GATEWAY_STATS_BIND = ""
    settings.GATEWAY_TLS_BIND = taken
    settings.GATEWAY_CERTIFICATE = str(tmp_path / "certificate.pem")
    with pytest.raises(CommandError, match=f"{taken} cannot be had .* set HOPYARD_GATEWAY_TLS_BIND"):
        call_command("up")
    assert not started


def test_a_gateway_that_is_asked_for_and_too_old_is_refused(
    started: list[list[supervisor.Program]], tmp_path: Path, settings, monkeypatch
) -> None:
    old = tmp_path / "haproxy"
    old.write_text("#!/bin/sh\necho HA-Proxy version 2.4.24 2023/08/19\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    settings.GATEWAY = "haproxy"
    settings.GATEWAY_STATS_BIND = ""
    with pytest.raises(CommandError, match=r"there is no haproxy 2\.6 or newer"):
        call_command("up")
    assert not started
