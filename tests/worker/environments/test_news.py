"""Packages that were mended elsewhere are noticed by the servings and pre-flights that lacked them."""

from collections.abc import Callable

import pytest

from accounts.access import Access
from serving import services
from serving.models import Environment, Preflight, Resolution, Serving
from serving.states import Status
from tests.worker.environments.steps import Create, environment_of, work_on
from worker import preflight, reconcile
from worker.deployers.base import Deployer
from worker.environments import rows

pytestmark = pytest.mark.usefixtures("small_lock", "small_server", "known_python")
FAILURE = {"code": "PackageNotFound", "reason": "There is no package.", "evidence": ""}
Asked = Callable[[Callable[[], object]], list[tuple[object, ...]]]


def of(serving: Serving) -> Preflight:
    serving.current.refresh_from_db()
    assert serving.current.preflight is not None
    return Preflight.objects.get(pk=serving.current.preflight_id)


def fails(serving: Serving, deployer: Deployer) -> None:
    preflight.step(of(serving).pk, deployer)
    reconcile.step(serving.pk, deployer)
    serving.refresh_from_db()
    assert (serving.status, of(serving).lacks_packages) == (Status.FAILED, True)


def recovers(serving: Serving, deployer: Deployer) -> None:
    assert of(serving).state == Preflight.State.WAITING
    reconcile.step(serving.pk, deployer)
    serving.refresh_from_db()
    assert serving.status != Status.FAILED


def test_a_resolution_that_is_done_after_all(create: Create, asked: Asked, deployer: Deployer) -> None:
    serving = create(requirements="six==1.16.0")
    Resolution.objects.update(state=Resolution.State.FAILED, failure=FAILURE)
    fails(serving, deployer)
    Resolution.objects.update(state=Resolution.State.WAITING, failure=None)  # somebody else's Try again
    news = asked(lambda: rows.resolve_row(Resolution.objects.get().pk))
    assert {("worker.reconcile", serving.pk), ("worker.preflight", of(serving).pk)} <= set(news)
    recovers(serving, deployer)


def test_an_environment_that_is_ready_after_all(create: Create, asked: Asked, deployer: Deployer) -> None:
    serving = create(requirements="six==1.16.0")
    work_on(serving)
    environment = environment_of(serving)
    failed = FAILURE | {"code": "BuildFailed"}
    Environment.objects.update(state=Environment.State.FAILED, failure=failed)
    fails(serving, deployer)
    Environment.objects.update(state=Environment.State.WAITING, failure=None)  # somebody else's Rebuild
    news = asked(lambda: rows.build_row(environment.pk, anew=True))
    assert {("worker.reconcile", serving.pk), ("worker.preflight", of(serving).pk)} <= set(news)
    recovers(serving, deployer)


def test_who_needs_other_packages_or_has_other_faults_is_left_alone(
    create: Create, asked: Asked, owner: Access
) -> None:
    serving = create(requirements="six==1.16.0")
    work_on(serving)
    environment = environment_of(serving)
    red = [{"name": "imports", "title": "", "state": "failed", "sentence": "", "code": "", "evidence": ""}]
    Preflight.objects.update(state=Preflight.State.FAILED, checks=red)
    moved_on = create(name="moved", requirements="six==1.16.0")
    services.update(access=owner, serving=moved_on, changes={"requirements": ""})
    deleted = create(name="deleted", requirements="six==1.16.0")
    services.delete(access=owner, serving=deleted)
    Environment.objects.filter(pk=environment.pk).update(state=Environment.State.WAITING)
    assert asked(lambda: rows.build_row(environment.pk)) == [("worker.reconcile", serving.pk)]
