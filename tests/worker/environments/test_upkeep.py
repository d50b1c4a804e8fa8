"""Built environments are verified, built by one worker at a time, and collected once nobody names them."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from serving.models import Environment, Serving
from tests.waiting import eventually
from tests.worker.environments.steps import Create, environment_of, made
from worker import lease
from worker.environments import collect, leases, prepare, rows

pytestmark = pytest.mark.usefixtures("small_lock", "small_server", "known_python")


def test_a_changed_file_is_found_named_and_mended(built: Serving) -> None:
    environment = environment_of(built)
    assert rows.verify_row(environment.pk) is None
    (file,) = Path(environment.path).glob("lib/*/site-packages/six.py")
    file.write_text(file.read_text().replace("1.16.0", "6.66.0"))
    assert "six.py has other bytes" in str(rows.verify_row(environment.pk))
    environment.refresh_from_db()
    assert environment.failure["code"] == "EnvironmentCorrupt"
    assert "six.py" in environment.failure["reason"]
    assert not prepare.ready(built.current).is_ready
    assert made(built).is_ready
    assert "6.66.0" not in file.read_text()
    assert rows.verify_row(environment.pk) is None


def test_one_builds_while_the_other_goes_on(built: Serving) -> None:
    environment = environment_of(built)
    waiting = {"state": Environment.State.WAITING, "lease": "somebody"}
    Environment.objects.update(**waiting, lease_until=timezone.now() + timedelta(minutes=1))
    assert not rows.build_row(environment.pk)
    assert prepare.ready(built.current).sentence == "Building the environment"
    Environment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))  # its holder died
    assert rows.build_row(environment.pk)


def test_a_lease_is_renewed_while_the_work_lasts(built: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_of(built)
    ready = [Environment.State.READY]
    renewals = []
    monkeypatch.setattr(lease, "_renew", lambda mine, _, is_over: renewals.append(mine) or is_over.wait(5))
    with leases.hold(Environment, environment.pk, of=ready, to=Environment.State.BUILDING) as is_ours:
        assert is_ours
        eventually(lambda: renewals)
        with leases.hold(Environment, environment.pk, of=ready, to=Environment.State.BUILDING) as also:
            assert not also
    environment.refresh_from_db()
    assert environment.lease == ""


def test_only_what_nobody_names_is_collected_and_it_comes_back_from_its_lock(
    built: Serving, create: Create, settings: LazySettings
) -> None:
    environment = environment_of(built)
    long_ago = timezone.now() - timedelta(hours=settings.ENVIRONMENT_KEPT_HOURS + 1)
    Environment.objects.update(used_at=long_ago)
    assert collect.collect() == 0
    revision = built.current
    revision.environment, number = None, revision.environment_id
    revision.save(update_fields=["environment"])
    before = set(settings.ENVIRONMENT_DIR.glob(".aside-*"))
    assert collect.collect() == 1
    assert set(settings.ENVIRONMENT_DIR.glob(".aside-*")) == before
    environment.refresh_from_db()
    assert (environment.state, environment.path) == (Environment.State.GONE, "")
    assert not (settings.ENVIRONMENT_DIR / environment.key).exists()
    revision.environment_id = number
    revision.save(update_fields=["environment"])
    assert prepare.ready(revision).sentence == "Building the environment"
    assert made(built).is_ready
    environment.refresh_from_db()
    assert environment.state == Environment.State.READY


def test_what_was_used_a_moment_ago_is_not_collected(built: Serving) -> None:
    built.revisions.update(environment=None)
    assert collect.collect() == 0
